// @ts-check
/*
 * What this package adds to the physics: npm run bench:environments [-- --task Reacher-v5] [--rounds 200]
 *
 * In turns, the same steps of each MuJoCo task by the environment and by bare calls of mj_step from
 * JavaScript, from the same states and with the same actions; resets are not timed. One process for both,
 * since both need the warm WebAssembly code. Prints the medians over rounds and the median of the ratio
 * within a round.
 */
import { parseArgs } from 'node:util';
import load from '@mujoco/mujoco';
import * as library from '../dist/esm/index.js';
import { median } from './harness/statistics.mjs';

const { values } = parseArgs({
  options: { task: { type: 'string' }, rounds: { type: 'string', default: '200' } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) {
  throw new Error(`--rounds must be an integer of at least 1, got ${values.rounds}`);
}
const steps = 300; // per round
const warmUp = Math.ceil(rounds / 8);

/** @typedef {import('../dist/esm/index.js').MujocoEnvironmentOptions} Task */
/** @typedef {{ index: number, qpos: Float64Array, qvel: Float64Array }} Start */

/** @returns {Task[]} The exported options of all MuJoCo tasks. */
function allTasks() {
  const tasks = Object.values(library).filter(
    (value) => typeof value === 'object' && 'xml' in value && 'name' in value,
  );
  return /** @type {Task[]} */ (tasks);
}

/** @type {any} */
const mujoco = await load();

/** @param {Task} task */
async function measure(task) {
  const environment = await library.MujocoEnvironment.create(task);
  const model = mujoco.MjModel.from_xml_string(task.xml);
  const data = new mujoco.MjData(model);
  const { qpos, qvel, ctrl } = data;
  const actions = Array.from({ length: steps }, (_, step) =>
    Float64Array.from({ length: model.nu }, (_, index) => Math.sin(7.3 * step + index)),
  );

  /** @returns {[number, Start[]]} Milliseconds, and the states that episodes started from. */
  function stepEnvironment() {
    /** @type {Start[]} */
    const starts = [];
    /** @param {number} index */
    const reset = (index) => {
      environment.reset();
      starts.push({
        index,
        qpos: environment.dataArray('qpos'),
        qvel: environment.dataArray('qvel'),
      });
    };
    reset(0);
    let time = 0;
    let begin = performance.now();
    for (const [index, action] of actions.entries()) {
      const { terminated, truncated } = environment.step(action);
      if (terminated || truncated) {
        time += performance.now() - begin;
        reset(index + 1);
        begin = performance.now();
      }
    }
    return [time + performance.now() - begin, starts];
  }

  /** @param {Start[]} starts */
  function stepPhysics(starts) {
    let time = 0;
    let next = 0;
    let begin = performance.now();
    for (const [index, action] of actions.entries()) {
      const start = starts[next];
      if (start?.index === index) {
        time += performance.now() - begin;
        mujoco.mj_resetData(model, data);
        qpos.set(start.qpos);
        qvel.set(start.qvel);
        mujoco.mj_forward(model, data);
        next += 1;
        begin = performance.now();
      }
      ctrl.set(action);
      for (let frame = 0; frame < environment.frameSkip; frame += 1) {
        mujoco.mj_step(model, data);
      }
    }
    return time + performance.now() - begin;
  }

  environment.reset(1);
  /** @type {[number, number][]} */
  const times = [];
  for (let round = -warmUp; round < rounds; round += 1) {
    const [whole, starts] = stepEnvironment();
    const physics = stepPhysics(starts);
    if (round >= 0) {
      times.push([(1000 * whole) / steps, (1000 * physics) / steps]);
    }
  }
  environment.close();
  data.delete();
  model.delete();
  return {
    whole: median(times.map(([whole]) => whole)),
    physics: median(times.map(([, physics]) => physics)),
    ratio: median(times.map(([whole, physics]) => whole / physics)),
  };
}

const tasks = allTasks().filter(({ name }) => values.task === undefined || name === values.task);
if (tasks.length === 0) {
  throw new Error(
    `--task must be one of ${allTasks().map(({ name }) => name)}, got ${values.task}`,
  );
}
console.log('| task | step, µs | physics alone, µs | ratio | steps/s |');
console.log('| --- | --- | --- | --- | --- |');
for (const task of tasks) {
  const { whole, physics, ratio } = await measure(task);
  const cells = [whole.toFixed(1), physics.toFixed(1), ratio.toFixed(3), Math.round(1e6 / whole)];
  console.log(`| \`${task.name}\` | ${cells.join(' | ')} |`);
}
