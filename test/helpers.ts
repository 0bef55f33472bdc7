import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from '@jest/globals';
import { TrustRegionError } from '../lib/errors.js';
import type { ErrorCode } from '../lib/errors.js';
import { Policy } from '../lib/policy.js';
import type { PolicyOptions } from '../lib/policy-options.js';
import type { ActionSpace } from '../lib/spaces.js';

/** A value of a wrong type, as JavaScript callers may pass it. */
export const wrong = (value: unknown) => value as never;

/** Expects a TrustRegionError of the given code whose sentence matches. */
export function expectError(run: () => unknown, code: ErrorCode, sentence: RegExp | string): void {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  expectIsError(caught, code, sentence);
}

/** The same for a promise. */
export async function expectRejection(
  promise: Promise<unknown>,
  code: ErrorCode,
  sentence: RegExp | string,
): Promise<void> {
  let caught: unknown;
  await promise.catch((error: unknown) => {
    caught = error;
  });
  expectIsError(caught, code, sentence);
}

function expectIsError(caught: unknown, code: ErrorCode, sentence: RegExp | string): void {
  expect(caught).toBeInstanceOf(TrustRegionError);
  const { code: found, message } = caught as TrustRegionError;
  expect([found, message]).toEqual([
    code,
    typeof sentence === 'string'
      ? expect.stringContaining(sentence)
      : expect.stringMatching(sentence),
  ]);
}

/** Numbers as they lie in memory, to compare bit for bit. */
export function bitsOf(array: Float32Array | Float64Array): string {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');
}

export function fixture<Content>(name: string): Content {
  const file = path.join(process.cwd(), 'test/fixtures', name);
  return JSON.parse(readFileSync(file, 'utf8')) as Content;
}

/** Largest difference relative to the largest expected number. */
export function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  let difference = 0;
  let scale = 0;
  for (let index = 0; index < expected.length; index += 1) {
    difference = Math.max(difference, Math.abs((found[index] ?? NaN) - (expected[index] ?? NaN)));
    scale = Math.max(scale, Math.abs(expected[index] ?? NaN));
  }
  return difference / scale;
}

/** A small generator of repeatable numbers in [-1, 1) (a linear congruential one, of good enough
 * quality to fill arrays). */
export function numbers(length: number, seed = 1): Float64Array {
  let state = seed;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export function dot(first: ArrayLike<number>, second: ArrayLike<number>): number {
  return Array.from(first).reduce((sum, value, index) => sum + value * (second[index] ?? NaN), 0);
}

/** theta + scale direction */
export function moved(theta: Float64Array, scale: number, direction: Float64Array): Float64Array {
  return theta.map((value, index) => value + scale * (direction[index] ?? NaN));
}

/** A policy's parameters in full precision. */
export function parametersOf(policy: Policy): Float64Array {
  return policy.getParameters(new Float64Array(policy.parameterCount));
}

/** One of each kind of action space. */
export const spaces: readonly ActionSpace[] = [
  { kind: 'continuous', size: 2 },
  { kind: 'discrete', count: 3 },
  { kind: 'multiDiscrete', counts: [3, 2] },
  { kind: 'binary', size: 2 },
];

/** A small policy whose first actions do depend on the observation. */
export function smallPolicy<A extends ActionSpace>(
  actions: A,
  options: Partial<PolicyOptions> = {},
): Policy<A> {
  return new Policy({
    observationSize: 3,
    hidden: [5],
    outputGain: 1,
    seed: 1,
    threads: 1,
    ...options,
    actions,
  });
}

/** Observations, sampled actions and advantages of `rows` rows for a policy. */
export function makeBatch(policy: Policy, rows: number, seed = 1) {
  const observations = numbers(rows * policy.observationSize, seed);
  return {
    observations,
    actions: policy.act(observations),
    advantages: numbers(rows, seed + 1),
  };
}

/** A case of test/fixtures/math, made by PyTorch in float64; see test/fixtures/math/README.md. */
export interface MathCase {
  readonly name: string;
  readonly distribution: 'gaussian' | 'categorical' | 'bernoulli';
  readonly observationSize: number;
  readonly hidden: number[];
  readonly outputs: number;
  readonly categories?: number[];
  readonly activation: 'tanh' | 'relu' | 'silu';
  readonly rows: number;
  readonly parameters: number[];
  readonly observations: number[];
  readonly actions: number[];
  readonly advantages: number[];
  readonly head: number[];
  readonly logProb: number[];
  readonly entropy: number[];
  readonly surrogateGradient: number[];
  readonly vectors: number[][];
  readonly fisherVectorProduct: number[][];
  readonly fisherDiagonal: number[];
  readonly damping: number;
  readonly conjugateGradient: Record<string, { solution: number[]; residualNorm: number }>;
  readonly exactSolution: number[];
  readonly trpo: {
    readonly maxKl: number;
    readonly cgIterations: number;
    readonly stepScale: number;
    readonly surrogateBefore: number;
    readonly backtrackCoefficient: number;
    readonly candidates: {
      fraction: number;
      surrogate: number;
      meanKl: number;
      maxKl: number;
    }[];
    readonly acceptedIndex: number;
    readonly parametersAfter: number[];
  };
  readonly other: {
    readonly parameters: number[];
    readonly meanKl: number;
    readonly maxKl: number;
    readonly surrogate: number;
  };
}

export const mathCases: readonly MathCase[] = [
  'gaussian-linear',
  'gaussian-tanh',
  'gaussian-relu',
  'categorical-tanh',
  'multidiscrete-silu',
  'bernoulli-tanh',
].map((name) => fixture<MathCase>(`math/${name}.json`));

/** The policy of a case. */
export function policyOfCase(reference: MathCase, backend: string): Policy {
  const policy = new Policy({
    observationSize: reference.observationSize,
    actions: spaceOfCase(reference),
    hidden: reference.hidden,
    activation: reference.activation,
    backend,
    threads: 1,
  });
  policy.setParameters(reference.parameters);
  return policy;
}

function spaceOfCase({ distribution, categories = [], outputs }: MathCase): ActionSpace {
  switch (distribution) {
    case 'gaussian':
      return { kind: 'continuous', size: outputs };
    case 'categorical':
      return categories.length === 1
        ? { kind: 'discrete', count: outputs }
        : { kind: 'multiDiscrete', counts: categories };
    case 'bernoulli':
      return { kind: 'binary', size: outputs };
  }
}

/** The batch of a case, in float64. */
export function batchOfCase({ observations, actions, advantages }: MathCase) {
  return {
    observations: Float64Array.from(observations),
    actions: Float64Array.from(actions),
    advantages: Float64Array.from(advantages),
  };
}
