"""One TRPO update in PyTorch, as a first mark to compare with.

The Fisher product is a hand-written Gauss-Newton product (one tangent pass, the head's metric, one
backward pass, activations cached once per update): no double backpropagation. It does the same work
as ours: surrogate gradient, a fixed number of products inside conjugate gradients, one line-search
candidate, all in float32.

    python pytorch_trpo.py PROBLEM_FOLDER THREADS REPEATS

PROBLEM_FOLDER is what bench/problem.mjs writes. Prints one JSON object.
"""
import json
import os
import statistics
import sys
import time

folder, threads, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ.setdefault("OMP_NUM_THREADS", str(threads))
try:
    import numpy
    import torch
except ImportError as error:
    print(json.dumps({"peer": "pytorch", "absent": str(error)}))
    sys.exit(0)

torch.set_num_threads(threads)
problem = json.load(open(os.path.join(folder, "problem.json")))


def read(name, columns):
    values = numpy.fromfile(os.path.join(folder, name + ".f32"), dtype=numpy.float32)
    return torch.from_numpy(values.reshape(-1, columns) if columns else values)


sizes = [problem["observationSize"], *problem["hidden"], problem["actionSize"]]
observations = read("observations", sizes[0])
actions = read("actions", sizes[-1])
advantages = read("advantages", 0)
parameters = read("parameters", 0)
rows = observations.shape[0]
max_kl, damping, iterations = problem["maxKl"], problem["damping"], problem["cgIterations"]


def split(flat):
    layers, offset = [], 0
    for inputs, outputs in zip(sizes, sizes[1:]):
        weight = flat[offset:offset + outputs * inputs].view(outputs, inputs)
        offset += outputs * inputs
        layers.append((weight, flat[offset:offset + outputs]))
        offset += outputs
    return layers, flat[offset:]


def forward(layers):
    inputs = [observations]
    for weight, bias in layers[:-1]:
        inputs.append(torch.tanh(torch.addmm(bias, inputs[-1], weight.t())))
    return inputs, torch.addmm(layers[-1][1], inputs[-1], layers[-1][0].t())


def backward(layers, inputs, cotangent):
    parts = []
    for index in range(len(layers) - 1, -1, -1):
        parts.append((cotangent.t() @ inputs[index], cotangent.sum(0)))
        if index:
            cotangent = (cotangent @ layers[index][0]) * (1 - inputs[index] ** 2)
    return torch.cat([piece.reshape(-1) for pair in reversed(parts) for piece in pair])


def log_probability(mean, log_std):
    z = (actions - mean) * torch.exp(-log_std)
    return (-0.5 * z * z - log_std).sum(1)


def update():
    start = time.perf_counter()
    layers, log_std = split(parameters)
    inputs, mean = forward(layers)
    inverse_variance = torch.exp(-2 * log_std)
    normalized = (advantages - advantages.mean()) / advantages.std(unbiased=False)
    old = log_probability(mean, log_std)

    z = (actions - mean) * torch.exp(-log_std)
    score = z * torch.exp(-log_std) * normalized[:, None]
    gradient = torch.cat([backward(layers, inputs, score),
                          ((z * z - 1) * normalized[:, None]).sum(0)]) / rows

    def fisher(vector):
        tangents, tangent_log_std = split(vector)
        tangent = None
        for index, (weight, bias) in enumerate(tangents):
            moved = torch.addmm(bias, inputs[index], weight.t())
            if tangent is not None:
                moved = torch.addmm(moved, tangent, layers[index][0].t())
            tangent = moved if index == len(layers) - 1 else moved * (1 - inputs[index + 1] ** 2)
        product = backward(layers, inputs, tangent * inverse_variance) / rows
        return torch.cat([product, 2 * tangent_log_std]) + damping * vector

    x = torch.zeros_like(gradient)
    r = gradient.clone()
    p = r.clone()
    rho = r.dot(r)
    for _ in range(iterations):
        q = fisher(p)
        alpha = rho / p.dot(q)
        x += alpha * p
        r -= alpha * q
        rho, previous = r.dot(r), rho
        p = r + (rho / previous) * p
    curvature = x.dot(gradient - r) - damping * x.dot(x)
    scale = torch.sqrt(2 * max_kl / curvature)

    fraction, tries = 1.0, 0
    while True:
        candidate_layers, candidate_log_std = split(parameters + fraction * scale * x)
        _, candidate = forward(candidate_layers)
        ratio = torch.exp(log_probability(candidate, candidate_log_std) - old)
        improvement = (ratio * normalized).mean()
        u = log_std - candidate_log_std
        kl = (0.5 * (torch.exp(2 * u) - 1 - 2 * u
                     + ((mean - candidate) * torch.exp(-candidate_log_std)) ** 2)).sum(1).mean()
        tries += 1
        if (kl <= max_kl and improvement > 0) or tries > 15:
            break
        fraction *= 0.8
    return {"ms": 1e3 * (time.perf_counter() - start), "meanKl": float(kl), "tries": tries,
            "stepNorm": float(fraction * scale * x.norm())}


with torch.no_grad():
    for _ in range(2):
        update()
    runs = [update() for _ in range(repeats)]
print(json.dumps({"peer": "pytorch", "version": torch.__version__, "threads": threads,
                  "ms": statistics.median(run["ms"] for run in runs),
                  "meanKl": runs[-1]["meanKl"], "stepNorm": runs[-1]["stepNorm"],
                  "tries": runs[-1]["tries"]}))
