import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect } from '@jest/globals';

/** Where the programs of a test file run; each test file has one of its own. */
export const folder = mkdtempSync(join(tmpdir(), 'trustregion-cli-'));

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const program = join(process.cwd(), 'dist/esm/cli/main.js');

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function start(
  args: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, outcome };
}

export const run = (...args: string[]): Promise<Outcome> => start(args).outcome;

export async function waitFor(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !condition(); await delay(20)) {
    if (Date.now() > end) {
      throw new Error('waited in vain');
    }
  }
}

export const read = (...path: string[]): string => readFileSync(join(folder, ...path), 'utf8');
export const rows = (...path: string[]): string[] =>
  read(...path)
    .trimEnd()
    .split('\n');

/** A run's table without its times. */
export function withoutTimes(name: string): string[][] {
  const [header = [], ...table] = rows(name, 'progress.csv').map((row) => row.split(','));
  const kept = header.flatMap((column, index) => (column.endsWith('Seconds') ? [] : [index]));
  expect(kept.length).toBe(header.length - 3);
  return [header, ...table].map((row) => kept.map((index) => row[index] ?? ''));
}

/** A run of three updates. */
export const small = [
  'train',
  'CartPole-v1',
  '--steps',
  '1500',
  '--steps-per-update',
  '500',
  '--hidden',
  '16',
  '--evaluation-episodes',
  '3',
];

/** The only thing on stdout: one line with an object. */
export function parseOnly(stdout: string): Record<string, unknown> {
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
}
