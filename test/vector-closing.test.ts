/*
 * The end of a VectorEnvironment: close(), and programs that end without it.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { Environment } from '../lib/environments/environment.js';
import { Policy } from '../lib/policy.js';
import { train } from '../lib/train.js';
import { VectorEnvironment } from '../lib/vector-environment.js';
import type { VectorEnvironmentOptions } from '../lib/vector-environment.js';
import { expectRejection } from './helpers.js';
import { Script } from './script-environment.js';
import { failing, scripted, using } from './vector-helpers.js';

describe('VectorEnvironment', () => {
  test('closes its environments', async () => {
    let closed = 0;
    class Closing extends Script {
      override close(): void {
        closed += 1;
      }
    }
    await using({ task: () => new Closing(), environments: 3 }, (vector) => vector.reset());
    expect(closed).toBe(3);
  });

  test('closes all of them where close() of one throws', async () => {
    const closed: number[] = [];
    const makeClosing = (index: number): Script =>
      Object.assign(new Script(), {
        close: () => {
          closed.push(index);
          if (index < 2) {
            throw new Error('stuck lid');
          }
        },
      });
    const sources: VectorEnvironmentOptions[] = [
      { task: makeClosing, environments: 3 },
      { module: failing('close', '0,1'), environments: 3, workers: 2 },
    ];
    for (const source of sources) {
      const vector = await VectorEnvironment.create(source);
      await vector.reset(1);
      await expectRejection(
        vector.close(),
        'ERR_CALLBACK',
        /^environment 0 \(Script.*\) cannot be closed: close\(\) threw: stuck lid$/,
      );
      expect(vector.closed).toBe(true);
      await vector.close();
    }
    expect(closed).toEqual([0, 1, 2]);

    const factory = (index: number): Script => {
      if (index === 3) {
        throw new Error('out of parts');
      }
      return makeClosing(index);
    };
    await expectRejection(
      VectorEnvironment.create({ task: factory, environments: 4 }),
      'ERR_CALLBACK',
      /^environment 3 cannot be made: its factory threw: out of parts$/,
    );
    expect(closed).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('closes though an environment ends its thread meanwhile', async () => {
    const vector = await VectorEnvironment.create({
      module: failing('close-later', '0'),
      environments: 2,
      workers: 2,
    });
    await vector.reset(1);
    await vector.close();
    expect(vector.closed).toBe(true);
  });

  test('needs no close() of an environment', async () => {
    const task = (): Environment => Object.assign(new Script(), { close: undefined as never });
    const vector = await VectorEnvironment.create({ task, environments: 2 });
    await vector.reset(1);
    await vector.close();
    expect(vector.closed).toBe(true);
  });
});

describe('train in a VectorEnvironment', () => {
  test.each([0, 1, 2])(
    'close() meanwhile is not blamed on them, with %i workers',
    async (workers) => {
      const vector = await VectorEnvironment.create({
        task: 'CartPole-v1',
        environments: 2,
        workers,
      });
      const policy = new Policy({
        observationSize: 4,
        actions: { kind: 'discrete', count: 2 },
        hidden: [8],
      });
      let updates = 0;
      const closed: Promise<void>[] = [];
      const running = train({
        policy,
        environments: vector,
        steps: 400,
        stepsPerUpdate: 100,
        onUpdate: () => {
          updates += 1;
          closed.push(vector.close()); // not awaited
        },
      });
      await expectRejection(running, 'ERR_CLOSED', /was closed while it was in use/);
      await Promise.all(closed);
      // It was called when the second rollout was there, which made another update.
      expect(updates).toBe(2);
    },
  );
});

/** Runs a program that imports the compiled package; resolves to what it printed. */
async function program(code: string): Promise<string> {
  const entry = pathToFileURL(path.resolve('dist/esm/index.js')).href;
  const source = `
    import { Policy, train, VectorEnvironment } from ${JSON.stringify(entry)};
    const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 2 }, hidden: [4] });
    ${code}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', source],
    { timeout: 30_000 },
  );
  return stdout.trim();
}

describe('a program ends by itself', () => {
  test('without close(), after a run', async () => {
    const printed = await program(`
      const environments = await VectorEnvironment.create({
        module: ${JSON.stringify(scripted)}, environments: 2, workers: 2 });
      const { steps } = await train({ policy, environments, steps: 80, stepsPerUpdate: 40 });
      console.log(steps);`);
    expect(printed).toBe('80');
  });

  test('after close()', async () => {
    const printed = await program(`
      const environments = await VectorEnvironment.create({
        module: ${JSON.stringify(scripted)}, environments: 2, workers: 2 });
      await environments.reset(1);
      await environments.close();
      console.log('closed');`);
    expect(printed).toBe('closed');
  });

  test('with the failure of a step, though close() throws as well', async () => {
    const printed = await program(`
      import make from ${JSON.stringify(failing('throw', '0', 1))};
      const task = (index) =>
        Object.assign(make(index), { close: () => { throw new Error('stuck lid'); } });
      const environments = await VectorEnvironment.create({ task, environments: 2 });
      await environments.reset(1);
      await environments.step([0, 0]).catch(({ message }) => console.log(message));
      await new Promise((resolve) => setTimeout(resolve, 1));
      console.log(environments.closed);`);
    expect(printed).toMatch(/^environment 0 .* step\(\) threw: boom\ntrue$/);
  });

  test.each(['throw', 'hang', 'exit'])('after the fault %s', async (fault) => {
    const printed = await program(`
      const environments = await VectorEnvironment.create({
        module: ${JSON.stringify(failing(fault, '0', 7))}, environments: 2, workers: 2, timeout: 1000 });
      await train({ policy, environments, steps: 80, stepsPerUpdate: 40 }).catch(
        ({ code }) => console.log(code));`);
    expect(printed).toBe(fault === 'hang' ? 'ERR_TIMEOUT' : 'ERR_CALLBACK');
  });
});
