import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backends } from '../lib/backends.js';
import { Policy } from '../lib/policy.js';
import {
  batchOfCase,
  bitsOf,
  dot,
  expectError,
  makeBatch,
  mathCases,
  moved,
  numbers,
  parametersOf,
  policyOfCase,
  relativeError,
  smallPolicy,
  spaces,
} from './helpers.js';

describe('construction', () => {
  test('fills in the defaults and freezes them', () => {
    const policy = new Policy({ observationSize: 3, actions: { kind: 'continuous', size: 2 } });
    expect(policy.options).toEqual({
      observationSize: 3,
      actions: { kind: 'continuous', size: 2 },
      hidden: [64, 64],
      activation: 'tanh',
      seed: 0,
      initialLogStd: 0,
      outputGain: 0.01,
      backend: process.env['TRUSTREGION_BACKEND'] ?? 'cpu',
      observationClip: 10,
    });
    for (const part of [policy.options, policy.options.hidden, policy.options.actions]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(policy.threads).toBeGreaterThanOrEqual(1);
    expect(policy.version).toBe(0);
    expect(policy.busy).toBe(false);
    expect(policy.closed).toBe(false);
  });

  test('keeps its own copy of the space', () => {
    const low = [-1];
    const counts = [2, 3];
    const continuous = new Policy({
      observationSize: 1,
      actions: { kind: 'continuous', size: 1, low, high: [Infinity] },
    });
    const discrete = new Policy({ observationSize: 1, actions: { kind: 'multiDiscrete', counts } });
    low[0] = 5;
    counts[0] = 9;
    expect(continuous.options.actions).toEqual({
      kind: 'continuous',
      size: 1,
      low: [-1],
      high: [Infinity],
    });
    expect(discrete.options.actions.counts).toEqual([2, 3]);
  });

  test.each(spaces.map((space) => [space.kind, space] as const))(
    'sizes of a policy with %s actions',
    (kind, space) => {
      const policy = smallPolicy(space);
      const headSize = { continuous: 2, discrete: 3, multiDiscrete: 5, binary: 2 }[kind];
      expect(policy.headSize).toBe(headSize);
      expect(policy.actionLength).toBe(kind === 'discrete' ? 1 : 2);
      const logStdSize = kind === 'continuous' ? 2 : 0;
      expect(policy.parameterCount).toBe(3 * 5 + 5 + 5 * headSize + headSize + logStdSize);
      expect(policy.options.initialLogStd).toBe(kind === 'continuous' ? 0 : undefined);
    },
  );

  test('the options of a policy make the same policy again', () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 }, { seed: 7, initialLogStd: -1 });
    const twin = new Policy(policy.options);
    expect(bitsOf(twin.getParameters())).toBe(bitsOf(policy.getParameters()));
    expect(bitsOf(twin.act([1, 2, 3]))).toBe(bitsOf(policy.act([1, 2, 3])));
    expect(Array.from(policy.getParameters().slice(-2))).toEqual([-1, -1]);
    const other = new Policy({ ...policy.options, seed: 8 });
    expect(bitsOf(other.getParameters())).not.toBe(bitsOf(policy.getParameters()));
  });

  test('a linear policy', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 2 }, { hidden: [], backend: 'cpu' });
    expect(policy.parameterCount).toBe(3 * 2 + 2);
    const [left = NaN, right = NaN] = policy.forward([1, 0, 0]);
    const parameters = policy.getParameters();
    expect([left, right]).toEqual([parameters[0], parameters[3]]);
  });
});

