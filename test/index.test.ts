import { readFileSync } from 'node:fs';
import { expect, jest, test } from '@jest/globals';
import * as trustregion from '../lib/index.js';

test('what the package exports, beside types', () => {
  expect(Object.keys(trustregion).sort()).toEqual([
    'Acrobot',
    'CartPole',
    'DualGradientDescent',
    'EpisodicEnvironment',
    'MountainCarContinuous',
    'MujocoEnvironment',
    'NaturalPolicyGradient',
    'PPO',
    'Pendulum',
    'Policy',
    'RandomGenerator',
    'RolloutBuffer',
    'TRPO',
    'TrustRegionError',
    'ValueFunction',
    'VanillaPolicyGradient',
    'VectorEnvironment',
    'actionLength',
    'backends',
    'computeAdvantages',
    'conjugateGradient',
    'environmentNames',
    'evaluate',
    'explainedVariance',
    'halfCheetah',
    'hopper',
    'invertedDoublePendulum',
    'invertedPendulum',
    'lineSearch',
    'makeEnvironment',
    'normalizeAdvantages',
    'reacher',
    'swimmer',
    'train',
    'version',
    'walker2d',
  ]);
});

test('the version is that of package.json', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(trustregion.version).toBe(version);
});

test('backends: the processor and the reference', () => {
  const names = trustregion.backends();
  expect(names.at(-1)).toBe('reference');
  expect(names).toContain('cpu-baseline');
  for (const backend of names) {
    const policy = new trustregion.Policy({
      observationSize: 1,
      actions: { kind: 'binary', size: 1 },
      backend,
    });
    expect(policy.backend).toBe(backend);
  }
});

test('without the addon, its first use says why', async () => {
  jest.resetModules();
  const error = new Error('The native addon could not be loaded. Tried: nowhere.');
  jest.unstable_mockModule('../native.cjs', () => ({ default: { addon: undefined, error } }));
  const without = await import('../lib/index.js');
  expect(without.environmentNames).toContain('CartPole-v1'); // the rest works
  let caught: unknown;
  try {
    without.backends();
  } catch (thrown) {
    caught = thrown;
  }
  expect(caught).toMatchObject({
    name: 'TrustRegionError',
    code: 'ERR_ADDON',
    message: error.message,
    cause: error,
  });
});
