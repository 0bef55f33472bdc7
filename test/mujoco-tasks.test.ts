import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fidelityLimits, modelNames, mujocoFidelity } from '../lib/conformance/task-fidelity.js';
import type { MujocoRecording } from '../lib/conformance/task-fidelity.js';
import { invertedDoublePendulum } from '../lib/environments/inverted-double-pendulum.js';
import { MujocoEnvironment } from '../lib/environments/mujoco-environment.js';
import { reacher } from '../lib/environments/reacher.js';
import { environmentNames, makeEnvironment } from '../lib/environments/registry.js';
import { swimmer } from '../lib/environments/swimmer.js';

/*
 * Every task on MuJoCo against the recording of the same name; a task joins by its line in the registry
 * and its file in test/fixtures/mujoco.
 */
const folder = path.join(process.cwd(), 'test/fixtures/mujoco');
const recordings = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as MujocoRecording)
  .map((recording) => [recording.task, recording] as const);

const maximum = (values: Iterable<number>): number => Math.max(...values);

test('every task on MuJoCo has its recording, and every recording its task', async () => {
  const tasks: string[] = [];
  for (const name of environmentNames) {
    const environment = await makeEnvironment(name);
    if (environment instanceof MujocoEnvironment) {
      tasks.push(name);
    }
    environment.close();
  }
  expect(recordings.map(([name]) => name).sort()).toEqual(tasks.sort());
  expect(tasks.length).toBeGreaterThanOrEqual(4);
});

test('docs/tasks.md describes every task, and has it in the table of differences', () => {
  const page = readFileSync(path.join(process.cwd(), 'docs/tasks.md'), 'utf8');
  const [descriptions = '', table = ''] = page.split('<!-- fidelity table');
  const rows = (text: string): string[] =>
    [...text.matchAll(/^\| `(.*?)` /gm)].map(([, name = '']) => name).sort();
  const names = [...environmentNames].sort();
  expect(rows(descriptions)).toEqual(names);
  expect(rows(table.split('<!-- end of table')[0] ?? '')).toEqual(names);
});

describe.each(recordings)('%s', (name, recording) => {
  let environment: MujocoEnvironment;
  beforeAll(async () => {
    environment = (await makeEnvironment(name)) as MujocoEnvironment;
  });
  afterAll(() => environment.close());

  test('compiles to the recorded arrays and options, and repeats the recorded episodes', async () => {
    const { differences, trajectories } = await mujocoFidelity(recording);
    const { model, option } = recording;
    expect(differences.size).toBe(Object.keys(model).length + Object.keys(option).length);
    expect(differences.size).toBeGreaterThan(50);
    const beyond = [...differences].filter(([, value]) => !(value <= fidelityLimits.model));
    expect(beyond).toEqual([]);

    expect(trajectories.length).toBe(recording.trajectories.length);
    for (const [index, fidelity] of trajectories.entries()) {
      expect(fidelity.steps).toBe(recording.trajectories[index]?.steps.length);
      expect(fidelity.steps).toBeGreaterThan(0);
      expect(fidelity.isTerminationEqual).toBe(true);
      expect(fidelity.observation).toBeLessThanOrEqual(fidelityLimits.mujoco);
      expect(fidelity.reward).toBeLessThanOrEqual(fidelityLimits.mujoco);
    }
  });

  test('has the recorded names, spaces and limits', () => {
    expect(modelNames(environment)).toEqual(recording.names);
    expect(environment).toMatchObject({
      name: recording.task,
      frameSkip: recording.frame_skip,
      maxEpisodeSteps: recording.max_episode_steps,
      observationSpace: { size: recording.observation_size },
      actionSpace: {
        kind: 'continuous',
        size: recording.action_low.length,
        low: recording.action_low,
        high: recording.action_high,
      },
    });
    const timestep = recording.frame_skip * Number(recording.option['timestep']);
    expect(environment.timestep).toBeCloseTo(timestep, 15);
  });

  test.each(['low', 'high'] as const)('clamps controls to the %s bound', (bound) => {
    const { start } = recording.trajectories[0] ?? { start: { qpos: [], qvel: [] } };
    const limits = recording[`action_${bound}`];
    const [limit, beyond, inside] = [1, 7, 0.5].map((factor) => {
      environment.setState(start.qpos, start.qvel);
      environment.step(limits.map((value) => factor * value));
      return [...environment.dataArray('qvel')];
    });
    expect(beyond).toEqual(limit);
    expect(inside).not.toEqual(limit);
  });
});

test('all of them go on as before where the heap has grown', async () => {
  const environments: MujocoEnvironment[] = [];
  for (const [name] of recordings) {
    environments.push((await makeEnvironment(name)) as MujocoEnvironment);
  }
  const episodes = (): number[][] =>
    environments.map((environment, index) => {
      const actions = recordings[index]?.[1].action_high.map((value) => 0.3 * value) ?? [];
      environment.reset(2);
      return [1, 2, 3].flatMap(() => [...environment.step(actions).observation]);
    });
  const before = episodes();
  const large = await MujocoEnvironment.create({
    ...swimmer,
    xml: swimmer.xml.replace('"256K"', '"128M"'),
  });
  expect(episodes()).toEqual(before);
  large.close();
  environments.forEach((environment) => environment.close());
});

