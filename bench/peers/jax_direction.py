"""A natural direction in JAX by plain conjugate gradients, compiled whole by one jit: forward pass,
gradient, products.

    python jax_direction.py FOLDER THREADS REPEATS SECONDS products=N [trace=FILE] [chunk=ROWS]

With trace=FILE nothing is timed: the directions after 1 ... N products are written to it, float32.
"""
import problem
from jax_policy import Batch, chosen, chunk, jax, solve

products = int(chosen["products"])


def direction(parameters, observations, actions, advantages, iterations):
    batch = Batch(parameters, observations, actions)
    gradient = batch.gradient(advantages.reshape(-1, chunk))
    return solve(batch.product, gradient, iterations)[0]


arrays = [jax.device_put(array) for array in
          (problem.parameters, problem.observations, problem.actions, problem.advantages)]

if "trace" in chosen:
    traced = jax.jit(direction)
    with open(chosen["trace"], "wb") as file:
        for count in range(1, products + 1):
            file.write(jax.device_get(traced(*arrays, count)).tobytes())
    print('{"peer": "jax", "products": %d}' % products)
else:
    compiled = jax.jit(direction, static_argnums=4).lower(*arrays, products).compile()

    def run():
        jax.block_until_ready(compiled(*arrays))
        return {"products": products}

    problem.measure("jax", jax.__version__, run, chunk=chunk)
