import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { NativeBatch, NativeMethod, NativePolicy } from '../lib/native.js';
import {
  addon,
  critic,
  fit,
  gaussian,
  makeBatch,
  makeMethod,
  rows,
  thrownBy,
} from './binding-helpers.js';

// Busy and closed objects, and the ends of threads, workers and processes.

let policy: NativePolicy;
let method: NativeMethod;
let batch: ReturnType<typeof makeBatch>;
beforeEach(() => {
  policy = new addon.Policy(gaussian);
  method = makeMethod();
  batch = makeBatch();
});

describe('while an update runs', () => {
  const busy = 'ERR_BUSY: the policy is busy: an update is running; await it first';

  test('nothing changes the policy and everything reads its old version', async () => {
    const parameters = new Float64Array(policy.parameterCount);
    policy.getParameters(parameters);
    const normalizer = policy.getNormalizer();
    const pending = policy.update(batch, method);
    expect(policy.busy).toBe(true);

    for (const change of [
      () => policy.setParameters(parameters),
      () => policy.setNormalizer(normalizer),
      () => policy.updateNormalizer(batch.observations),
      () => policy.update(batch, method),
      () => policy.close(),
    ]) {
      expect(thrownBy(change)).toBe(busy);
    }
    const still = new Float64Array(policy.parameterCount);
    const perRow = new Float64Array(rows);
    policy.getParameters(still);
    policy.act(batch.observations, false, new Float32Array(2 * rows));
    policy.seed(1);
    policy.forward(batch.observations, new Float64Array(2 * rows));
    policy.logProbability(batch.observations, batch.actions, perRow);
    policy.entropy(batch.observations, perRow);
    policy.gradient(batch, new Float64Array(policy.parameterCount));
    expect(policy.evaluate(batch, still)).toMatchObject({ meanKl: expect.closeTo(0, 9) });
    policy.fisherOperator(batch, 'exact').close();
    expect(still).toEqual(parameters);
    expect(policy.version).toBe(0);

    expect(await pending).toMatchObject({ status: 'accepted', version: 1 });
    expect([policy.busy, policy.version]).toEqual([false, 1]);
    policy.getParameters(still);
    expect(still).not.toEqual(parameters);
  });

  test('a value function is busy too', async () => {
    const valueFunction = new addon.ValueFunction(critic);
    const parameters = new Float64Array(valueFunction.parameterCount);
    const before = new Float64Array(rows);
    const after = new Float64Array(rows);
    const pending = valueFunction.fit(batch.observations, batch.advantages, fit);
    for (const change of [
      () => valueFunction.setParameters(parameters),
      () => valueFunction.fit(batch.observations, batch.advantages, fit),
      () => valueFunction.close(),
    ]) {
      expect(thrownBy(change)).toMatch(/^ERR_BUSY: the value function is busy/);
    }
    valueFunction.getParameters(parameters);
    valueFunction.predict(batch.observations, before);
    expect(await pending).toMatchObject({ minibatches: 8 });
    valueFunction.predict(batch.observations, after);
    expect(after).not.toEqual(before);
    expect([valueFunction.busy, valueFunction.version]).toEqual([false, 1]);
  });

  test('another policy updates beside it', async () => {
    const twins = [gaussian, gaussian].map((config) => new addon.Policy(config));
    const [first, second] = await Promise.all(
      twins.map((twin) => twin.update(batch, makeMethod())),
    );
    expect({ ...second, timing: 0 }).toEqual({ ...first, timing: 0 });
  });
});

