import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { lockRun } from '../lib/cli/run-lock.js';
import { expectRejection } from './helpers.js';

let folder: string;
let children: ChildProcess[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trustregion-lock-'));
  children = Array.from({ length: 3 }, () => fork('test/lock-child.mjs'));
  await Promise.all(children.map((child) => once(child, 'message')));
});

afterAll(() => {
  for (const child of children) {
    child.kill();
  }
  rmSync(folder, { recursive: true, force: true });
});

/** A folder where files lie. */
function place(name: string, files: Record<string, string> = {}): string {
  mkdirSync(join(folder, name));
  for (const [file, text] of Object.entries(files)) {
    writeFileSync(join(folder, name, file), text);
  }
  return join(folder, name);
}

/** The number of a process that lives; of one that does not. */
const alive = (): number => children[0]?.pid ?? NaN;
const gone = 999_999_999;

/** A child tries to lock; resolves to what it got, 'locked' or the code of an error. */
async function tryIn(child: ChildProcess, where: string): Promise<string> {
  child.send(where);
  const [answer] = await once(child, 'message');
  return answer as string;
}

describe('lockRun', () => {
  test('a folder belongs to one, until it is given back', async () => {
    const where = place('one');
    const unlock = await lockRun(where);
    expect(readdirSync(where)).toEqual(['lock']);
    expect(readFileSync(join(where, 'lock'), 'utf8')).toBe(`${process.pid}\n`);
    await expectRejection(lockRun(where), 'ERR_BUSY', `process ${process.pid} is at work in`);
    expect(await Promise.all(children.map((child) => tryIn(child, where)))).toEqual(
      children.map(() => 'ERR_BUSY'),
    );
    await unlock();
    expect(readdirSync(where)).toEqual([]);
    const [first, second] = await Promise.allSettled([lockRun(where), lockRun(where)]);
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected']);
  });

  test.each([
    ['of a process that is gone', `${gone}\n`],
    ['of an earlier process with the number of this one', `${process.pid}\n`],
    ['left empty by a power cut', ''],
  ])('a lock %s counts for nothing', async (name, text) => {
    const where = place(name, { lock: text, [`lock-${gone}`]: '', [`lock-${process.pid}`]: '' });
    const unlock = await lockRun(where);
    expect(readdirSync(where)).toEqual(['lock']);
    await unlock();
  });

  test('who is about to take it is left alone', async () => {
    const where = place('about', { lock: `${gone}\n`, [`lock-${alive()}`]: '' });
    await expectRejection(
      lockRun(where),
      'ERR_BUSY',
      new RegExp(`^process ${alive()} is at work .*lock-${alive()}$`),
    );
    expect(readdirSync(where).sort()).toEqual(['lock', `lock-${alive()}`]);
    rmSync(join(where, `lock-${alive()}`));
    await (await lockRun(where))();
  }, 20_000);

  test('of several at once one gets a lock that was left behind', async () => {
    for (let round = 0; round < 200; round += 1) {
      const where = place(`round ${round}`, { lock: `${gone}\n` });
      const found = await Promise.all(children.map((child) => tryIn(child, where)));
      expect(found.sort()).toEqual(['ERR_BUSY', 'ERR_BUSY', 'locked']);
      expect(readdirSync(where)).toEqual(['lock']);
    }
  }, 60_000);
});
