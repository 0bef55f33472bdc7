import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mujocoFidelity, resumedEvery } from '../lib/conformance/task-fidelity.js';
import type { MujocoRecording } from '../lib/conformance/task-fidelity.js';
import { halfCheetah } from '../lib/environments/half-cheetah.js';
import { hopper } from '../lib/environments/hopper.js';
import { MujocoEnvironment } from '../lib/environments/mujoco-environment.js';
import type { MujocoEnvironmentOptions } from '../lib/environments/mujoco-environment.js';
import { walker2d } from '../lib/environments/walker2d.js';

// The recordings of these tasks are compared in mujoco-tasks.test.ts; here is what they do not show.

const recordingOf = ({ name }: MujocoEnvironmentOptions): MujocoRecording =>
  JSON.parse(
    readFileSync(path.join(process.cwd(), `test/fixtures/mujoco/${name}.json`), 'utf8'),
  ) as MujocoRecording;

const maximum = (values: Iterable<number>): number => Math.max(...values);
const coded = (code: string, message: RegExp): object =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe.each([
  ['Hopper-v5', hopper, 1.25, 0.001],
  ['Walker2d-v5', walker2d, 1.25, 0.001],
  ['HalfCheetah-v5', halfCheetah, 0, 0.1],
] as const)('%s', (_name, options, height, controlCost) => {
  let environment: MujocoEnvironment;
  let nq: number;
  let nv: number;
  beforeAll(async () => {
    environment = await MujocoEnvironment.create(options);
    nq = environment.modelArray('qpos0').length;
    nv = environment.modelArray('dof_damping').length;
  });
  afterAll(() => environment.close());

  const state = (changes: Record<number, number> = {}): [number[], number[]] => {
    const numbers = Array.from({ length: nq + nv }, (_, i) => changes[i] ?? (i === 1 ? height : 0));
    return [numbers.slice(0, nq), numbers.slice(nq)];
  };

  test('observes all but x, and clips velocities where the task says so', () => {
    const [qpos, qvel] = state({ 0: 7, 2: 0.1, [nq]: 20, [nq + 1]: -30, [nq + 2]: 3 });
    const limit = options === halfCheetah ? Infinity : 10;
    const seen = qvel.map((value) => Math.min(Math.max(value, -limit), limit));
    expect([...environment.setState(qpos, qvel)]).toEqual([...qpos.slice(1), ...seen]);
  });

  test('pays for speed, and charges for the action as it was given', () => {
    const size = environment.actionSpace.kind === 'continuous' ? environment.actionSpace.size : 0;
    const rewards = [1, 3].map((control) => {
      environment.setState(...state({ 0: 5, [nq]: 2 }));
      return environment.step(Array.from({ length: size }, () => control)).reward;
    });
    // The physics is the same, since controls are clamped to 1.
    const difference = (rewards[0] ?? NaN) - (rewards[1] ?? NaN);
    expect(difference).toBeCloseTo(controlCost * size * 8, 12);
    environment.setState(...state({ 0: 5, [nq]: 2 }));
    const { reward, observation } = environment.step(Array.from({ length: size }, () => 0));
    const speed = ((environment.dataArray('qpos')[0] ?? NaN) - 5) / environment.timestep;
    expect(reward).toBeCloseTo(speed + (options === halfCheetah ? 0 : 1), 12);
    expect(Math.abs(speed)).toBeGreaterThan(0.1);
    expect(observation[0]).not.toBe(0);
  });

  test('starts with the noise of the task', () => {
    const starts = Array.from({ length: 1500 }, (_, index) => {
      environment.reset(index === 0 ? 5 : undefined);
      const qpos = [...environment.dataArray('qpos')];
      qpos[1] = (qpos[1] ?? NaN) - height;
      return [...qpos, ...environment.dataArray('qvel')];
    });
    const noise = options === halfCheetah ? 0.1 : 5e-3;
    const positions = starts.flatMap((numbers) => numbers.slice(0, nq));
    const velocities = starts.flatMap((numbers) => numbers.slice(nq));
    const scale = (values: number[]): number =>
      Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length) / noise;
    expect(maximum(positions.map(Math.abs))).toBeLessThanOrEqual(noise);
    expect(scale(positions)).toBeCloseTo(1 / Math.sqrt(3), 1);
    const largest = maximum(velocities.map(Math.abs)) / noise;
    if (options === halfCheetah) {
      expect(scale(velocities)).toBeCloseTo(1, 1);
      expect(largest).toBeGreaterThan(3);
    } else {
      expect(scale(velocities)).toBeCloseTo(1 / Math.sqrt(3), 1);
      expect(largest).toBeLessThanOrEqual(1);
    }
  });
});

test('HalfCheetah-v5 never terminates and is truncated after 1000 steps', async () => {
  const environment = await MujocoEnvironment.create(halfCheetah);
  environment.reset(1);
  const results = Array.from({ length: 1000 }, (_, index) => {
    const sign = Math.sin(index / 3) > 0 ? 1 : -1;
    return environment.step([sign, -sign, sign, -sign, sign, -sign]);
  });
  environment.close();
  expect(results.some(({ terminated }) => terminated)).toBe(false);
  expect(results.findIndex(({ truncated }) => truncated)).toBe(999);
});

