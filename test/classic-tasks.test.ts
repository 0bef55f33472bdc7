import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  classicFidelity,
  fidelityLimits,
  mujocoFidelity,
} from '../lib/conformance/task-fidelity.js';
import type { ClassicRecording, MujocoRecording } from '../lib/conformance/task-fidelity.js';
import { Acrobot } from '../lib/environments/acrobot.js';
import { EpisodicEnvironment } from '../lib/environments/episodic-environment.js';
import { MountainCarContinuous } from '../lib/environments/mountain-car-continuous.js';
import { MujocoEnvironment } from '../lib/environments/mujoco-environment.js';
import { environmentNames, makeEnvironment } from '../lib/environments/registry.js';
import type { ErrorCode } from '../lib/errors.js';

/*
 * Every task without physics engine against the recording of the same name.
 */
const folder = path.join(process.cwd(), 'test/fixtures/classic');
const recordings = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as ClassicRecording)
  .map((recording) => [recording.task, recording] as const);

const coded = (code: ErrorCode): object => expect.objectContaining({ code });

test('every such task has its recording, and every recording its task', async () => {
  const tasks: string[] = [];
  for (const name of environmentNames) {
    const environment = await makeEnvironment(name);
    if (!(environment instanceof MujocoEnvironment)) {
      tasks.push(name);
    }
    environment.close();
  }
  expect(recordings.map(([name]) => name).sort()).toEqual(tasks.sort());
});

test.each(recordings)('%s repeats the recorded episodes', async (name, recording) => {
  const environment = await makeEnvironment(name);
  expect(environment).toBeInstanceOf(EpisodicEnvironment);
  expect(environment).toMatchObject({ maxEpisodeSteps: recording.max_episode_steps });
  const trajectories = await classicFidelity(recording);
  expect(trajectories.map(({ steps }) => steps)).toEqual(
    recording.trajectories.map(({ steps }) => steps.length),
  );
  expect(trajectories.length).toBe(3);
  for (const { observation, reward, isTerminationEqual } of trajectories) {
    expect(observation).toBeLessThanOrEqual(fidelityLimits.classic);
    expect(reward).toBeLessThanOrEqual(fidelityLimits.classic);
    expect(isTerminationEqual).toBe(true);
  }
});

test('recordings of what cannot be repeated are refused, and differences are seen', async () => {
  const [, recording] = recordings[0] ?? [];
  expect(recording).toBeDefined();
  await expect(mujocoFidelity(recording as unknown as MujocoRecording)).rejects.toEqual(
    coded('ERR_INVALID_ARGUMENT'),
  );
  await expect(
    classicFidelity({ ...(recording as ClassicRecording), task: 'Reacher-v5' }),
  ).rejects.toEqual(coded('ERR_INVALID_ARGUMENT'));
  await expect(
    classicFidelity({ ...(recording as ClassicRecording), task: 'Unknown-v1' }),
  ).rejects.toEqual(coded('ERR_UNKNOWN_OPTION'));

  const start = { state: [0, 0.05], observation: [0, 0.05] };
  const step = { action: [0], observation: [0.0475, NaN], reward: 0.5, terminated: true };
  const fidelity = await classicFidelity({
    task: 'MountainCarContinuous-v0',
    max_episode_steps: 999,
    trajectories: [
      { start: { ...start, observation: [0.25, 0.05] }, steps: [] },
      { start, steps: [step] },
      { start: { ...start, observation: [0] }, steps: [] },
    ],
  });
  expect(fidelity[0]).toEqual({ steps: 0, observation: 0.25, reward: 0, isTerminationEqual: true });
  expect(fidelity[1]).toEqual({
    steps: 1,
    observation: Infinity,
    reward: 0.5,
    isTerminationEqual: false,
  });
  expect(fidelity[2]?.observation).toBe(Infinity);
});

