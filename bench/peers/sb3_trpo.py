"""sb3-contrib's own TRPO.train() on one rollout of a problem's shape, policy part and critic apart.

    python sb3_trpo.py PROBLEM_FOLDER THREADS REPEATS

The rollout buffer is filled with the problem's numbers and the policy with its parameters; the
critic's epochs are timed by a second run without them (n_critic_updates 0). Prints one JSON object.
"""
import json
import os
import statistics
import sys
import time

folder, threads, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ.setdefault("OMP_NUM_THREADS", str(threads))
try:
    import gymnasium
    import numpy
    import torch
    from sb3_contrib import TRPO
    from stable_baselines3.common.logger import configure
except ImportError as error:
    print(json.dumps({"peer": "sb3-contrib", "absent": str(error)}))
    sys.exit(0)

torch.set_num_threads(threads)
problem = json.load(open(os.path.join(folder, "problem.json")))
rows, size, action_size = problem["rows"], problem["observationSize"], problem["actionSize"]


def read(name):
    return numpy.fromfile(os.path.join(folder, name + ".f32"), dtype=numpy.float32)


class Shape(gymnasium.Env):
    """Only its spaces are used."""
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (size,), numpy.float32)
    action_space = gymnasium.spaces.Box(-10, 10, (action_size,), numpy.float32)

    def reset(self, seed=None, options=None):
        return numpy.zeros(size, numpy.float32), {}

    def step(self, action):
        return numpy.zeros(size, numpy.float32), 0.0, False, False, {}


def timed(critic_updates):
    model = TRPO("MlpPolicy", Shape(), n_steps=rows, batch_size=128, device="cpu",
                 n_critic_updates=critic_updates, cg_max_steps=problem["cgIterations"],
                 # sb3-contrib averages KL over action dimensions: this is the same joint bound.
                 target_kl=problem["maxKl"] / action_size,
                 cg_damping=problem["damping"] / action_size,
                 policy_kwargs={"net_arch": {"pi": problem["hidden"], "vf": problem["hidden"]}})
    model.set_logger(configure(None, []))
    flat = read("parameters")
    policy = model.policy
    network = [layer for layer in policy.mlp_extractor.policy_net if hasattr(layer, "weight")]

    def load():
        offset = 0
        with torch.no_grad():
            for layer in [*network, policy.action_net]:
                for tensor in (layer.weight, layer.bias):
                    count = tensor.numel()
                    tensor.copy_(torch.from_numpy(flat[offset:offset + count]).view(tensor.shape))
                    offset += count
            policy.log_std.copy_(torch.from_numpy(flat[offset:]))

    load()
    buffer = model.rollout_buffer
    observations = read("observations").reshape(rows, 1, size)
    actions = read("actions").reshape(rows, 1, action_size)
    with torch.no_grad():
        _, log_probabilities, _ = policy.evaluate_actions(
            torch.from_numpy(observations[:, 0]), torch.from_numpy(actions[:, 0]))

    def fill():
        load()
        buffer.reset()
        buffer.observations[:] = observations
        buffer.actions[:] = actions
        buffer.advantages[:] = read("advantages").reshape(rows, 1)
        buffer.log_probs[:] = log_probabilities.numpy().reshape(rows, 1)
        buffer.pos, buffer.full = rows, True

    times = []
    for repeat in range(repeats + 1):
        fill()
        start = time.perf_counter()
        model.train()
        if repeat:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


policy_ms = timed(0)
whole_ms = timed(10)
import sb3_contrib

print(json.dumps({"peer": "sb3-contrib", "version": sb3_contrib.__version__, "threads": threads,
                  "ms": policy_ms, "criticMs": whole_ms - policy_ms}))