// Tolerances: float64 of another summation order; float32 products and our own tanh and exp.
describe.each([
  ['reference', 1e-11],
  ['cpu', 1e-4],
] as const)('%s backend against PyTorch in float64', (backend, tolerance) => {
  test.each(mathCases.map((reference) => [reference.name, reference] as const))(
    '%s',
    (_name, reference) => {
      const policy = policyOfCase(reference, backend);
      const batch = batchOfCase(reference);
      const { observations, actions } = batch;
      const errors = {
        head: relativeError(policy.forward(observations), reference.head),
        logProb: relativeError(policy.logProbability(observations, actions), reference.logProb),
        entropy: relativeError(policy.entropy(observations), reference.entropy),
        gradient: relativeError(policy.gradient(batch), reference.surrogateGradient),
        diagonal: relativeError(policy.fisherDiagonal(observations), reference.fisherDiagonal),
        ...Object.fromEntries(
          reference.vectors.map((vector, index) => [
            `product${index}`,
            relativeError(
              policy.fisherVectorProduct(observations, vector),
              reference.fisherVectorProduct[index] ?? [],
            ),
          ]),
        ),
      };
      for (const [what, error] of Object.entries(errors)) {
        expect([what, error < tolerance ? 'small' : error]).toEqual([what, 'small']);
      }
      const { other } = reference;
      const kl = policy.kl(observations, other.parameters);
      expect(relativeError([kl.mean, kl.max], [other.meanKl, other.maxKl])).toBeLessThan(
        10 * tolerance,
      );
      const evaluation = policy.evaluate(batch, other.parameters);
      expect(evaluation.finite).toBe(true);
      expect(evaluation.meanKl).toBe(kl.mean);
      expect(evaluation.maxKl).toBe(kl.max);
      expect(evaluation.surrogate).toBe(policy.surrogate(batch, other.parameters));
      expect(relativeError([evaluation.surrogate], [other.surrogate])).toBeLessThan(10 * tolerance);
    },
  );
});

const space = fc.constantFrom(...spaces);
const shape = fc.record({
  actions: space,
  observationSize: fc.integer({ min: 1, max: 5 }),
  hidden: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 2 }),
  activation: fc.constantFrom('tanh' as const, 'silu' as const),
  seed: fc.nat(1000),
  rows: fc.integer({ min: 1, max: 33 }),
});

/** A random policy of the reference backend and observations for it. */
function makeCase({ rows, ...options }: typeof shape extends fc.Arbitrary<infer T> ? T : never) {
  const policy = new Policy({ ...options, outputGain: 1, backend: 'reference', threads: 1 });
  return { policy, observations: numbers(rows * policy.observationSize, options.seed + 1) };
}

describe('invariants of the reference backend', () => {
  test('F is symmetric and positive semidefinite', () => {
    fc.assert(
      fc.property(shape, (options) => {
        const { policy, observations } = makeCase(options);
        const fisher = policy.fisherOperator(observations);
        const u = numbers(fisher.size, 3);
        const v = numbers(fisher.size, 4);
        const forth = dot(u, fisher.apply(v));
        const back = dot(v, fisher.apply(u));
        const scale = Math.sqrt(dot(u, fisher.apply(u)) * dot(v, fisher.apply(v)));
        expect(Math.abs(forth - back)).toBeLessThanOrEqual(1e-12 * (scale + 1e-300));
        expect(dot(v, fisher.apply(v))).toBeGreaterThanOrEqual(0);
        expect(Math.min(...fisher.diagonal())).toBeGreaterThanOrEqual(0);
        fisher.close();
        policy.close();
      }),
      { numRuns: 50 },
    );
  });

  test('u F v is the second difference of the mean KL divergence', () => {
    fc.assert(
      fc.property(shape, (options) => {
        const { policy, observations } = makeCase(options);
        const theta = parametersOf(policy);
        const u = numbers(theta.length, 5);
        const v = numbers(theta.length, 6);
        const step = 1e-4;
        const klAt = (a: number, b: number) =>
          policy.kl(observations, moved(moved(theta, a * step, u), b * step, v)).mean;
        const mixed = (klAt(1, 1) - klAt(1, -1) - klAt(-1, 1) + klAt(-1, -1)) / (4 * step ** 2);
        const fisher = policy.fisherOperator(observations);
        const exact = dot(u, fisher.apply(v));
        const scale = Math.sqrt(dot(u, fisher.apply(u)) * dot(v, fisher.apply(v)));
        expect(Math.abs(mixed - exact)).toBeLessThan(1e-4 * scale + 1e-6);
        fisher.close();
        policy.close();
      }),
      { numRuns: 30 },
    );
  });

  test('at its own parameters KL is 0, the ratio 1, the gradient that of the surrogate', () => {
    fc.assert(
      fc.property(shape, (options) => {
        const { policy } = makeCase(options);
        const batch = makeBatch(policy, options.rows);
        const theta = parametersOf(policy);
        const kl = policy.kl(batch.observations, theta);
        expect(Math.abs(kl.mean)).toBeLessThan(1e-15);
        expect(Math.abs(kl.max)).toBeLessThan(1e-14);
        const mean = batch.advantages.reduce((sum, value) => sum + value, 0) / options.rows;
        expect(policy.surrogate(batch)).toBeCloseTo(mean, 12);
        const direction = numbers(theta.length, 7);
        const slope =
          (policy.surrogate(batch, moved(theta, 1e-5, direction)) -
            policy.surrogate(batch, moved(theta, -1e-5, direction))) /
          2e-5;
        const exact = dot(policy.gradient(batch), direction);
        expect(Math.abs(slope - exact)).toBeLessThan(1e-6 * (1 + Math.abs(exact)));
        policy.close();
      }),
      { numRuns: 30 },
    );
  });
});

