"""What all peers share: the command line, the processors, the problem's numbers, the clock.

    python PEER.py FOLDER THREADS REPEATS SECONDS [OPTION ...]

FOLDER is what bench/problem.mjs writes. Import this first: it binds the process to THREADS
processors before any library starts threads of its own. After one that is not counted, REPEATS
updates are timed, fewer when SECONDS are over. A peer prints one JSON object.
"""
import json
import os
import statistics
import sys
import time

folder, threads = sys.argv[1], int(sys.argv[2])
repeats, seconds = int(sys.argv[3]), float(sys.argv[4])
options = sys.argv[5:]

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(threads)


def leave_absent(peer, error):
    print(json.dumps({"peer": peer, "absent": str(error)}))
    sys.exit(0)


try:
    import numpy
except ImportError as missing:
    leave_absent(os.path.basename(sys.argv[0]), missing)

with open(os.path.join(folder, "problem.json")) as file:
    description = json.load(file)
rows = description["rows"]
is_categorical = description["actions"]["kind"] == "discrete"
# Units of every layer, the observation first.
sizes = [description["observationSize"], *description["hidden"], description["outputs"]]
max_kl = description["options"]["maxKl"]
damping = description["options"]["damping"]
iterations = description["options"]["cgIterations"]
# The line search, as ours: theta + 0.8^j step until KL and improvement are right.
backtrack_factor, most_backtracks, accept_ratio = 0.8, 15, 0.1


def read(name):
    return numpy.fromfile(os.path.join(folder, name + ".f32"), dtype=numpy.float32)


observations = read("observations").reshape(rows, sizes[0])
actions = (read("actions").astype(numpy.int64) if is_categorical
           else read("actions").reshape(rows, sizes[-1]))
advantages = read("advantages")
parameters = read("parameters")


def split(flat):
    """Views of a flat vector: [(weight [out x in], bias)] of each layer, and what is left (logStd)."""
    layers, offset = [], 0
    for inputs, outputs in zip(sizes, sizes[1:]):
        weight = flat[offset:offset + outputs * inputs].reshape(outputs, inputs)
        offset += outputs * inputs
        layers.append((weight, flat[offset:offset + outputs]))
        offset += outputs
    return layers, flat[offset:]


def _memory(field):
    """VmRSS or VmHWM in bytes, or None where /proc does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))
    except (OSError, StopIteration):
        return None


def _restart_peak():
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # proc(5): resets VmHWM to VmRSS
        return True
    except OSError:
        return False


def measure(peer, version, update, **more):
    """Times `update`, which returns what shall be reported of it; "ms" may be among that."""
    before = _memory("VmRSS")
    highest = _memory("VmHWM")
    is_known = _restart_peak() and before is not None

    def timed():
        begin = time.perf_counter()
        run = update()
        return {"ms": 1e3 * (time.perf_counter() - begin), **run}

    first, start = timed(), time.perf_counter()
    # Where the first takes so long that what it meets first is nothing beside it, it is the only one.
    runs = [first] if first["ms"] > 1e4 * seconds else []
    while not runs or (len(runs) < repeats and time.perf_counter() - start < seconds):
        runs.append(timed())
    after = _memory("VmHWM")
    times = {key: statistics.median(run[key] for run in runs) for key in runs[-1]
             if key.endswith("ms") or key.endswith("Ms")}
    print(json.dumps({
        "peer": peer, "version": version, "threads": threads, "updates": len(runs), **more,
        **runs[-1], **times,
        "peakMemoryMb": max(highest, after) / 1e6 if is_known else None,
        "updateMemoryMb": (after - before) / 1e6 if is_known else None,
    }))
