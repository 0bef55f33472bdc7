"""One TRPO update in JAX, compiled whole by one jit; compile time is not counted.

    python jax_trpo.py FOLDER THREADS REPEATS SECONDS [chunk=ROWS]

See problem.py and jax_policy.py.
"""
import problem
from jax_policy import Batch, chunk, divergence, jax, lax, log_probability, numpy, solve


def update(parameters, observations, actions, advantages):
    batch = Batch(parameters, observations, actions)
    normalized = ((advantages - advantages.mean()) / advantages.std()).reshape(-1, chunk)
    old = log_probability(batch.head, batch.log_std, batch.actions)
    gradient = batch.gradient(normalized)
    x, damped_curvature = solve(batch.product, gradient, problem.iterations)
    scale = numpy.sqrt(2 * problem.max_kl / (damped_curvature - problem.damping * x.dot(x)))

    def candidate(fraction):
        flat = parameters + fraction * scale * x
        layers, log_std = problem.split(flat)
        head = batch.head_of(layers)
        ratio = numpy.exp(log_probability(head, log_std, batch.actions) - old)
        kl = divergence(batch.head, batch.log_std, head, log_std)
        return flat, (ratio * normalized).mean(), kl.mean()

    def is_refused(state):
        tries, fraction, (_, surrogate, kl) = state
        expected = fraction * scale * x.dot(gradient)
        improvement = surrogate - normalized.mean()
        is_right = (kl <= problem.max_kl) & (improvement > problem.accept_ratio * expected)
        return ~is_right & (tries <= problem.most_backtracks)

    def shorten(state):
        tries, fraction, _ = state
        fraction *= problem.backtrack_factor
        return tries + 1, fraction, candidate(fraction)

    tries, _, (flat, _, kl) = lax.while_loop(is_refused, shorten, (1, 1.0, candidate(1.0)))
    return flat, kl, numpy.linalg.norm(flat - parameters), tries


arrays = [jax.device_put(array) for array in
          (problem.parameters, problem.observations, problem.actions, problem.advantages)]
compiled = jax.jit(update).lower(*arrays).compile()


def run():
    _, kl, norm, tries = jax.block_until_ready(compiled(*arrays))
    return {"meanKl": float(kl), "stepNorm": float(norm), "tries": int(tries)}


problem.measure("jax", jax.__version__, run, chunk=chunk)
