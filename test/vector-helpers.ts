import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Policy } from '../lib/policy.js';
import { VectorEnvironment } from '../lib/vector-environment.js';
import type { VectorEnvironmentOptions } from '../lib/vector-environment.js';

export const scripted = pathToFileURL(path.resolve('test/scripted-module.mjs')).href;

export const scriptedPolicy = (options: { backend?: string } = {}) =>
  new Policy({
    observationSize: 2,
    actions: { kind: 'discrete', count: 2 },
    hidden: [8],
    seed: 3,
    ...options,
  });

/** Makes one, hands it on, and closes it whatever happens. */
export async function using<Result>(
  options: VectorEnvironmentOptions,
  run: (vector: VectorEnvironment) => Promise<Result>,
): Promise<Result> {
  const vector = await VectorEnvironment.create(options);
  try {
    return await run(vector);
  } finally {
    await vector.close();
  }
}

/** A module whose environments of these numbers fail at a step. */
export const failing = (fault: string, environments = '1', step = 1) =>
  `${scripted}?fault=${fault}&environments=${environments}&step=${step}`;
