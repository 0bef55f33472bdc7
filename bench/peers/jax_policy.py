"""What the JAX peers share: forward and backward passes, distributions, products, solver.

Gauss-Newton products by hand: a tangent pass, the head's metric, a backward pass; activations are
kept from the forward pass. Rows go through in chunks (lax.scan) where that is faster. Arrays are
[chunks, units, rows of a chunk]: XLA's products are faster with rows last.
"""
import problem

try:
    import jax
    from jax import lax, numpy
except ImportError as error:
    problem.leave_absent("jax", error)

chosen = dict(option.split("=") for option in problem.options)
sizes, rows = problem.sizes, problem.rows
fastest_chunk = rows if rows <= 10000 else 2000 if problem.threads == 1 else 5000


def divisor(limit):
    """The largest divisor of rows that is no larger than limit."""
    return next(n for n in range(min(limit, rows), 0, -1) if rows % n == 0)


chunk = divisor(int(chosen.get("chunk", fastest_chunk)))


def each_chunk(function, *arrays):
    """function(chunk of each array) of every chunk."""
    if chunk == rows:
        return jax.tree.map(lambda array: array[None], function(*(array[0] for array in arrays)))
    return lax.map(lambda parts: function(*parts), arrays)


def sum_chunks(function, *arrays):
    """The same, added up one after another."""
    if chunk == rows:
        return function(*(array[0] for array in arrays))
    start = numpy.zeros_like(jax.eval_shape(function, *(array[0] for array in arrays)))
    return lax.scan(lambda total, parts: (total + function(*parts), None), start, arrays)[0]


def forward(layers, observations):
    """What each layer reads, and at last the head."""
    inputs = [observations]
    for index, (weight, bias) in enumerate(layers):
        sums = weight @ inputs[-1] + bias[:, None]
        inputs.append(sums if index == len(layers) - 1 else numpy.tanh(sums))
    return inputs


def backward(layers, inputs, cotangent):
    """Sum over rows of J' cotangent, flat, without logStd."""
    parts = []
    for index in reversed(range(len(layers))):
        parts += [cotangent.sum(1), (cotangent @ inputs[index].T).ravel()]
        if index > 0:
            cotangent = (layers[index][0].T @ cotangent) * (1 - inputs[index] ** 2)
    return numpy.concatenate(parts[::-1])


def tangent(layers, inputs, directions):
    """J v of every row."""
    moved = None
    for index, (weight, bias) in enumerate(directions):
        sums = weight @ inputs[index] + bias[:, None]
        moved = sums if moved is None else sums + layers[index][0] @ moved
        if index < len(layers) - 1:
            moved = moved * (1 - inputs[index + 1] ** 2)
    return moved


# Of heads [..., outputs, rows]; sums over outputs, or over the numbers of an action, are [..., rows].
if problem.is_categorical:
    def log_probability(head, _, actions):
        return numpy.take_along_axis(jax.nn.log_softmax(head, -2), actions, -2).squeeze(-2)

    def score(head, _, actions):
        taken = jax.nn.one_hot(actions.squeeze(-2), sizes[-1], axis=-2)
        return taken - jax.nn.softmax(head, -2), numpy.zeros((*head.shape[:-2], 0, head.shape[-1]))

    def metric(head, _, moved):
        p = jax.nn.softmax(head, -2)
        return p * (moved - (p * moved).sum(-2, keepdims=True))

    def divergence(old, _, new, __):
        a, b = jax.nn.log_softmax(old, -2), jax.nn.log_softmax(new, -2)
        return (numpy.exp(a) * (a - b)).sum(-2)
else:
    def log_probability(mean, log_std, actions):
        z = (actions - mean) * numpy.exp(-log_std[:, None])
        return (-0.5 * z ** 2 - log_std[:, None]).sum(-2)

    def score(mean, log_std, actions):
        z = (actions - mean) * numpy.exp(-log_std[:, None])
        return z * numpy.exp(-log_std[:, None]), z ** 2 - 1

    def metric(_, log_std, moved):
        return moved * numpy.exp(-2 * log_std[:, None])

    def divergence(old, old_log_std, new, new_log_std):
        u = (old_log_std - new_log_std)[:, None]
        z = (old - new) * numpy.exp(-new_log_std[:, None])
        return 0.5 * (numpy.exp(2 * u) - 1 - 2 * u + z ** 2).sum(-2)


class Batch:
    """A batch at theta: what every product and the line search need."""

    def __init__(self, parameters, observations, actions):
        def chunks(array):
            return array.reshape(rows // chunk, chunk, -1).swapaxes(1, 2)

        self.observations, self.actions = chunks(observations), chunks(actions)
        self.layers, self.log_std = problem.split(parameters)
        *self.inputs, self.head = each_chunk(
            lambda array: forward(self.layers, array), self.observations)

    def head_of(self, layers):
        """The head of other parameters."""
        return each_chunk(lambda array: forward(layers, array)[-1], self.observations)

    def gradient(self, advantages):
        """Mean of A grad log pi, advantages [chunks, rows of a chunk]."""
        head_score, log_std_score = score(self.head, self.log_std, self.actions)
        total = sum_chunks(lambda *arrays: backward(self.layers, arrays[:-1], arrays[-1]),
                           *self.inputs, head_score * advantages[:, None])
        log_std_total = (log_std_score * advantages[:, None]).sum((0, 2))
        return numpy.concatenate([total, log_std_total]) / rows

    def product(self, vector):
        """(F + damping I) v"""
        directions, log_std_direction = problem.split(vector)

        def of_chunk(*arrays):
            moved = tangent(self.layers, arrays[:-1], directions)
            return backward(self.layers, arrays[:-1], metric(arrays[-1], self.log_std, moved))

        mean = sum_chunks(of_chunk, *self.inputs, self.head) / rows
        mean = numpy.concatenate([mean, 2 * log_std_direction])
        return mean + problem.damping * vector


def solve(product, gradient, iterations):
    """Conjugate gradients from 0: x, and x'(F + damping I) x."""
    def step(_, state):
        x, r, p, rho = state
        q = product(p)
        alpha = rho / p.dot(q)
        x, r = x + alpha * p, r - alpha * q
        next_rho = r.dot(r)
        return x, r, r + (next_rho / rho) * p, next_rho

    state = (numpy.zeros_like(gradient), gradient, gradient, gradient.dot(gradient))
    x, r, _, _ = lax.fori_loop(0, iterations, step, state)
    return x, x.dot(gradient - r)
