"""sb3-contrib's own TRPO.train() on one rollout of a problem's shape, policy part and critic part.

    python sb3_trpo.py FOLDER THREADS REPEATS SECONDS [critic=EPOCHS]

See problem.py. The rollout buffer is filled with the problem's numbers, the policy with its
parameters and, where the folder has valueParameters.f32, the critic with them; its targets are returns.f32. The parts are
told apart by the moment train() asks the buffer for its first minibatch. "ms" is the policy part.
"""
import problem

try:
    import gymnasium
    import numpy
    import sb3_contrib
    import torch
    from stable_baselines3.common.logger import configure
except ImportError as error:
    problem.leave_absent("sb3-contrib", error)

import os
import time

torch.set_num_threads(problem.threads)
critic_epochs = int(dict(option.split("=") for option in problem.options).get("critic", 0))
rows, sizes = problem.rows, problem.sizes
# sb3-contrib averages a Gaussian's KL over the numbers of an action: this is the same joint bound.
terms = 1 if problem.is_categorical else sizes[-1]


class Shape(gymnasium.Env):
    """Only its spaces are used."""
    observation_space = gymnasium.spaces.Box(-numpy.inf, numpy.inf, (sizes[0],), numpy.float32)
    action_space = (gymnasium.spaces.Discrete(sizes[-1]) if problem.is_categorical
                    else gymnasium.spaces.Box(-10, 10, (sizes[-1],), numpy.float32))

    def reset(self, seed=None, options=None):
        return numpy.zeros(sizes[0], numpy.float32), {}

    def step(self, action):
        return numpy.zeros(sizes[0], numpy.float32), 0.0, False, False, {}


hidden = problem.description["hidden"]
model = sb3_contrib.TRPO(
    "MlpPolicy", Shape(), n_steps=rows, batch_size=128, device="cpu", seed=1,
    n_critic_updates=critic_epochs, learning_rate=1e-3, cg_max_steps=problem.iterations,
    target_kl=problem.max_kl / terms, cg_damping=problem.damping / terms,
    policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}})
model.set_logger(configure(None, []))
policy, buffer = model.policy, model.rollout_buffer


def linear_layers(*modules):
    return [layer for module in modules for layer in module.modules()
            if isinstance(layer, torch.nn.Linear)]


actor = linear_layers(policy.mlp_extractor.policy_net, policy.action_net)
critic = linear_layers(policy.mlp_extractor.value_net, policy.value_net)
has_critic = os.path.exists(os.path.join(problem.folder, "valueParameters.f32"))


def load(layers, flat):
    """Copies a flat vector into layers; returns what is left of it."""
    flat, offset = torch.from_numpy(flat), 0
    for layer in layers:
        for tensor in (layer.weight, layer.bias):
            tensor.copy_(flat[offset:offset + tensor.numel()].view(tensor.shape))
            offset += tensor.numel()
    return flat[offset:]


def restart():
    """Everything as it was before the first update."""
    policy.optimizer.state.clear()
    with torch.no_grad():
        log_std = load(actor, problem.parameters)
        if not problem.is_categorical:
            policy.log_std.copy_(log_std)
        if has_critic:
            load(critic, problem.read("valueParameters"))
    buffer.reset()
    buffer.observations[:] = problem.observations.reshape(rows, 1, -1)
    buffer.actions[:] = problem.actions.reshape(rows, 1, -1)
    buffer.advantages[:] = problem.advantages.reshape(rows, 1)
    buffer.log_probs[:] = log_probabilities.reshape(rows, 1)
    buffer.returns[:] = returns.reshape(rows, 1)
    buffer.pos, buffer.full = rows, True


def flat_actor():
    tensors = [tensor for layer in actor for tensor in (layer.weight, layer.bias)]
    if not problem.is_categorical:
        tensors.append(policy.log_std)
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def mean_squared_error():
    with torch.no_grad():
        values = policy.predict_values(torch.from_numpy(problem.observations)).numpy()
    return float(((values.ravel() - returns) ** 2).mean())


returns = problem.read("returns") if has_critic else numpy.zeros(rows, numpy.float32)
log_probabilities = numpy.zeros(rows, numpy.float32)
restart()
with torch.no_grad():
    log_probabilities = policy.evaluate_actions(
        torch.from_numpy(problem.observations),
        torch.from_numpy(problem.actions))[1].numpy()

original_get, asked = buffer.get, []


def get(batch_size=None):
    if batch_size is not None and not asked:
        asked.append(time.perf_counter())
    return original_get(batch_size)


buffer.get = get


def update():
    restart()
    asked.clear()
    begin = time.perf_counter()
    model.train()
    end = time.perf_counter()
    middle = asked[0] if asked else end
    kl = model.logger.name_to_value["train/kl_divergence_loss"]
    result = {
        "ms": 1e3 * (middle - begin), "meanKl": terms * float(kl),
        "stepNorm": float(numpy.linalg.norm(flat_actor().numpy() - problem.parameters)),
    }
    if critic_epochs > 0:
        result["criticMs"] = 1e3 * (end - middle)
        result["lossAfter"] = mean_squared_error() / 2
    return result


problem.measure("sb3-contrib", sb3_contrib.__version__, update)
