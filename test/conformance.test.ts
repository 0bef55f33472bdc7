import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { backends } from '../lib/backends.js';
import type { Batch } from '../lib/batch.js';
import { relativeError } from '../lib/conformance/comparison.js';
import { ReferenceDrift } from '../lib/conformance/reference-drift.js';
import { conjugateGradient } from '../lib/conjugate-gradient.js';
import { RandomGenerator } from '../lib/environments/random.js';
import { Policy } from '../lib/policy.js';
import type { ActionSpace } from '../lib/spaces.js';
import { TRPO } from '../lib/trpo.js';

const program = join(process.cwd(), 'dist/esm/cli/conformance-main.js');
const fixtures = join(process.cwd(), 'test/fixtures/math');

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
}

function lastLine(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
}

describe('relativeError', () => {
  test('is norm(difference) / norm(reference)', () => {
    expect(relativeError([3, 5], [3, 4])).toBeCloseTo(0.2, 14);
    expect(relativeError([3, 4], [0, 0])).toBe(5);
    expect(relativeError([1], [1, 2])).toBeNaN();
    expect(relativeError([NaN], [1])).toBeNaN();
    expect(relativeError([1.5], [1], 10)).toBeCloseTo(0.05, 14);
  });
});

describe('ReferenceDrift', () => {
  test('forgives a reference what rounding did to it, and the library nothing', () => {
    const file = readFileSync(join(fixtures, 'gaussian-relu.json'), 'utf8');
    const reference = JSON.parse(file) as Record<
      'parameters' | 'observations' | 'actions' | 'advantages' | 'hidden',
      number[]
    > & { readonly observationSize: number; readonly damping: number };
    const policy = new Policy({
      observationSize: reference.observationSize,
      actions: { kind: 'continuous', size: 1 },
      hidden: reference.hidden,
      activation: 'relu',
      backend: 'reference',
    });
    policy.setParameters(reference.parameters);
    const observations = Float64Array.from(reference.observations);
    const gradient = policy.gradient({
      observations,
      actions: Float64Array.from(reference.actions),
      advantages: Float64Array.from(reference.advantages),
    });
    const fisher = policy.fisherOperator(observations);
    const drift = new ReferenceDrift(fisher, gradient, reference.damping);
    const allowance = (iterations: number, error: number): number => {
      const { damping } = reference;
      const { solution } = conjugateGradient(fisher, gradient, { iterations, damping });
      const result = solution.map((value) => value * (1 + error));
      return drift.allowance(iterations, result, 1e-10, (solve) => solve.solution);
    };
    expect(allowance(2, 0)).toBeLessThan(1e-13); // too early for rounding to matter
    expect(allowance(10, 0)).toBeGreaterThan(8.9e-6); // how far the reference is from the truth
    expect(allowance(10, 0)).toBeLessThan(1e-2);
    expect(allowance(10, 1e-9)).toBe(0);
    expect(allowance(10, NaN)).toBe(0);
    policy.close();
  });
});