test.each(spaces.map((actions) => [actions.kind, actions] as const))(
  'threads and memory budget change no bit (%s)',
  (_kind, actions) => {
    const machines = [
      { threads: 1 },
      { threads: 2 },
      { threads: 1, memoryBudget: 0 },
      { threads: 2, memoryBudget: 400_000 },
    ];
    const results = machines.map((machine) => {
      const policy = smallPolicy(actions, { ...machine, hidden: [17, 16] });
      const batch = makeBatch(policy, 1000);
      const vector = numbers(policy.parameterCount, 2);
      const product = policy.fisherVectorProduct(batch.observations, vector);
      const { surrogate, meanKl } = policy.evaluate(
        batch,
        moved(parametersOf(policy), 0.1, vector),
      );
      return [
        bitsOf(policy.gradient(batch)),
        bitsOf(product),
        bitsOf(Float64Array.of(surrogate, meanKl)),
      ];
    });
    for (const result of results) expect(result).toEqual(results[0]);
  },
);

describe('act', () => {
  test.each(spaces.map((actions) => [actions.kind, actions] as const))(
    'gives actions of the space (%s)',
    (kind, actions) => {
      const policy = smallPolicy(actions);
      const observations = numbers(300);
      const sampled = policy.act(observations);
      expect(sampled.length).toBe(100 * policy.actionLength);
      expect(Object.prototype.toString.call(sampled)).toBe(
        kind === 'continuous' ? '[object Float32Array]' : '[object Int32Array]',
      );
      // logProbability refuses what is no action of the space.
      expect(policy.logProbability(observations, sampled).every(Number.isFinite)).toBe(true);
    },
  );

  test('deterministic: the mean, the largest logit, the likelier bit', () => {
    const observation = [0.3, -0.9, 0.5];
    const gaussian = smallPolicy({ kind: 'continuous', size: 2 });
    expect(gaussian.act(observation, { deterministic: true })).toEqual(
      Float32Array.from(gaussian.forward(observation)),
    );
    const categorical = smallPolicy({ kind: 'discrete', count: 3 });
    const logits = Array.from(categorical.forward(observation));
    expect(categorical.act(observation, { deterministic: true })[0]).toBe(
      logits.indexOf(Math.max(...logits)),
    );
    const bits = smallPolicy({ kind: 'binary', size: 2 });
    expect(Array.from(bits.act(observation, { deterministic: true }))).toEqual(
      Array.from(bits.forward(observation), (logit) => Number(logit > 0)),
    );
  });

  test('samples from the distribution', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 }, { outputGain: 3 });
    const observation = [0.5, -0.5, 1];
    const rows = 40_000;
    const observations = Float64Array.from({ length: 3 * rows }, (_, i) => observation[i % 3] ?? 0);
    const counts = [0, 0, 0];
    for (const action of policy.act(observations)) {
      counts[action] = (counts[action] ?? 0) + 1;
    }
    counts.forEach((count, action) => {
      const p = Math.exp(policy.logProbability(observation, [action])[0] ?? NaN);
      const deviation = Math.sqrt((p * (1 - p)) / rows);
      expect(Math.abs(count / rows - p)).toBeLessThan(5 * deviation);
    });
  });

  test('draws one stream, which seed() restarts', () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 }, { seed: 5 });
    const first = policy.act([1, 2, 3]);
    expect(bitsOf(policy.act([1, 2, 3]))).not.toBe(bitsOf(first));
    policy.seed(5);
    expect(bitsOf(policy.act([1, 2, 3]))).toBe(bitsOf(first));
    expect(policy.version).toBe(0);
  });

  test('writes to out, and takes observations in any array', () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 });
    const out = new Float32Array(2);
    const inputs = [
      [1, 0, -1],
      Float32Array.of(1, 0, -1),
      Float64Array.of(1, 0, -1),
      Int8Array.of(1, 0, -1),
      { length: 3, 0: 1, 1: 0, 2: -1 },
      new Float32Array(new SharedArrayBuffer(12)).fill(0).map((_, i) => 1 - i),
    ];
    const results = inputs.map((input) => {
      expect(policy.act(input, { out, deterministic: true })).toBe(out);
      return bitsOf(out);
    });
    expect(new Set(results).size).toBe(1);
  });

  test('a failed call spends no random number and writes nothing', () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 });
    const out = Float32Array.of(7, 8);
    expectError(() => policy.act([1, NaN, 3], { out }), 'ERR_NOT_FINITE', /observations\[1\]/);
    expectError(() => policy.act([1, 2], { out }), 'ERR_SHAPE_MISMATCH', /observations/);
    expect(Array.from(out)).toEqual([7, 8]);
    const twin = smallPolicy({ kind: 'continuous', size: 2 });
    expect(bitsOf(policy.act([1, 2, 3]))).toBe(bitsOf(twin.act([1, 2, 3])));
  });
});