describe('Acrobot', () => {
  test('hangs still without torque, and a torque bends it the right way', () => {
    const environment = new Acrobot();
    expect([...environment.setState([0, 0, 0, 0])]).toEqual([1, 0, 1, 0, 0, 0]);
    expect([...environment.step([1]).observation]).toEqual([1, 0, 1, 0, 0, 0]);
    const results = [0, 2].map((choice) => {
      environment.setState([0, 0, 0, 0]);
      return environment.step([choice]).observation;
    });
    expect(results[1]?.[5]).toBeGreaterThan(0);
    expect(results[0]?.[5]).toBe(-(results[1]?.[5] ?? NaN));
  });

  test('limits speeds, and pays 0 for the step that reaches the goal', () => {
    const environment = new Acrobot();
    environment.setState([0, 0, 100, -100]);
    const { observation, reward, terminated } = environment.step([1]);
    expect([reward, terminated]).toEqual([-1, false]);
    expect(Math.abs(observation[4] ?? NaN)).toBeLessThanOrEqual(4 * Math.PI);
    expect(Math.abs(observation[5] ?? NaN)).toBeLessThanOrEqual(9 * Math.PI);
    environment.setState([Math.PI, 0, 0, 0]);
    expect(environment.step([1])).toMatchObject({ reward: 0, terminated: true, truncated: false });
    expect(() => environment.setState([0, 0, 0])).toThrow(coded('ERR_SHAPE_MISMATCH'));
    expect(() => environment.setState([0, 0, 0, NaN])).toThrow(coded('ERR_NOT_FINITE'));
  });

  test('starts within 0.1 and is truncated after 500 steps', () => {
    const environment = new Acrobot();
    for (let episode = 0; episode < 100; episode += 1) {
      const [, sine = NaN, , secondSine = NaN, ...speeds] = environment.reset(episode);
      const numbers = [Math.asin(sine), Math.asin(secondSine), ...speeds].map(Math.abs);
      expect(Math.max(...numbers)).toBeLessThanOrEqual(0.1 + 1e-12);
    }
    const results = Array.from({ length: 500 }, () => environment.step([1]));
    expect(results.findIndex(({ truncated }) => truncated)).toBe(499);
    expect(results.every(({ reward }) => reward === -1)).toBe(true);
  });
});

describe('MountainCarContinuous', () => {
  test('stops at the left end, and pays 100 less the cost for the goal', () => {
    const environment = new MountainCarContinuous();
    environment.setState([-1.19, -0.07]);
    expect(environment.step([-1])).toMatchObject({ reward: -0.1, terminated: false });
    environment.setState([-1.19, -0.07]);
    expect([...environment.step([-1]).observation]).toEqual([-1.2, 0]);
    environment.setState([0.44, 0.07]);
    const { observation, reward, terminated } = environment.step([2]);
    expect(observation[1]).toBe(0.07);
    expect([reward, terminated]).toEqual([100 - 0.1 * 4, true]);
    environment.setState([0.44, 0.07]);
    expect(environment.step([1]).observation).toEqual(observation); // 2 pushes no more than 1
    environment.setState([0.6, -0.03]);
    expect(environment.step([0])).toMatchObject({ reward: 0, terminated: false });
    expect(() => environment.setState([0])).toThrow(coded('ERR_SHAPE_MISMATCH'));
    expect(() => environment.setState([NaN, 0])).toThrow(coded('ERR_NOT_FINITE'));
  });

  test('starts at rest between -0.6 and -0.4 and is truncated after 999 steps', () => {
    const environment = new MountainCarContinuous();
    const starts = Array.from({ length: 300 }, (_, seed) => environment.reset(seed));
    expect(starts.every(([, speed]) => speed === 0)).toBe(true);
    const positions = starts.map(([position = NaN]) => position);
    expect(Math.min(...positions)).toBeGreaterThanOrEqual(-0.6);
    expect(Math.min(...positions)).toBeLessThan(-0.595);
    expect(Math.max(...positions)).toBeLessThanOrEqual(-0.4);
    expect(Math.max(...positions)).toBeGreaterThan(-0.405);
    const results = Array.from({ length: 999 }, () => environment.step([0]));
    expect(results.findIndex(({ truncated }) => truncated)).toBe(998);
  });
});
