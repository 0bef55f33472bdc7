"""One TRPO update in PyTorch, eager, without autograd.

Gauss-Newton products by hand: a tangent pass, the head's metric, a backward pass; activations and
their derivatives are kept from the forward pass, buffers are reused, and rows go through in chunks.

    python pytorch_trpo.py FOLDER THREADS REPEATS SECONDS [chunk=ROWS] [library=mkl|onednn]

See problem.py. library=onednn takes the larger products through a private operator of PyTorch's,
torch.ops.mkldnn._linear_pointwise: more than a user would write.
"""
import problem

try:
    import torch
except ImportError as error:
    problem.leave_absent("pytorch", error)

chosen = dict(option.split("=") for option in problem.options)
is_onednn = chosen.get("library", "mkl") == "onednn"
if is_onednn and not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    problem.leave_absent("pytorch-onednn", "torch.ops.mkldnn._linear_pointwise is not there")
torch.set_num_threads(problem.threads)
sizes, rows = problem.sizes, problem.rows
chunk = int(chosen.get("chunk", 4096))
split = problem.split
observations = torch.from_numpy(problem.observations).split(chunk)
actions = torch.from_numpy(problem.actions).split(chunk)
all_advantages = torch.from_numpy(problem.advantages)
parameters = torch.from_numpy(problem.parameters)
scratch = [torch.empty(min(chunk, rows), size) for size in sizes]


def linear(inputs, weight, bias, out):
    """out = inputs weight' + bias, weight [outputs x inputs]."""
    if is_onednn and bias.dim() == 1:
        return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return torch.addmm(bias, inputs, weight.t(), out=out)


def times(cotangent, weight, transposed, out):
    """out = cotangent weight; `transposed` is weight' in memory of its own."""
    if is_onednn:
        return torch.ops.mkldnn._linear_pointwise(cotangent, transposed, None, "none", [], "")
    return torch.mm(cotangent, weight, out=out)


class Chunk:
    """The rows of one chunk at theta."""

    def __init__(self, layers, transposed, observations):
        self.layers, self.transposed = layers, transposed
        self.inputs, self.derivatives = [observations], [None]
        self.scratch = [buffer[:len(observations)] for buffer in scratch]
        for weight, bias in layers[:-1]:
            self.inputs.append(torch.addmm(bias, self.inputs[-1], weight.t()).tanh_())
            self.derivatives.append(1 - self.inputs[-1] ** 2)
        self.head = torch.addmm(layers[-1][1], self.inputs[-1], layers[-1][0].t())

    def tangent(self, directions):
        """J v of every row."""
        moved = None
        for index, (weight, bias) in enumerate(directions):
            buffer = self.scratch[index + 1]
            sums = linear(self.inputs[index], weight, bias, buffer)
            if moved is not None:
                sums.addmm_(moved, self.layers[index][0].t())
            if index < len(directions) - 1:
                sums.mul_(self.derivatives[index + 1])
            moved = sums
        return moved

    def add_backward(self, cotangent, total):
        """total += sum over rows of J' cotangent."""
        sums = split(total)[0]
        for index in reversed(range(len(self.layers))):
            weight_sum, bias_sum = sums[index]
            bias_sum += cotangent.sum(0)
            if index == 0:  # few columns: faster the other way round
                weight_sum += (self.inputs[0].t() @ cotangent).t()
                return
            weight_sum.addmm_(cotangent.t(), self.inputs[index])
            cotangent = times(cotangent, self.layers[index][0], self.transposed[index],
                              self.scratch[index]).mul_(self.derivatives[index])


if problem.is_categorical:
    def log_probability(head, _, taken):
        return head.log_softmax(1).gather(1, taken[:, None])[:, 0]

    def score(head, _, taken):
        return (torch.nn.functional.one_hot(taken, sizes[-1]) - head.softmax(1),
                head.new_empty(len(head), 0))

    def metric_of(head, _):
        p = head.softmax(1)
        return lambda moved: p * (moved - (p * moved).sum(1, keepdim=True))

    def divergence(old, _, new, __):
        a, b = old.log_softmax(1), new.log_softmax(1)
        return (a.exp() * (a - b)).sum(1)