describe('where a body counts as fallen', () => {
  const tasks = { hopper, walker2d };
  const ends = (
    { terminated }: MujocoEnvironmentOptions,
    qpos: number[],
    qvel: number[] = [0, 0, 0],
  ): boolean | undefined =>
    terminated?.({
      qpos: Float64Array.from(qpos),
      qvel: Float64Array.from(qvel),
    } as unknown as Parameters<typeof terminated>[0]);

  // Bounds themselves are outside: Gymnasium's ranges are open.
  test.each([
    ['hopper', [0, 1.25, 0], [0, 0, 0], false],
    ['hopper', [0, 0.7, 0], [0, 0, 0], true],
    ['hopper', [0, 0.7001, 0], [0, 0, 0], false],
    ['hopper', [0, 99, 0], [0, 0, 0], false],
    ['hopper', [0, 1.25, 0.2], [0, 0, 0], true],
    ['hopper', [0, 1.25, 0.1999], [0, 0, 0], false],
    ['hopper', [0, 1.25, -0.2], [0, 0, 0], true],
    ['hopper', [500, 1.25, 0, 99], [0, 0, 0], false],
    ['hopper', [0, 1.25, 0, -100], [0, 0, 0], true],
    ['hopper', [0, 1.25, 0], [100, 0, 0], true],
    ['hopper', [0, 1.25, 0], [0, 0, -99.9], false],
    ['walker2d', [0, 1.25, 0], [0, 0, 0], false],
    ['walker2d', [0, 0.8, 0], [0, 0, 0], true],
    ['walker2d', [0, 2, 0], [0, 0, 0], true],
    ['walker2d', [0, 1.999, 0.999], [500, 0, 0], false],
    ['walker2d', [0, 1.25, 1], [0, 0, 0], true],
    ['walker2d', [0, 1.25, -1], [0, 0, 0], true],
  ] as const)('%s at %j, %j', (name, qpos, qvel, expected) => {
    expect(ends(tasks[name], [...qpos], [...qvel])).toBe(expected);
  });

  test.each(['hopper', 'walker2d'] as const)('%s pays nothing then', async (name) => {
    const environment = await MujocoEnvironment.create(tasks[name]);
    const [qpos0, nv] = [environment.modelArray('qpos0'), environment.modelArray('dof_damping')];
    const still = nv.map(() => 0);
    const lying = qpos0.map((value, index) => (index === 2 ? 1.2 : value));
    environment.setState(lying, still);
    const size = environment.modelArray('actuator_gear').length / 6;
    const result = environment.step(new Float64Array(size));
    expect(result.terminated).toBe(true);
    const speed = (environment.dataArray('qpos')[0] ?? NaN) / environment.timestep;
    expect(result.reward).toBeCloseTo(speed, 12);
    environment.close();
  });
});

test('HalfCheetah-v5 alone repeats only the first half of a recorded episode to 1e-6', async () => {
  const recording = recordingOf(halfCheetah);
  const every = resumedEvery['HalfCheetah-v5'] ?? NaN;
  const half = {
    ...recording,
    trajectories: recording.trajectories.map((trajectory) => ({
      ...trajectory,
      steps: trajectory.steps.slice(0, every),
    })),
  };
  const { uninterrupted } = await mujocoFidelity(half);
  expect(uninterrupted.map(({ steps }) => steps)).toEqual([every, every, every]);
  expect(maximum(uninterrupted.map(({ observation }) => observation))).toBeLessThanOrEqual(1e-6);
  const whole = await mujocoFidelity(recording);
  expect(maximum(whole.uninterrupted.map(({ observation }) => observation))).toBeLessThan(0.1);
});

describe('memory for contacts', () => {
  const boxes = (memory: string): string => `<mujoco><size memory="${memory}"/><worldbody>
    <geom type="plane" size="1 1 1"/>${Array.from(
      { length: 12 },
      (_, index) => `<body pos="${0.3 * index} 0 0.09">
        <joint type="slide" axis="0 0 1" name="j${index}"/><joint axis="0 1 0"/>
        <geom type="box" size="0.1 0.1 0.1"/></body>`,
    ).join('')}</worldbody><actuator><motor joint="j0"/></actuator></mujoco>`;
  const task = (memory: string): Promise<MujocoEnvironment> =>
    MujocoEnvironment.create({ name: 'Boxes', xml: boxes(memory) });

  // 24000 bytes hold 32 of the 48 contacts; 60000 hold all, but none of their constraints.
  test.each(['24000', '60000', '109000'])('%s bytes are too few: an error', async (memory) => {
    await expect(task(memory)).rejects.toEqual(
      coded('ERR_MODEL', /^Boxes: the model's memory of \d+ bytes is too small for its contacts/),
    );
  });

  test('the same in the middle of an episode', async () => {
    const environment = await MujocoEnvironment.create({
      name: 'Boxes',
      xml: boxes('60000').replaceAll('0 0.09"', '0 0.101"'),
    });
    environment.reset(1);
    expect(() => {
      for (let step = 0; step < 50; step += 1) {
        environment.step([0]);
      }
    }).toThrow(coded('ERR_MODEL', /too small for its contacts/));
    environment.close();
  });

  test('enough is enough', async () => {
    const environment = await task('200000'); // more than a quarter used: the counters are read
    environment.reset(1);
    const result = Array.from({ length: 20 }, () => environment.step([0])).at(-1);
    expect(result?.terminated).toBe(false);
    expect(environment.dataArray('qpos')[0]).toBeCloseTo(0.01, 2);
    environment.close();
  });

  test('the legged tasks never use a quarter of theirs, even lying on the floor', async () => {
    for (const options of [hopper, walker2d, halfCheetah]) {
      const { terminated: _rule, ...endless } = options;
      const small = options.xml.replace('"256K"', '"64K"');
      expect(small).not.toBe(options.xml);
      const environment = await MujocoEnvironment.create({ ...endless, xml: small });
      environment.reset(3);
      for (let step = 0; step < 300; step += 1) {
        environment.step(
          new Float64Array(environment.modelArray('actuator_gear').length / 6).fill(1),
        );
      }
      environment.close();
    }
    expect.assertions(3);
  });
});