describe('a method', () => {
  test('runs one update at a time', async () => {
    const pending = policy.update(batch, method);
    expect(method.busy).toBe(true);
    const other = new addon.Policy(gaussian);
    expect(thrownBy(() => other.update(batch, method))).toBe(
      'ERR_BUSY: the method is busy: an update with it is running; await it first',
    );
    expect(other.busy).toBe(false);
    await pending;
    expect(method.busy).toBe(false);
  });

  test('belongs to the policy that it has updated', async () => {
    await policy.update(batch, method);
    const other = new addon.Policy({ ...gaussian, hidden: [3] });
    const sentence = 'ERR_INVALID_ARGUMENT: method must be one that has not updated another policy';
    expect(thrownBy(() => other.update(batch, method))).toBe(sentence);
    expect(await policy.update(batch, method)).toMatchObject({ status: 'accepted' });
  });

  test('belongs to none after an update that failed', async () => {
    const bad = { ...batch, advantages: new Float32Array(rows).fill(Number.NaN) };
    await expect(policy.update(bad, method)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' });
    expect([policy.busy, method.busy]).toEqual([false, false]);
    const other = new addon.Policy({ ...gaussian, hidden: [3] });
    expect(await other.update(batch, method)).toMatchObject({ status: 'accepted' });
  });
});

describe('after close()', () => {
  test('a policy only says that it is closed', () => {
    policy.close();
    policy.close();
    expect(policy.closed).toBe(true);
    const parameters = new Float64Array(1);
    for (const use of [
      () => policy.backend,
      () => policy.busy,
      () => policy.version,
      () => policy.getParameters(parameters),
      () => policy.setParameters(parameters),
      () => policy.getNormalizer(),
      () => policy.act(batch.observations, false, batch.actions),
      () => policy.seed(1),
      () => policy.evaluate(batch, parameters),
      () => policy.fisherOperator(batch, 'exact'),
      () => policy.update(batch, method),
    ]) {
      expect(thrownBy(use)).toBe('ERR_CLOSED: the policy is closed');
    }
  });

  test('also where a getter of the caller closes it halfway', () => {
    const trap: NativeBatch = {
      ...batch,
      get actions() {
        policy.close();
        return batch.actions;
      },
    };
    expect(thrownBy(() => policy.update(trap, method))).toMatch(/^ERR_CLOSED/);
  });

  test('a value function the same', () => {
    const valueFunction = new addon.ValueFunction(critic);
    valueFunction.close();
    valueFunction.close();
    expect(valueFunction.closed).toBe(true);
    const values = new Float64Array(rows);
    expect(thrownBy(() => valueFunction.predict(batch.observations, values))).toBe(
      'ERR_CLOSED: the value function is closed',
    );
  });

  test('a Fisher operator outlives its policy, then its own close()', () => {
    const operator = policy.fisherOperator(batch, 'exact');
    const vector = new Float64Array(operator.size).fill(1);
    const before = new Float64Array(operator.size);
    const after = new Float64Array(operator.size);
    operator.apply(vector, before);
    policy.close();
    operator.apply(vector, after);
    expect(after).toEqual(before);
    operator.close();
    operator.close();
    expect(thrownBy(() => operator.size)).toBe('ERR_CLOSED: the Fisher operator is closed');
    const Lone = operator.constructor as new () => typeof operator;
    expect(thrownBy(() => new Lone().apply(vector, after))).toMatch(/^ERR_CLOSED/);
  });
});

describe('in a process of its own', () => {
  function runIn(variables: Record<string, string>, name: string, ...flags: string[]) {
    const script = path.join(process.cwd(), 'test/binding-child.cjs');
    const { status, signal, stdout, stderr } = spawnSync(
      process.execPath,
      [...flags, script, name],
      { encoding: 'utf8', timeout: 100_000, env: { ...process.env, ...variables } },
    );
    return { status, signal, stdout, stderr };
  }
  const run = (name: string, ...flags: string[]) => runIn({}, name, ...flags);
  const nothingElse = { signal: null, stdout: '', stderr: '' };

  test('workers may be terminated at any moment', () => {
    expect(run('terminate')).toEqual({ ...nothingElse, status: 0 });
  }, 120_000);

  test('the addon works in several workers at once', () => {
    expect(run('manyWorkers')).toEqual({ ...nothingElse, status: 0 });
  }, 30_000);

  test('no thread is started for an update or a fit, once there is one', () => {
    expect(run('threads')).toEqual({ ...nothingElse, status: 0 });
  }, 30_000);

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux(
    'TRUSTREGION_PRIORITY=background: threads that calculate give way (on Linux)',
    () => {
      const idleThreads = (priority: string) =>
        runIn({ TRUSTREGION_PRIORITY: priority, TRUSTREGION_THREADS: '2' }, 'priorities');
      expect(idleThreads('normal')).toEqual({ ...nothingElse, stdout: '0 0', status: 0 });
      // The update's own thread and the one that helps it.
      expect(idleThreads('background')).toEqual({ ...nothingElse, stdout: '0 2', status: 0 });
    },
    30_000,
  );

  test('process.exit() ends the process whatever runs', () => {
    const start = performance.now();
    for (let round = 0; round < 5; round += 1) {
      expect(run('exit')).toEqual({ ...nothingElse, status: 7 });
      expect(run('exitWithWorker')).toEqual({ ...nothingElse, status: 7 });
    }
    expect(performance.now() - start).toBeLessThan(20_000);
  }, 60_000);

  test('so does an uncaught exception', () => {
    const { status, signal, stderr } = run('uncaught');
    expect([status, signal]).toEqual([1, null]);
    expect(stderr).toContain('uncaught on purpose');
  }, 30_000);

  test('a process stays alive until its update has settled', () => {
    expect(run('natural')).toEqual({ ...nothingElse, stdout: 'accepted', status: 0 });
  }, 30_000);

  test('objects are collected, but not while they are busy', () => {
    expect(run('collect', '--expose-gc')).toEqual({ ...nothingElse, status: 0 });
  }, 30_000);

  test('the garbage collector knows how large policies are', () => {
    expect(run('pressure')).toEqual({ ...nothingElse, status: 0 });
  }, 60_000);
});
