import { describe, expect, test } from '@jest/globals';
import { explainedVariance } from '../lib/advantages.js';
import { ValueFunction } from '../lib/value-function.js';
import { bitsOf, expectError, expectRejection, numbers, relativeError } from './helpers.js';

/** 512 rows of two numbers, and a smooth function of them far from zero. */
function makeData() {
  const observations = numbers(1024, 3);
  const returns = Float64Array.from({ length: 512 }, (_, row) => {
    const [x = NaN, y = NaN] = observations.slice(2 * row, 2 * row + 2);
    return 1000 + 200 * Math.sin(2 * x) - 100 * x * y;
  });
  return { observations, returns };
}

function meanLoss(values: Float64Array, returns: Float64Array): number {
  const sum = values.reduce((total, value, row) => total + (value - (returns[row] ?? NaN)) ** 2, 0);
  return sum / 2 / values.length;
}

test('fills in the defaults and freezes them', () => {
  const valueFunction = new ValueFunction({ observationSize: 2 });
  expect(valueFunction.options).toEqual({
    observationSize: 2,
    hidden: [64, 64],
    activation: 'tanh',
    seed: 0,
    backend: process.env['TRUSTREGION_BACKEND'] ?? 'cpu',
    observationClip: 10,
    normalizeObservations: true,
    normalizeTargets: true,
  });
  expect(Object.isFrozen(valueFunction.options)).toBe(true);
  expect(valueFunction.parameterCount).toBe(2 * 64 + 64 + 64 * 64 + 64 + 64 + 1);
  expect(valueFunction.version).toBe(0);
});

describe.each(['reference', 'cpu'])('fit on the %s backend', (backend) => {
  const options = { observationSize: 2, hidden: [16, 16], seed: 3, threads: 1, backend };

  test('learns, and reports what predictions show', async () => {
    const { observations, returns } = makeData();
    const valueFunction = new ValueFunction(options);
    const before = valueFunction.predict(observations);
    const summary = await valueFunction.fit(
      { observations, returns },
      { epochs: 100, minibatchSize: 64, learningRate: 3e-3 },
    );
    const after = valueFunction.predict(observations);
    expect(relativeError([summary.lossBefore], [meanLoss(before, returns)])).toBeLessThan(1e-9);
    expect(relativeError([summary.lossAfter], [meanLoss(after, returns)])).toBeLessThan(1e-9);
    expect(summary.explainedVarianceBefore).toBeCloseTo(explainedVariance(before, returns), 9);
    expect(summary.explainedVarianceAfter).toBeCloseTo(explainedVariance(after, returns), 9);
    expect(summary.explainedVarianceAfter).toBeGreaterThan(0.95);
    expect(summary).toMatchObject({
      solver: 'adam',
      minibatches: 100 * 8,
      iterations: 0,
      acceptedSteps: 0,
      products: 0,
      damping: 0,
    });
    expect(summary.seconds).toBeGreaterThan(0);
    expect(valueFunction.version).toBe(1);
  });

  test('is repeatable, whatever the number of threads', async () => {
    const results = await Promise.all(
      [1, 2].map(async (threads) => {
        const valueFunction = new ValueFunction({ ...options, threads });
        await valueFunction.fit(makeData());
        await valueFunction.fit(makeData());
        return bitsOf(valueFunction.getParameters());
      }),
    );
    expect(results[1]).toBe(results[0]);
  });

  test('learns by Gauss-Newton, from its own damping on', async () => {
    const { observations, returns } = makeData();
    const valueFunction = new ValueFunction(options);
    const how = { solver: 'gaussNewton', damping: 1e-3 } as const;
    const before = valueFunction.predict(observations);
    const first = await valueFunction.fit({ observations, returns }, { ...how, iterations: 20 });
    expect(first).toMatchObject({
      solver: 'gaussNewton',
      minibatches: 0,
      iterations: 20,
      products: 200,
    });
    expect(first.acceptedSteps).toBeGreaterThan(10);
    expect(first.damping).toBeGreaterThanOrEqual(1e-3);
    const after = valueFunction.predict(observations);
    expect(relativeError([first.lossBefore], [meanLoss(before, returns)])).toBeLessThan(1e-9);
    expect(relativeError([first.lossAfter], [meanLoss(after, returns)])).toBeLessThan(1e-9);
    expect(first.explainedVarianceAfter).toBeGreaterThan(0.95);
    // The same rows again: their statistics stay where they are.
    const second = await valueFunction.fit({ observations, returns }, { ...how, iterations: 1 });
    expect(second.lossBefore).toBe(first.lossAfter);
    expect(second.lossAfter).toBeLessThanOrEqual(second.lossBefore);
    // A higher least damping takes effect at once.
    const third = await valueFunction.fit({ observations, returns }, { ...how, damping: 1e3 });
    expect(third.damping).toBeGreaterThanOrEqual(1e3);
  });

  test('is repeatable by Gauss-Newton too, also in turns with Adam', async () => {
    const results = await Promise.all(
      [1, 2].map(async (threads) => {
        const valueFunction = new ValueFunction({ ...options, threads });
        await valueFunction.fit(makeData(), { solver: 'gaussNewton' });
        await valueFunction.fit(makeData(), { solver: 'adam', epochs: 1 });
        await valueFunction.fit(makeData(), { solver: 'gaussNewton' });
        return bitsOf(valueFunction.getParameters());
      }),
    );
    expect(results[1]).toBe(results[0]);
  });

  test('works without normalisation', async () => {
    const { observations, returns } = makeData();
    const small = returns.map((value) => (value - 1000) / 200);
    const valueFunction = new ValueFunction({
      ...options,
      normalizeObservations: false,
      normalizeTargets: false,
    });
    const summary = await valueFunction.fit(
      { observations, returns: small },
      { epochs: 60, minibatchSize: 32, learningRate: 3e-3 },
    );
    expect(summary.explainedVarianceAfter).toBeGreaterThan(0.95);
  });
});

