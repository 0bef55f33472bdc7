import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import type { Environment } from '../lib/environments/environment.js';
import { createInvertedPendulum, invertedPendulum } from '../lib/environments/inverted-pendulum.js';
import { MujocoEnvironment } from '../lib/environments/mujoco-environment.js';
import type { MujocoEnvironmentOptions } from '../lib/environments/mujoco-environment.js';
import { Pendulum } from '../lib/environments/pendulum.js';
import { environmentNames, makeEnvironment } from '../lib/environments/registry.js';
import type { ErrorCode } from '../lib/errors.js';
import { actionLength, requireAction } from '../lib/spaces.js';
import type { ActionSpace } from '../lib/spaces.js';

/** Largest absolute difference of two equally long arrays. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Math.max(
    0,
    ...Array.from(actual, (value, index) => Math.abs(value - (expected[index] ?? NaN))),
  );
}

const coded = (code: ErrorCode, message?: RegExp): object =>
  expect.objectContaining({
    name: 'TrustRegionError',
    code,
    ...(message && { message: expect.stringMatching(message) }),
  });

const slider = (body = '', joint = ''): string => `<mujoco><size memory="64K"/><worldbody>
  <body><joint name="x" type="slide" axis="1 0 0" ${joint}/><geom size="0.1"/>${body}</body></worldbody>
  <actuator><motor joint="x" ctrlrange="-1 1"/></actuator></mujoco>`;

const sliderTask = (options: Partial<MujocoEnvironmentOptions> = {}): Promise<MujocoEnvironment> =>
  MujocoEnvironment.create({ name: 'Slider', xml: slider(), ...options });

describe('spaces', () => {
  const spaces: [ActionSpace, number, number[], number[], ErrorCode][] = [
    [
      { kind: 'continuous', size: 2, low: [-1, -1], high: [1, 1] },
      2,
      [5, -5],
      [0, NaN],
      'ERR_NOT_FINITE',
    ],
    [{ kind: 'discrete', count: 3 }, 1, [2], [3], 'ERR_OUT_OF_RANGE'],
    [{ kind: 'multiDiscrete', counts: [3, 2] }, 2, [2, 1], [2, 2], 'ERR_OUT_OF_RANGE'],
    [{ kind: 'binary', size: 3 }, 3, [0, 1, 1], [0, 1, 0.5], 'ERR_OUT_OF_RANGE'],
  ];

  test.each(spaces)('%j', (space, length, good, bad, code) => {
    expect(actionLength(space)).toBe(length);
    expect(() => requireAction(space, good)).not.toThrow();
    expect(() => requireAction(space, bad)).toThrow(
      coded(code, new RegExp(`action\\[${length - 1}\\]`)),
    );
    expect(() => requireAction(space, [...good, 0])).toThrow(coded('ERR_SHAPE_MISMATCH'));
  });
});

describe.each(environmentNames)('%s keeps the rules of an environment', (name) => {
  let environment: Environment;
  let action: number[];

  beforeAll(async () => {
    environment = await makeEnvironment(name);
    action = Array.from({ length: actionLength(environment.actionSpace) }, () => 0);
  });

  test('seeds', () => {
    const episode = (seed?: number): number[] => {
      const numbers = [...environment.reset(seed)];
      numbers.push(...environment.step(action).observation);
      return numbers;
    };
    const [first, second] = [episode(3), episode()];
    expect(second).not.toEqual(first);
    expect([episode(3), episode()]).toEqual([first, second]);
    expect(episode(4)).not.toEqual(first);
    expect(() => environment.reset(-1)).toThrow(coded('ERR_OUT_OF_RANGE', /^seed/));
  });

  test('returns fresh arrays of the promised size', () => {
    expect(environment.name).toBe(name);
    const first = environment.reset(1);
    const copy = first.slice();
    const { observation } = environment.step(action);
    expect(Object.prototype.toString.call(first)).toBe('[object Float64Array]');
    expect([first.length, observation.length]).toEqual(
      Array(2).fill(environment.observationSpace.size),
    );
    expect(first).toEqual(copy);
    first.fill(99);
    observation.fill(99);
    expect([...environment.step(action).observation]).not.toContain(99);
  });

  test('refuses bad actions without harm to the episode', () => {
    environment.reset(1);
    expect(() => environment.step([])).toThrow(
      coded('ERR_SHAPE_MISMATCH', /^action must be an array/),
    );
    expect(() => environment.step([...action, 0])).toThrow(coded('ERR_SHAPE_MISMATCH'));
    expect(() => environment.step(action.map(() => NaN))).toThrow(
      coded('ERR_NOT_FINITE', /^action\[0\]/),
    );
    expect(() => environment.step(0 as unknown as number[])).toThrow(coded('ERR_INVALID_ARGUMENT'));
    expect(() => environment.step(action)).not.toThrow();
  });

  test('refuses calls out of order', async () => {
    const fresh = await makeEnvironment(name);
    expect(() => fresh.step(action)).toThrow(coded('ERR_STATE', /before the first step/));
    fresh.reset(1);
    let result = fresh.step(action);
    while (!result.terminated && !result.truncated) {
      result = fresh.step(action);
    }
    expect(() => fresh.step(action)).toThrow(coded('ERR_STATE', /has ended/));
    fresh.reset();
    fresh.close();
    fresh.close();
    expect(() => fresh.step(action)).toThrow(coded('ERR_CLOSED'));
    expect(() => fresh.reset()).toThrow(coded('ERR_CLOSED', new RegExp(name)));
  });

  afterAll(() => environment.close());
});

// Expected numbers of the next two: Gymnasium 1.3.0, float64 state of the unwrapped environments.
describe('CartPole', () => {
  test('follows the equations', () => {
    const environment = new CartPole();
    environment.setState([0.01, -0.02, 0.03, 0.04]);
    const expected = [
      [0.009600000000000001, 0.17467919574755525, 0.030799999999999998, -0.2430687179600081],
      [0.013093583914951107, -0.020868848948191993, 0.025938625640799837, 0.0591679999394166],
      [0.012676206935987267, 0.1738717748734813, 0.02712198563958817, -0.22521957255967326],
    ];
    for (const [index, choice] of [1, 0, 1].entries()) {
      const { observation, reward, terminated, truncated } = environment.step([choice]);
      expect(difference(observation, expected[index] ?? [])).toBeLessThan(1e-14);
      expect([reward, terminated, truncated]).toEqual([1, false, false]);
    }
  });

  test.each([
    [
      [2.39, 0.6, 0, 0],
      [2.402, 0.7951219512195122, 0, -0.2926829268292683],
    ],
    [
      [0, 0.6, 0.209, 0.1],
      [0.012, 0.7916095837721158, 0.211, -0.12016027967160611],
    ],
  ])('ends beyond its bounds with reward 1, from %j', (start, end) => {
    const environment = new CartPole();
    environment.setState(start);
    const { observation, reward, terminated } = environment.step([1]);
    expect(difference(observation, end)).toBeLessThan(1e-14);
    expect([reward, terminated]).toEqual([1, true]);
    expect(() => environment.setState([1])).toThrow(coded('ERR_SHAPE_MISMATCH', /^state must/));
  });

  test('starts within 0.05 and is truncated after 500 steps', () => {
    const environment = new CartPole();
    let observation = environment.reset(1);
    expect(Math.max(...observation.map(Math.abs))).toBeLessThanOrEqual(0.05);
    let steps = 0;
    let result;
    do {
      const [x = 0, speed = 0, angle = 0, angularSpeed = 0] = observation;
      result = environment.step([0.1 * x + 0.3 * speed + 5 * angle + angularSpeed > 0 ? 1 : 0]);
      ({ observation } = result);
      steps += 1;
    } while (!result.terminated && !result.truncated);
    expect([steps, result.terminated]).toEqual([500, false]);
    expect(() => environment.setState([NaN, 0, 0, 0])).toThrow(coded('ERR_NOT_FINITE'));
  });
});

describe('Pendulum', () => {
  test.each([
    [[3.1, 0.9], 0.5, [3.1503092748412485, 1.006185496824968], -9.691249999999997],
    [
      [3.190916680524829, 0.8121481136716123],
      5,
      [3.244675185097333, 1.0751700914500792],
      -9.632083715247333,
    ],
    [
      [3.244675185097333, 1.0751700914500792],
      -7,
      [3.2795749370759277, 0.6979950395718988],
      -9.352142834551186,
    ],
    [[-9, 7.9], 2, [-8.605454443196566, 7.8909111360686826], -13.626082075124879],
  ])('from %j with torque %p', (start, torque, [angle = 0, speed = 0], reward) => {
    const environment = new Pendulum();
    expect([...environment.setState(start)]).toEqual([
      Math.cos(start[0] ?? 0),
      Math.sin(start[0] ?? 0),
      start[1],
    ]);
    const result = environment.step([torque]);
    expect(difference(result.observation, [Math.cos(angle), Math.sin(angle), speed])).toBeLessThan(
      1e-14,
    );
    expect(Math.abs(result.reward - reward)).toBeLessThan(1e-12);
  });

  test('limits its speed and is truncated after 200 steps', () => {
    const environment = new Pendulum();
    environment.setState([Math.PI / 2, 7.9]);
    expect(environment.step([2]).observation[2]).toBe(8);
    environment.reset(1);
    const results = Array.from({ length: 200 }, () => environment.step([0]));
    expect(results.filter(({ terminated }) => terminated)).toEqual([]);
    expect(results.map(({ truncated }) => truncated).indexOf(true)).toBe(199);
  });
});

describe('InvertedPendulum', () => {
  let environment: MujocoEnvironment;
  beforeAll(async () => {
    environment = await createInvertedPendulum();
  });
  afterAll(() => environment.close());

  test('starts within 0.01, clamps controls and is truncated after 1000 steps', () => {
    expect(Math.max(...environment.reset(1).map(Math.abs))).toBeLessThanOrEqual(0.01);
    const [limit, beyond] = [3, 30].map((force) => {
      environment.setState([0, 0], [0, 0]);
      return environment.step([force]).observation;
    });
    expect(beyond).toEqual(limit);
    let observation = environment.reset(2);
    let steps = 0;
    let result;
    do {
      const [x = 0, angle = 0, speed = 0, angularSpeed = 0] = observation;
      result = environment.step([0.1 * x + 4 * angle + 0.2 * speed + 0.8 * angularSpeed]);
      ({ observation } = result);
      steps += 1;
    } while (!result.terminated && !result.truncated);
    expect([steps, result.terminated]).toEqual([1000, false]);
  });
});

describe('MujocoEnvironment', () => {
  test('survives growth of the heap', async () => {
    const options = { ...invertedPendulum, xml: invertedPendulum.xml.replace('"256K"', '"6M"') };
    const environments: MujocoEnvironment[] = [];
    for (let index = 0; index < 20; index += 1) {
      const environment = await MujocoEnvironment.create(options);
      environment.reset(5);
      environments.push(environment);
    }
    const expected = await createInvertedPendulum();
    environments.push(expected);
    expected.reset(5);
    for (let step = 0; step < 3; step += 1) {
      const observations = environments.map((environment) => [
        ...environment.step([1]).observation,
      ]);
      expect(observations.flat().every(Number.isFinite)).toBe(true);
      expect(new Set(observations.map(String)).size).toBe(1);
    }
    environments.forEach((environment) => environment.close());
    expect(() => expected.modelArray('body_mass')).toThrow(coded('ERR_CLOSED'));
    expect(() => expected.setState([0, 0], [0, 0])).toThrow(coded('ERR_CLOSED'));
  });

  test('hands the task the state, the step and the data', async () => {
    const seen: number[][] = [];
    const environment = await sliderTask({
      frameSkip: 4,
      observation: ({ qpos, data }) => [qpos[0] ?? 0, ...data('xpos').subarray(3)],
      terminated: ({ time }) => time > 0.0079 * 2,
      reward: ({ qpos, previousQpos, action, timestep, time }, terminated) => {
        seen.push([time, timestep, action[0] ?? 0, terminated ? 1 : 0]);
        return ((qpos[0] ?? 0) - (previousQpos[0] ?? 0)) / timestep;
      },
      resetNoise: (random, { qpos }) => ({ qpos: qpos.fill(2), qvel: [random.uniform(1, 1)] }),
    });
    expect(environment.observationSpace.size).toBe(4);
    expect([...environment.reset()]).toEqual([2, 2, 0, 0]);
    expect(environment.step([0]).reward).toBeCloseTo(1, 12);
    expect(environment.step([3])).toMatchObject({ terminated: true, truncated: false });
    expect(seen[0]).toEqual([expect.closeTo(0.008, 12), 0.008, 0, 0]);
    expect(seen[1]).toEqual([expect.closeTo(0.016, 12), 0.008, 3, 1]);
    expect(environment.dataArray('cfrc_ext')).toHaveLength(12);
    expect(() => environment.dataArray('xpoz')).toThrow(coded('ERR_UNKNOWN_OPTION', /'xpos'/));
    expect(() => environment.dataArray('warning')).toThrow(coded('ERR_UNKNOWN_OPTION'));
    expect(() => environment.modelArray('jnt_limitd')).toThrow(
      coded('ERR_UNKNOWN_OPTION', /'jnt_limited'/),
    );
    expect([...environment.modelArray('opt.gravity')]).toEqual([0, 0, -9.81]);
    expect([...environment.modelArray('opt.timestep')]).toEqual([0.002]);
    expect(() => environment.modelArray('opt.gravty')).toThrow(
      coded('ERR_UNKNOWN_OPTION', /'gravity'/),
    );
    expect(() => environment.setState([0, 0], [0])).toThrow(coded('ERR_SHAPE_MISMATCH', /^qpos/));
    expect(() => environment.setState([0], [NaN])).toThrow(coded('ERR_NOT_FINITE', /^qvel\[0\]/));
    environment.close();
  });

  test('data of a step is copied once, and anew for the next step', async () => {
    const seen: Float64Array[][] = [];
    const environment = await sliderTask({
      xml: slider('', 'range="-1 1" limited="true"'),
      observation: ({ qpos, data }) => {
        const places = data('xpos');
        expect(data('xpos')).toBe(places);
        expect(places.length).toBe(6);
        seen.push([places.slice(), data('efc_force').slice()]);
        return qpos;
      },
    });
    environment.setState([0], [0]); // as many limits are felt as are reached: none, one, none
    environment.setState([1.5], [0]);
    environment.step([0]);
    environment.setState([-0.5], [0]);
    const [, ...states] = seen; // the first is of create()
    expect(states.map(([places]) => places?.[3])).toEqual([0, 1.5, 1.5, -0.5]);
    expect(states.map(([, forces]) => forces?.length)).toEqual([0, 1, 1, 0]);
    const copy = environment.dataArray('xpos');
    environment.setState([0.25], [0]);
    expect([copy[3], environment.dataArray('xpos')[3]]).toEqual([-0.5, 0.25]);
    environment.close();
  });

  test('default task: no noise, no end, one per step', async () => {
    const environment = await sliderTask({ maxEpisodeSteps: Infinity });
    expect([...environment.reset(1)]).toEqual([0, 0]);
    expect(environment.step([1])).toMatchObject({ reward: 1, terminated: false, truncated: false });
    environment.close();
    const free = await sliderTask({ xml: slider().replace('ctrlrange="-1 1"', '') });
    expect(free.actionSpace).toEqual({ kind: 'continuous', size: 1 });
    free.close();
  });

  test('refuses to go on where MuJoCo silently starts again', async () => {
    const environment = await sliderTask({ xml: slider('', 'damping="-1e8"'), frameSkip: 3 });
    const unstable = coded('ERR_MODEL', /^Slider: the simulation became unstable at [\d.]+ s/);
    for (const [speed, control] of [
      [0.01, 1],
      [1e-5, 0],
      [50, 1],
    ] as const) {
      environment.setState([0], [speed]);
      expect(() => Array.from({ length: 9 }, () => environment.step([control]))).toThrow(unstable);
      expect(() => environment.step([0])).toThrow(coded('ERR_STATE'));
    }
    environment.reset(1);
    expect(() => environment.setState([0], [1e6])).toThrow(unstable); // acceleration beyond 1e10
    expect(() => environment.step([0])).toThrow(coded('ERR_STATE'));
    environment.close();
    const strong = await sliderTask({ xml: slider().replace('ctrlrange="-1 1"', 'gear="1e13"') });
    strong.reset(1);
    expect(() => strong.step([1])).toThrow(unstable); // at the very first physics step
    strong.reset(1);
    expect(strong.step([0]).terminated).toBe(false);
    strong.close();
  });

  test.each<[Partial<MujocoEnvironmentOptions>, ErrorCode, RegExp]>([
    [
      { xml: '<mujoco><foo/></mujoco>' },
      'ERR_MODEL',
      /^Slider: the MJCF does not compile: .*'foo', line 1$/,
    ],
    [{ xml: '<mujoco/>' }, 'ERR_MODEL', /at least one joint/],
    [
      { xml: slider().replace(/<actuator>.*<\/actuator>/, '') },
      'ERR_MODEL',
      /at least one actuator/,
    ],
    [{ frameSkip: 0 }, 'ERR_OUT_OF_RANGE', /^frameSkip must be an integer of at least 1, got 0$/],
    [{ maxEpisodeSteps: 1.5 }, 'ERR_OUT_OF_RANGE', /^maxEpisodeSteps/],
    [{ resetNoise: -1 }, 'ERR_OUT_OF_RANGE', /^resetNoise/],
    [{ reward: 1 as never }, 'ERR_INVALID_ARGUMENT', /^reward must be a function, got 1$/],
    [{ frameskip: 1 } as object, 'ERR_UNKNOWN_OPTION', /did you mean 'frameSkip'/],
    [{ observation: () => [] }, 'ERR_CALLBACK', /at least one number/],
    [
      {
        observation: () => {
          throw new Error('boom');
        },
      },
      'ERR_CALLBACK',
      /^observation\(\) of Slider failed: boom$/,
    ],
  ])('create refuses %p', async (options, code, message) => {
    await expect(sliderTask(options)).rejects.toEqual(coded(code, message));
  });

  test.each<[Partial<MujocoEnvironmentOptions>, RegExp]>([
    [
      { reward: () => undefined as never },
      /^reward\(\) of Slider failed: its result .* got undefined$/,
    ],
    [{ terminated: () => 1 as never }, /^terminated\(\) .* true or false, got 1$/],
    [
      { observation: ({ time }) => (time > 0 ? [1] : [1, 2]) },
      /^observation\(\) .* length 2, got .* length 1$/,
    ],
    [{ observation: ({ time }) => [time > 0 ? NaN : 1] }, /^observation\(\) .* got NaN$/],
    [
      { resetNoise: () => ({ qpos: [1, 2], qvel: [0] }) },
      /^resetNoise\(\) .*qpos must be an array of length 1/,
    ],
  ])('reports a bad function %p', async (options, message) => {
    const environment = await sliderTask(options);
    expect(() => {
      environment.reset(1);
      environment.step([0]);
    }).toThrow(coded('ERR_CALLBACK', message));
    environment.close();
  });
});

describe('makeEnvironment', () => {
  test.each<[unknown, ErrorCode, RegExp]>([
    [
      'Pendulum',
      'ERR_UNKNOWN_OPTION',
      /^unknown environment 'Pendulum'; did you mean 'Pendulum-v1'\?$/,
    ],
    ['toString', 'ERR_UNKNOWN_OPTION', /known are 'CartPole-v1', /],
    [7, 'ERR_INVALID_ARGUMENT', /got 7$/],
  ])('refuses %p', async (name, code, message) => {
    await expect(makeEnvironment(name as string)).rejects.toEqual(coded(code, message));
  });

  test('says how to install MuJoCo where it is missing', async () => {
    jest.resetModules();
    jest.unstable_mockModule('@mujoco/mujoco', () => {
      throw new Error("Cannot find package '@mujoco/mujoco'");
    });
    const registry = await import('../lib/environments/registry.js');
    await expect(registry.makeEnvironment('InvertedPendulum-v5')).rejects.toEqual(
      coded('ERR_MISSING_DEPENDENCY', /npm install @mujoco\/mujoco/),
    );
    expect((await registry.makeEnvironment('CartPole-v1')).name).toBe('CartPole-v1');
  });
});