else:
    def log_probability(mean, log_std, taken):
        z = (taken - mean) * torch.exp(-log_std)
        return (-0.5 * z ** 2 - log_std).sum(1)

    def score(mean, log_std, taken):
        z = (taken - mean) * torch.exp(-log_std)
        return z * torch.exp(-log_std), z * z - 1

    def metric_of(_, log_std):
        inverse_variance = torch.exp(-2 * log_std)
        return lambda moved: moved * inverse_variance

    def divergence(old, old_log_std, new, new_log_std):
        u = old_log_std - new_log_std
        z = (old - new) * torch.exp(-new_log_std)
        return 0.5 * (torch.exp(2 * u) - 1 - 2 * u + z ** 2).sum(1)


def solve(product, gradient):
    """Conjugate gradients from 0: x, and x'(F + damping I) x."""
    x, r, p = torch.zeros_like(gradient), gradient.clone(), gradient.clone()
    rho = r.dot(r)
    for _ in range(problem.iterations):
        q = product(p)
        alpha = float(rho / p.dot(q))
        x.add_(p, alpha=alpha)
        r.add_(q, alpha=-alpha)
        rho, previous = r.dot(r), rho
        p.mul_(float(rho / previous)).add_(r)
    return x, x.dot(gradient - r)


def update():
    layers, log_std = split(parameters)
    transposed = [weight.t().contiguous() for weight, _ in layers]
    chunks = [Chunk(layers, transposed, part) for part in observations]
    normalized = (all_advantages - all_advantages.mean()) / all_advantages.std(unbiased=False)
    batch = list(zip(chunks, actions, normalized.split(chunk)))
    old = [log_probability(part.head, log_std, taken) for part, taken, _ in batch]
    metrics = [metric_of(part.head, log_std) for part in chunks]

    gradient = torch.zeros_like(parameters)
    for part, taken, advantages in batch:
        head_score, log_std_score = score(part.head, log_std, taken)
        part.add_backward(head_score * advantages[:, None], gradient)
        split(gradient)[1].add_(advantages @ log_std_score)
    gradient /= rows

    def product(vector):
        directions, log_std_direction = split(vector)
        total = torch.zeros_like(vector)
        for part, metric in zip(chunks, metrics):
            part.add_backward(metric(part.tangent(directions)), total)
        total /= rows
        split(total)[1].add_(log_std_direction, alpha=2)
        return total.add_(vector, alpha=problem.damping)

    x, damped_curvature = solve(product, gradient)
    scale = torch.sqrt(2 * problem.max_kl / (damped_curvature - problem.damping * x.dot(x)))
    start = float(normalized.mean())
    fraction = 1.0
    for tries in range(1, problem.most_backtracks + 2):
        candidate = parameters + fraction * scale * x
        new_layers, new_log_std = split(candidate)
        surrogate = kl = 0.0
        for (part, taken, advantages), old_part in zip(batch, old):
            hidden = part.inputs[0]
            for weight, bias in new_layers[:-1]:
                hidden = torch.addmm(bias, hidden, weight.t()).tanh_()
            head = torch.addmm(new_layers[-1][1], hidden, new_layers[-1][0].t())
            ratio = torch.exp(log_probability(head, new_log_std, taken) - old_part)
            surrogate += float(ratio.dot(advantages)) / rows
            kl += float(divergence(part.head, log_std, head, new_log_std).sum()) / rows
        expected = fraction * float(scale * x.dot(gradient))
        if kl <= problem.max_kl and surrogate - start > problem.accept_ratio * expected:
            break
        fraction *= problem.backtrack_factor
    return {"meanKl": kl, "stepNorm": float((candidate - parameters).norm()), "tries": tries}


with torch.no_grad():
    problem.measure("pytorch-onednn" if is_onednn else "pytorch", torch.__version__, update,
                    chunk=chunk)