test('predict goes on while a fit runs, and changes are refused', async () => {
  const { observations, returns } = makeData();
  const copies = [observations.slice(), returns.slice()];
  const valueFunction = new ValueFunction({ observationSize: 2, seed: 1 });
  const before = bitsOf(valueFunction.predict(observations));
  const fit = valueFunction.fit({ observations, returns });
  expect(valueFunction.busy).toBe(true);
  expect(bitsOf(valueFunction.predict(observations))).toBe(before);
  await expectRejection(valueFunction.fit(makeData()), 'ERR_BUSY', /fit\(\) must wait/);
  expectError(
    () => valueFunction.setParameters(valueFunction.getParameters()),
    'ERR_BUSY',
    /setParameters\(\) must wait/,
  );
  expectError(() => valueFunction.close(), 'ERR_BUSY', /busy/);
  await fit;
  expect(valueFunction.busy).toBe(false);
  expect(bitsOf(valueFunction.predict(observations))).not.toBe(before);
  expect([observations, returns]).toEqual(copies);
});

test('setParameters and getParameters', () => {
  const options = { observationSize: 2, hidden: [4], backend: 'reference' };
  const first = new ValueFunction({ ...options, seed: 1 });
  const second = new ValueFunction({ ...options, seed: 2 });
  second.setParameters(first.getParameters(new Float64Array(first.parameterCount)));
  expect(bitsOf(second.predict([1, 2, 3, 4]))).toBe(bitsOf(first.predict([1, 2, 3, 4])));
  expect(second.version).toBe(1);
});

test('a fit that diverges is an error and changes nothing', async () => {
  const valueFunction = new ValueFunction({ observationSize: 2, hidden: [8], seed: 1 });
  const before = bitsOf(valueFunction.predict([0.5, 0.5]));
  await expectRejection(
    valueFunction.fit(makeData(), { learningRate: 1e300 }),
    'ERR_NOT_FINITE',
    /parameters after the fit\[\d+\] must be a finite number/,
  );
  expect(bitsOf(valueFunction.predict([0.5, 0.5]))).toBe(before);
  expect(valueFunction.version).toBe(0);
  expect(valueFunction.busy).toBe(false);
});

test('a fit by Gauss-Newton from parameters too large to start is one too', async () => {
  const valueFunction = new ValueFunction({
    observationSize: 2,
    hidden: [8],
    activation: 'relu',
    backend: 'cpu',
  });
  valueFunction.setParameters(new Float32Array(valueFunction.parameterCount).fill(1e30));
  await expectRejection(
    valueFunction.fit(makeData(), { solver: 'gaussNewton' }),
    'ERR_NOT_FINITE',
    /^the parameters must give finite values at the start of a fit, got a loss of/,
  );
  expect(valueFunction.version).toBe(1);
  expect(valueFunction.busy).toBe(false);
});

test('close', () => {
  const valueFunction = new ValueFunction({ observationSize: 1 });
  valueFunction.close();
  valueFunction.close();
  expect(valueFunction.closed).toBe(true);
  expectError(
    () => valueFunction.predict([1]),
    'ERR_CLOSED',
    'value function was used after close()',
  );
  expectError(() => valueFunction.version, 'ERR_CLOSED', /close/);
});