/** Positions and velocities of many starts, one row each. */
async function starts(
  options: typeof reacher,
  count: number,
): Promise<{ qpos: number[][]; qvel: number[][] }> {
  const environment = await MujocoEnvironment.create(options);
  const rows: { qpos: number[][]; qvel: number[][] } = { qpos: [], qvel: [] };
  for (let index = 0; index < count; index += 1) {
    environment.reset(index === 0 ? 11 : undefined);
    rows.qpos.push([...environment.dataArray('qpos')]);
    rows.qvel.push([...environment.dataArray('qvel')]);
  }
  environment.close();
  return rows;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const meanSquare = (values: readonly number[]): number => mean(values.map((value) => value ** 2));

describe('InvertedDoublePendulum-v5', () => {
  test('starts with uniform positions and normal velocities', async () => {
    const { qpos, qvel } = await starts(invertedDoublePendulum, 3000);
    const positions = qpos.flat();
    expect(maximum(positions.map(Math.abs))).toBeLessThanOrEqual(0.1);
    expect(maximum(positions)).toBeGreaterThan(0.099);
    const velocities = qvel.flat(); // 9000 draws: standard error of the variance 1.5 %
    expect(Math.abs(meanSquare(velocities) / 0.01 - 1)).toBeLessThan(0.06);
    expect(Math.abs(mean(velocities))).toBeLessThan(0.005);
    expect(maximum(velocities)).toBeGreaterThan(0.3);
  });

  test('pays 10 less the penalties while the tip is above 1 m', async () => {
    const environment = await MujocoEnvironment.create(invertedDoublePendulum);
    environment.setState([0, 0, 0], [0, 0, 0]);
    const upright = environment.step([0]);
    expect(upright).toMatchObject({ terminated: false, truncated: false });
    expect(upright.reward).toBeCloseTo(10 - 0.8 ** 2, 6);
    environment.setState([0, 0.5, 0.7], [0, 0, 0]); // tip at 0.74 m
    const fallen = environment.step([0]);
    expect(fallen.terminated).toBe(true);
    expect(fallen.reward).toBeLessThan(-1.2);
    environment.close();
  });

  test('clips velocities, and shows the force of the rail', async () => {
    const environment = await MujocoEnvironment.create(invertedDoublePendulum);
    const fast = environment.setState([0, 0, 0], [20, -20, 11]);
    expect([...fast.subarray(5)]).toEqual([10, -10, 10, 0]);
    expect(environment.setState([-1.05, 0, 0], [0, 0, 0])[8]).toBeGreaterThan(0);
    expect(environment.setState([1.05, 0, 0], [0, 0, 0])[8]).toBeLessThan(0);
    environment.close();
  });
});

describe('Reacher-v5', () => {
  test('draws the goal uniformly in the disc, at rest, and the arm nearly straight', async () => {
    const { qpos, qvel } = await starts(reacher, 3000);
    const squares = qpos.map(([, , x = NaN, y = NaN]) => x ** 2 + y ** 2);
    expect(maximum(squares)).toBeLessThan(0.04);
    expect(maximum(squares)).toBeGreaterThan(0.039);
    // Uniform in the disc: the square of the radius is uniform in [0, 0.04].
    expect(Math.abs(mean(squares) / 0.02 - 1)).toBeLessThan(0.05);
    expect(Math.abs(meanSquare(squares) / (0.04 ** 2 / 3) - 1)).toBeLessThan(0.08);
    const angles = qpos.flatMap((row) => row.slice(0, 2).map(Math.abs));
    expect(maximum(angles)).toBeLessThanOrEqual(0.1);
    expect(maximum(angles)).toBeGreaterThan(0.099);
    const speeds = qvel.flatMap((row) => row.slice(0, 2).map(Math.abs));
    expect(maximum(speeds)).toBeLessThanOrEqual(0.005);
    expect(maximum(speeds)).toBeGreaterThan(0.0049);
    expect(qvel.every((row) => row[2] === 0 && row[3] === 0)).toBe(true);
  });

  test('is truncated after 50 steps', async () => {
    const environment = await MujocoEnvironment.create(reacher);
    environment.reset(3);
    const results = Array.from({ length: 50 }, () => environment.step([1, -1]));
    expect(results.findIndex(({ truncated }) => truncated)).toBe(49);
    expect(results.some(({ terminated }) => terminated)).toBe(false);
    expect(maximum(results.map(({ reward }) => reward))).toBeLessThan(-2);
    environment.close();
  });
});

describe('Swimmer-v5', () => {
  test('starts within 0.1 and pays progress less a small cost', async () => {
    const { qpos, qvel } = await starts(swimmer, 300);
    const numbers = [...qpos.flat(), ...qvel.flat()].map(Math.abs);
    expect(maximum(numbers)).toBeLessThanOrEqual(0.1);
    expect(maximum(numbers)).toBeGreaterThan(0.099);
    const environment = await MujocoEnvironment.create(swimmer);
    environment.reset(1);
    const before = environment.dataArray('qpos')[0] ?? NaN;
    const { reward } = environment.step([2, -1]); // the cost is of the action as it was given
    const after = environment.dataArray('qpos')[0] ?? NaN;
    expect(reward).toBeCloseTo((after - before) / 0.04 - 1e-4 * 5, 12);
    environment.close();
  });
});
