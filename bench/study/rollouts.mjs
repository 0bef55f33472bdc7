// Rollouts of policies that have been trained for a while, with the natural direction that a solve to
// the last digit finds.

import { readFileSync } from 'node:fs';
import { Policy, ValueFunction, makeEnvironment, train, TRPO } from 'trustregion';

/**
 * The batch of a rollout file: parameters, observations, actions, advantages, gradient, and for each
 * damping the exact direction (safetensors; test/fixtures/rollouts/README.md describes them).
 */
export function readRollout(file) {
  const bytes = readFileSync(file);
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...tensors } = JSON.parse(
    bytes.subarray(8, 8 + headerSize).toString('utf8'),
  );
  const arrays = Object.entries(tensors).map(
    ([
      name,
      {
        dtype,
        data_offsets: [begin, end],
      },
    ]) => {
      const data = bytes.buffer.slice(
        bytes.byteOffset + 8 + headerSize + begin,
        bytes.byteOffset + 8 + headerSize + end,
      );
      return [name, dtype === 'F64' ? new Float64Array(data) : new Float32Array(data)];
    },
  );
  const { parameters, observations, actions, advantages, ...exact } = Object.fromEntries(arrays);
  const policy = new Policy({
    observationSize: Number(metadata.observationSize),
    hidden: JSON.parse(metadata.hidden),
    activation: metadata.activation,
    actions: { kind: 'continuous', size: Number(metadata.outputs) },
    threads: 1,
  });
  policy.setParameters(parameters);
  const directions = new Map([
    [0.1, exact['exactDirection.0.1']],
    [0.01, exact['exactDirection.0.01']],
  ]);
  return {
    policy,
    batch: { observations, actions, advantages },
    gradient: exact.gradient,
    directions,
  };
}

/**
 * The batches of two consecutive updates of a run of ours, with the policies that collected them: the
 * second is studied, the first is what a warm start knows.
 */
export async function collectRollouts(task, { updates, stepsPerUpdate, ...options }) {
  const environment = await makeEnvironment(task);
  const policy = new Policy({
    observationSize: environment.observationSpace.size,
    actions: environment.actionSpace,
    hidden: [64, 64],
    seed: 1,
    threads: 1,
  });
  const critic = new ValueFunction({
    observationSize: policy.observationSize,
    hidden: [64, 64],
    seed: 2,
    threads: 1,
  });
  const trpo = new TRPO(policy, { maxKl: 0.01 });
  const rollouts = [];
  const method = Object.create(trpo, {
    update: {
      value: async (batch) => {
        rollouts.push({ parameters: policy.getParameters(), batch });
        if (rollouts.length > 2) rollouts.shift();
        return await trpo.update(batch);
      },
    },
  });
  await train({
    policy,
    valueFunction: critic,
    environments: environment,
    method,
    steps: updates * stepsPerUpdate,
    stepsPerUpdate,
    seed: 1,
    ...options,
  });
  environment.close?.();
  critic.close();
  return { policy, rollouts };
}
