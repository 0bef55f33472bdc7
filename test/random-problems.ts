import fc from 'fast-check';
import { Policy } from '../lib/policy.js';
import type { ActionSpace } from '../lib/spaces.js';
import { numbers } from './helpers.js';

/*
 * Random policies and batches for the property tests: every shape, distribution and activation, and
 * advantages of every kind that rewards make.
 */

export interface RandomProblem {
  readonly observationSize: number;
  readonly hidden: readonly number[];
  readonly activation: 'tanh' | 'relu' | 'silu';
  readonly actions: ActionSpace;
  readonly rows: number;
  readonly advantages: 'usual' | 'huge' | 'tiny' | 'constant' | 'one non-zero' | 'mixed';
  readonly initialLogStd: number;
  readonly outputGain: number;
  readonly observationScale: number;
  readonly seed: number;
  readonly normalizeAdvantages: boolean;
}

/** A number between two others, as often in each decade. */
export const logUniform = (low: number, high: number) =>
  fc.double({ min: Math.log(low), max: Math.log(high), noNaN: true }).map(Math.exp);

const size = (max: number) => fc.integer({ min: 1, max });

export const randomProblem: fc.Arbitrary<RandomProblem> = fc.record({
  observationSize: size(5),
  hidden: fc.array(size(9), { maxLength: 2 }),
  activation: fc.constantFrom('tanh' as const, 'relu' as const, 'silu' as const),
  actions: fc.oneof(
    size(3).map((count) => ({ kind: 'continuous' as const, size: count })),
    fc.integer({ min: 2, max: 5 }).map((count) => ({ kind: 'discrete' as const, count })),
    fc
      .array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 3 })
      .map((counts) => ({ kind: 'multiDiscrete' as const, counts })),
    size(3).map((count) => ({ kind: 'binary' as const, size: count })),
  ),
  rows: fc.integer({ min: 1, max: 80 }),
  advantages: fc.constantFrom(
    'usual' as const,
    'huge' as const,
    'tiny' as const,
    'constant' as const,
    'one non-zero' as const,
    'mixed' as const,
  ),
  initialLogStd: fc.double({ min: -4, max: 2, noNaN: true }),
  outputGain: logUniform(1e-2, 10),
  observationScale: logUniform(1e-2, 1e2),
  seed: fc.nat(),
  normalizeAdvantages: fc.boolean(),
});

/** The policy of a problem, and a batch that it collected. */
export function realize(problem: RandomProblem, backend: string) {
  const { observationSize, hidden, activation, actions, outputGain, initialLogStd, seed } = problem;
  const options = { observationSize, hidden, activation, actions, outputGain, seed, backend };
  const policy = new Policy({
    ...options,
    threads: 1,
    ...(actions.kind === 'continuous' ? { initialLogStd } : {}),
  });
  const observations = Float32Array.from(
    numbers(problem.rows * observationSize, seed + 1),
    (value) => problem.observationScale * value,
  );
  const batch = {
    observations,
    actions: policy.act(observations),
    advantages: advantagesOf(problem),
  };
  return { policy, batch };
}

function advantagesOf({ rows, advantages, seed }: RandomProblem): Float64Array {
  const usual = numbers(rows, seed + 2);
  switch (advantages) {
    case 'usual':
      return usual;
    case 'huge':
      return usual.map((value) => 1e12 * value);
    case 'tiny':
      return usual.map((value) => 1e-12 * value);
    case 'constant':
      return usual.fill(-3);
    case 'one non-zero':
      return usual.fill(0).fill(2, rows - 1);
    case 'mixed':
      return usual.map((value, row) => value * 10 ** ((row % 13) - 6));
  }
}
