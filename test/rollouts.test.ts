import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Policy } from '../lib/policy.js';
import { decodeTensors, tensorToVector } from '../lib/safetensors.js';
import { dot, relativeError } from './helpers.js';

/*
 * The natural direction on a rollout of a trained policy, whose Fisher matrix is far worse conditioned
 * than that of a fresh one; see test/fixtures/rollouts/README.md.
 */

const { tensors } = decodeTensors(
  readFileSync('test/fixtures/rollouts/halfcheetah-200.safetensors'),
);

function tensor(name: string): Float32Array | Float64Array {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return tensorToVector(found, name);
}

const policy = new Policy({
  observationSize: 17,
  actions: { kind: 'continuous', size: 6 },
  hidden: [64, 64],
});
policy.setParameters(tensor('parameters'));
const batch = {
  observations: tensor('observations'),
  actions: tensor('actions'),
  advantages: tensor('advantages'),
};
const gradient = tensor('gradient');

type Preconditioner = 'none' | 'jacobi' | 'kronecker';

function directionOf(damping: number, cgIterations: number, preconditioner: Preconditioner) {
  return policy.naturalDirection(batch, { damping, cgIterations, preconditioner }).direction;
}

/** The improvement along a direction as a part of the most that a step of its length could bring. */
function efficiency(damping: number, direction: Float64Array): number {
  const product = policy.fisherVectorProduct(batch.observations, direction);
  const curvature = dot(direction, product) + damping * dot(direction, direction);
  const most = dot(gradient, tensor(`exactDirection.${damping}`));
  return dot(gradient, direction) / Math.sqrt(curvature * most);
}

test('its gradient is that of float64', () => {
  expect(relativeError(policy.gradient(batch), gradient)).toBeLessThan(2e-5);
});

describe('efficiency of the natural direction', () => {
  // Figures of an independent implementation in float64 for plain conjugate gradients.
  test.each([
    [3, 0.277],
    [5, 0.452],
    [10, 0.609],
  ])('plain conjugate gradients, damping 0.1, %d products: about %d', (products, expected) => {
    expect(efficiency(0.1, directionOf(0.1, products, 'none'))).toBeCloseTo(expected, 2);
  });

  test.each([
    [0.1, 3, 0.84],
    [0.1, 5, 0.92],
    [0.1, 10, 0.97],
    [0.01, 5, 0.85],
    [0.01, 10, 0.92],
  ])('Kronecker, damping %d, %d products: at least %d', (damping, products, least) => {
    const reached = efficiency(damping, directionOf(damping, products, 'kronecker'));
    expect(reached).toBeGreaterThanOrEqual(least);
    expect(reached).toBeLessThan(1 + 1e-6);
  });

  test('3 products with Kronecker factors reach more than 20 without', () => {
    expect(efficiency(0.1, directionOf(0.1, 3, 'kronecker'))).toBeGreaterThan(
      efficiency(0.1, directionOf(0.1, 20, 'none')),
    );
  });

  test('many iterations reach the exact direction', () => {
    const { direction } = policy.naturalDirection(batch, {
      damping: 0.1,
      cgIterations: 300,
      cgTolerance: 1e-6,
    });
    expect(efficiency(0.1, direction)).toBeGreaterThan(1 - 1e-6);
    expect(relativeError(direction, tensor('exactDirection.0.1'))).toBeLessThan(1e-3);
  });
});