describe('parameters', () => {
  test('are rounded to the precision of the backend', () => {
    const third = 1 / 3;
    for (const [backend, expected] of [
      ['cpu', Math.fround(third)],
      ['reference', third],
    ] as const) {
      const policy = smallPolicy({ kind: 'binary', size: 1 }, { backend });
      policy.setParameters(new Float64Array(policy.parameterCount).fill(third));
      expect(parametersOf(policy)[0]).toBe(expected);
      expect(policy.getParameters()[0]).toBe(Math.fround(third));
      expect(policy.version).toBe(1);
      expect(policy.precision).toBe(backend === 'cpu' ? 'float32' : 'float64');
      expect(policy.productPrecision).toBe(policy.precision);
    }
  });

  const hasTiles = backends().includes('cpu-amx');
  const reason = hasTiles ? '' : ' (this machine has no AMX)';
  (hasTiles ? test.each : test.skip.each)([
    ['cpu-amx', 'bfloat16x3', 0, 1e-4],
    ['cpu-amx-bf16', 'bfloat16x2', 1e-4, 1e-2],
  ] as const)(`%s: float32 but for Fisher products${reason}`, (backend, precision, least, most) => {
    const actions = { kind: 'continuous', size: 2 } as const;
    const policy = smallPolicy(actions, { backend });
    expect(policy.precision).toBe('float32');
    expect(policy.productPrecision).toBe(precision);
    const other = smallPolicy(actions);
    expect(other.productPrecision).toBe('float32');
    const observations = new Float32Array(10 * policy.observationSize).map((_, i) => Math.sin(i));
    expect(bitsOf(policy.forward(observations))).toBe(bitsOf(other.forward(observations)));
    const vector = new Float64Array(policy.parameterCount).map((_, i) => Math.cos(i));
    const product = policy.fisherVectorProduct(observations, vector);
    const expected = other.fisherVectorProduct(observations, vector);
    const norm = Math.hypot(...expected);
    expect(bitsOf(product)).not.toBe(bitsOf(expected));
    const error = Math.hypot(...product.map((value, i) => value - (expected[i] ?? NaN))) / norm;
    expect(error).toBeGreaterThan(least);
    expect(error).toBeLessThan(most);
    // By one matrix, to the precision of pairs: of three times the vector, three times the product.
    const ofThree = policy.fisherVectorProduct(
      observations,
      vector.map((value) => 3 * value),
    );
    const distance = Math.hypot(...ofThree.map((value, i) => value - 3 * (product[i] ?? NaN)));
    expect(distance).toBeLessThan(1e-4 * norm);
  });

  test('are copies', () => {
    const policy = smallPolicy({ kind: 'binary', size: 1 });
    const parameters = policy.getParameters();
    const before = bitsOf(parameters);
    parameters.fill(9);
    expect(bitsOf(policy.getParameters())).toBe(before);
  });
});