describe('conformance', () => {
  test.each(backends())('%s agrees with the references', (backend) => {
    const { status, stdout, stderr } = run(fixtures, '--backend', backend, '--json');
    expect(stderr).toBe('');
    expect(stdout.split('\n').filter((line) => line.includes('FAILED'))).toEqual([]);
    expect(status).toBe(0);
    const summary = lastLine(stdout);
    expect(summary).toMatchObject({ backend, cases: 10, failed: 0 });
    expect((summary['worst'] as { relativeError: number }).relativeError).toBeLessThan(
      { reference: 1e-10, 'cpu-amx': 1e-4, 'cpu-amx-bf16': 2e-2 }[backend] ?? 2e-5,
    );
    expect(stdout).not.toMatch(/^not covered yet/m);
    expect(stdout).not.toMatch(/^not in the case/m);
  });

  describe('in a folder of its own', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'trustregion-conformance-'));
    });

    afterEach(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    function damage(file: string, change: (content: Record<string, unknown>) => void): void {
      const content = JSON.parse(readFileSync(join(fixtures, file), 'utf8')) as Record<
        string,
        unknown
      >;
      change(content);
      writeFileSync(join(folder, file), JSON.stringify(content));
    }

    test.each<[string, string, (content: Record<string, unknown>) => void]>([
      [
        'fisherDiagonal',
        'gaussian-linear.json',
        (content) => {
          (content['fisherDiagonal'] as number[])[3] = 0.5;
        },
      ],
      [
        'conjugateGradient.5.residualNorm',
        'gaussian-tanh.json',
        (content) => {
          (content['conjugateGradient'] as Record<string, { residualNorm: number }>)['5'] = {
            ...(content['conjugateGradient'] as Record<string, { residualNorm: number }>)['5'],
            residualNorm: 0.2,
          };
        },
      ],
      [
        'trpo.acceptedIndex',
        'bernoulli-tanh.json',
        (content) => {
          (content['trpo'] as { acceptedIndex: number }).acceptedIndex = 1;
        },
      ],
      [
        'trpo.candidates.meanKl',
        'categorical-tanh.json',
        (content) => {
          const { candidates } = content['trpo'] as { candidates: { meanKl: number }[] };
          candidates.forEach((candidate, index) => {
            candidate.meanKl *= index === 7 ? 1.001 : 1;
          });
        },
      ],
      [
        'empiricalFisherVectorProduct',
        'multidiscrete-silu.json',
        (content) => {
          // what a library that has only the exact matrix would answer
          content['empiricalFisherVectorProduct'] = content['fisherVectorProduct'];
        },
      ],
      [
        'exactSolution',
        'bernoulli-tanh.json',
        (content) => {
          const iterates = content['conjugateGradient'] as Record<string, { solution: number[] }>;
          content['exactSolution'] = iterates['5']?.solution;
        },
      ],
      [
        'naturalGradientStepSize',
        'gaussian-tanh.json',
        (content) => {
          (content['naturalGradientStepSize'] as { epsilon: number }).epsilon *= 1 + 1e-9;
        },
      ],
      [
        'euclideanStepSize',
        'gaussian-relu.json',
        (content) => {
          (content['euclideanStepSize'] as { alpha: number }).alpha *= 1 + 1e-9;
        },
      ],
      ...['clippedSurrogate', 'penalizedSurrogate'].map(
        (name) =>
          [
            `other.${name}`,
            'categorical-tanh.json',
            (content: Record<string, unknown>) => {
              const other = content['other'] as Record<string, number>;
              other[name] = (other[name] ?? 0) * (1 + 1e-9);
            },
          ] as [string, string, (content: Record<string, unknown>) => void],
      ),
      ...['clippedSurrogateGradient', 'penalizedSurrogateGradient', 'entropyGradient'].map(
        (name) =>
          [
            `other.${name}`,
            'gaussian-linear.json',
            (content: Record<string, unknown>) => {
              const gradient = (content['other'] as Record<string, number[]>)[name] ?? [];
              gradient[8] = (gradient[8] ?? 0) + 1e-6;
            },
          ] as [string, string, (content: Record<string, unknown>) => void],
      ),
    ])('finds a damaged %s', (quantity, file, change) => {
      damage(file, change);
      const { status, stdout } = run(folder, '--json', '--backend', 'reference');
      expect(status).toBe(1);
      expect(lastLine(stdout)).toMatchObject({
        cases: 1,
        failed: 1,
        failedQuantities: 1,
        worst: { quantity },
      });
      expect(stdout.split('\n').filter((line) => line.endsWith('FAILED'))).toHaveLength(1);
    });

    test('finds a damaged advantage', () => {
      const cases = JSON.parse(readFileSync(join(fixtures, 'advantages.json'), 'utf8')) as {
        advantages: number[];
      }[];
      cases[2]?.advantages.fill(0, 4, 5);
      writeFileSync(join(folder, 'gae.json'), JSON.stringify(cases));
      const { status, stdout } = run(folder, '--json');
      expect(status).toBe(1);
      expect(lastLine(stdout)).toMatchObject({
        cases: 4,
        failed: 1,
        worst: { case: 'gae[2]', quantity: 'advantages' },
      });
    });

    test('names what a case lacks and what it cannot check', () => {
      damage('gaussian-linear.json', (content) => {
        for (const name of ['head', 'trpo', 'fisherVectorProduct']) {
          delete content[name];
        }
        const other = content['other'] as Record<string, unknown>;
        delete other['clippedSurrogate'];
        delete other['penalizedSurrogate'];
        delete other['penalizedSurrogateGradient'];
        other['somethingElse'] = 2;
        (content['euclideanStepSize'] as Record<string, unknown>)['beta'] = 3;
        content['somethingNew'] = 1;
      });
      const { status, stdout } = run(folder);
      expect(status).toBe(0);
      expect(stdout).toMatch(
        /^not in the case: head, fisherVectorProduct, other\.clippedSurrogate, other\.penalizedSurrogate, trpo \(gaussian-linear\)$/m,
      );
      expect(stdout).toMatch(
        /^not covered yet: somethingNew, euclideanStepSize\.beta, other\.klPenalty, other\.somethingElse \(/m,
      );
    });

    test.each<[string, string, RegExp]>([
      ['no JSON', '{', /strange\.json is not JSON/],
      ['another object', '{"a": 1}', /strange\.json is not a reference case/],
      ['another array', '[1]', /strange\.json\[0\] must be an object, got 1/],
    ])('refuses %s', (_, content, message) => {
      writeFileSync(join(folder, 'strange.json'), content);
      const { status, stdout, stderr } = run(folder, '--json');
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toMatch(message);
    });

    test.each<[string, (content: Record<string, unknown>) => void, RegExp]>([
      [
        'a short array',
        (content) => {
          (content['advantages'] as number[]).pop();
        },
        /gaussian-linear\.json: advantages must be an array of length 16, got an array of length 15/,
      ],
      [
        'a missing field',
        (content) => {
          delete content['observations'];
        },
        /gaussian-linear\.json: observations must be an array of numbers, got undefined/,
      ],
      [
        'a clipped surrogate without its range',
        (content) => {
          delete (content['other'] as Record<string, unknown>)['clipRange'];
        },
        /gaussian-linear\.json: other: clipRange must be a number greater than 0, got undefined/,
      ],
      [
        'products of other vectors',
        (content) => {
          (content['empiricalFisherVectorProduct'] as unknown[]).pop();
        },
        /empiricalFisherVectorProduct must have as many entries as vectors, got 2 and 3/,
      ],
      [
        'no number',
        (content) => {
          (content['parameters'] as unknown[])[1] = 'x';
        },
        /gaussian-linear\.json: parameters\[1\] must be a finite number, got the string "x"/,
      ],
      [
        'an unknown distribution',
        (content) => {
          content['distribution'] = 'gausian';
        },
        /did you mean 'gaussian'/,
      ],
    ])('refuses %s', (_, change, message) => {
      damage('gaussian-linear.json', change);
      const { status, stderr } = run(folder);
      expect(status).toBe(1);
      expect(stderr).toMatch(message);
    });

    test('reports an exception of the library as a failure of its case', () => {
      cpSync(join(fixtures, 'gaussian-linear.json'), join(folder, 'gaussian-linear.json'));
      damage('categorical-tanh.json', (content) => {
        (content['actions'] as number[])[2] = 9;
      });
      const { status, stdout } = run(folder, '--json');
      expect(status).toBe(1);
      expect(lastLine(stdout)).toMatchObject({
        cases: 2,
        failed: 1,
        worst: { case: 'categorical-tanh' },
      });
      expect(stdout).toMatch(/^categorical-tanh .*FAILED: .*actions\[2\]/m);
    });

    test('refuses an empty folder', () => {
      const { status, stderr } = run(folder);
      expect(status).toBe(1);
      expect(stderr).toMatch(/holds no reference case/);
    });

    test.each<[string[], RegExp]>([
      [[], /one folder of reference cases is needed, got 0/],
      [[fixtures, '--backend', 'gpu'], /gpu.*reference/],
      [[fixtures, '--jsn'], /did you mean --json/],
    ])('wrong usage: %p', (args, message) => {
      const { status, stderr } = run(...args);
      expect(status).toBe(2);
      expect(stderr).toMatch(message);
    });
  });
});

