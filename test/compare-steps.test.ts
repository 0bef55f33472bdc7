import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from '@jest/globals';

test('examples/compare-steps: one row for each method, limits held, and a picture', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'compare-steps-'));
  const picture = path.join(folder, 'steps.svg');
  try {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['examples/compare-steps/main.mjs', '--out', picture],
      { encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, '']);
    const rows = new Map(
      stdout
        .split('\n')
        .slice(3, -1)
        .map((line) => [line.slice(0, 24).trim(), line.slice(24).trim().split(/\s+/).map(Number)]),
    );
    expect([...rows.keys()]).toEqual([
      'vanilla gradient',
      'natural gradient',
      'TRPO, as in the paper',
      'TRPO',
      'dual gradient descent',
      'PPO, clipped',
      'PPO, KL penalty',
    ]);
    for (const name of ['TRPO, as in the paper', 'TRPO', 'dual gradient descent']) {
      const [kl = NaN, , improvement = NaN] = rows.get(name) ?? [];
      expect(kl).toBeLessThanOrEqual(0.01);
      expect(improvement).toBeGreaterThan(0);
    }
    const [trpoKl = NaN, , , cosine = NaN] = rows.get('TRPO') ?? [];
    expect(trpoKl).toBeGreaterThanOrEqual(0.0099);
    expect(cosine).toBeGreaterThan(0.9);
    // The vanilla gradient knows nothing of the KL.
    expect(rows.get('vanilla gradient')?.[0]).toBeGreaterThan(0.05);

    const svg = readFileSync(picture, 'utf8');
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    for (const name of rows.keys()) expect(svg).toContain(`>${name}</text>`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