describe('normaliser', () => {
  test('holds the mean and deviation of all observations', () => {
    const policy = smallPolicy({ kind: 'binary', size: 1 });
    expect(policy.normalizer).toEqual({
      count: 0,
      mean: new Float64Array(3),
      standardDeviation: new Float64Array(3),
    });
    const rows = [
      [1, 10, 5],
      [2, 20, 5],
      [6, 60, 5],
    ];
    policy.updateNormalizer(rows.slice(0, 2).flat());
    policy.updateNormalizer(rows.slice(2).flat());
    const { count, mean, standardDeviation } = policy.normalizer;
    expect(count).toBe(3);
    expect(relativeError(mean, [3, 30, 5])).toBeLessThan(1e-14);
    const deviation = Math.sqrt(14 / 3);
    expect(relativeError(standardDeviation, [deviation, 10 * deviation, 0])).toBeLessThan(1e-14);
    expect(policy.version).toBe(2);
  });

  test('centres, scales and clips what the network sees', () => {
    const plain = smallPolicy({ kind: 'continuous', size: 2 }, { backend: 'reference' });
    const policy = smallPolicy(
      { kind: 'continuous', size: 2 },
      { backend: 'reference', observationClip: 1.5 },
    );
    policy.updateNormalizer([0, 100, 3, 2, 300, 3]); // means 1, 200, 3; deviations 1, 100, 0
    const head = policy.forward([1.5, 900, 3.25]);
    expect(relativeError(head, plain.forward([0.5, 1.5, 0.25]))).toBeLessThan(1e-14);
  });
});

describe('close', () => {
  test('frees the policy; using it again is an error', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 2 });
    policy.close();
    policy.close();
    expect(policy.closed).toBe(true);
    const calls: (() => unknown)[] = [
      () => policy.act([1, 2, 3]),
      () => policy.forward([1, 2, 3]),
      () => policy.version,
      () => policy.busy,
      () => policy.normalizer,
      () => policy.getParameters(),
      () => policy.toBytes(),
      () => policy.seed(1),
      () => policy.fisherOperator([1, 2, 3]),
    ];
    for (const call of calls) {
      expectError(call, 'ERR_CLOSED', 'policy was used after close()');
    }
  });

  test('a Fisher operator outlives its policy, and closes by itself', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 2 });
    const fisher = policy.fisherOperator([1, 2, 3]);
    const vector = numbers(fisher.size);
    const product = fisher.apply(vector);
    policy.close();
    const out = new Float64Array(fisher.size);
    expect(fisher.apply(vector, out)).toBe(out);
    expect(bitsOf(out)).toBe(bitsOf(product));
    fisher.close();
    fisher.close();
    expect(fisher.closed).toBe(true);
    expectError(() => fisher.apply(vector), 'ERR_CLOSED', 'Fisher operator was used after close()');
    expectError(() => fisher.diagonal(), 'ERR_CLOSED', /close/);
  });

  test('a Fisher operator keeps the parameters that it was made with', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 2 });
    const fisher = policy.fisherOperator([1, 2, 3]);
    const vector = numbers(fisher.size);
    const before = bitsOf(fisher.apply(vector));
    policy.setParameters(new Float32Array(policy.parameterCount));
    expect(bitsOf(fisher.apply(vector))).toBe(before);
    expect(bitsOf(policy.fisherVectorProduct([1, 2, 3], vector))).not.toBe(before);
  });
});