describe('threads', () => {
  const observationSize = 7;
  const rows = 1531; // neither a multiple of a tile nor of the threads
  const random = new RandomGenerator(5);
  const normals = (length: number): Float32Array =>
    Float32Array.from({ length }, () => random.normal());
  const spaces: readonly ActionSpace[] = [
    { kind: 'continuous', size: 3 },
    { kind: 'multiDiscrete', counts: [3, 4] },
  ];

  test.each(backends().flatMap((backend) => spaces.map((space) => [backend, space] as const)))(
    '%s gives the same bits on 1, 2 and 5, %p',
    async (backend, actions) => {
      const observations = normals(rows * observationSize);
      const advantages = normals(rows);
      const problem = {
        observationSize,
        actions,
        hidden: [33, 18],
        activation: 'tanh',
        seed: 3,
        backend,
      } as const;
      const sampler = new Policy({ ...problem, threads: 1 });
      const batch: Batch = { observations, advantages, actions: sampler.act(observations) };
      const vector = normals(sampler.parameterCount);
      const nearby = sampler
        .getParameters()
        .map((value, index) => value + 0.01 * (vector[index] ?? 0));

      const results = async (threads: number): Promise<Record<string, unknown>> => {
        const policy = new Policy({ ...problem, threads });
        expect(policy.threads).toBe(threads);
        const gradient = policy.gradient(batch);
        const product = policy.fisherVectorProduct(observations, vector);
        const kl = policy.kl(observations, nearby);
        const { accepted, meanKl, surrogateAfter } = await new TRPO(policy).update(batch);
        const parameters = policy.getParameters(new Float64Array(policy.parameterCount));
        policy.close();
        expect(accepted).toBe(true);
        return { gradient, product, kl, meanKl, surrogateAfter, parameters };
      };
      const first = await results(1);
      expect(await results(2)).toEqual(first);
      expect(await results(5)).toEqual(first);
    },
  );
});
