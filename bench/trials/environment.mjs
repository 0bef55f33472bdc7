// Steps of one task, and its physics alone on the same states and actions, in turns.
//
//   node environment.mjs TASK STEPS SECONDS
//
// A lap is STEPS steps of a policy that draws its actions uniformly within their bounds, episodes begun
// anew where they end. Both sides go through it in slices of some milliseconds, one after the other, so
// that whatever else the machine does meets both; of each slice the median over all laps counts. "Alone" is
// what cannot be saved: MuJoCo's own calls and the controls that they need, no observation, no reward,
// no checks. A task without physics engine is timed as it is.

import * as trustregion from 'trustregion';
import { median } from '../harness/statistics.mjs';

const [task, count, seconds] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const seed = 1;

const environment = await trustregion.makeEnvironment(task);
const options = Object.values(trustregion).find((value) => value?.name === task && value.xml);
const random = new trustregion.RandomGenerator(7);
const actions = Array.from({ length: count }, draw);

function draw() {
  const { kind, size, count: choices, low = [], high = [] } = environment.actionSpace;
  if (kind === 'discrete') return Int32Array.of(Math.floor(random.uniform(0, choices)));
  return Float64Array.from({ length: size }, (_, index) =>
    random.uniform(low[index] ?? -1, high[index] ?? 1),
  );
}

let isOver;
/** Steps `from` to `to` of a lap in the task; `atStart` is told of each episode. */
function steps(from, to, atStart) {
  for (let index = from; index < to; index += 1) {
    if (index === 0 || isOver) {
      environment.reset(index === 0 ? seed : undefined);
      atStart?.(index);
    }
    const { terminated, truncated } = environment.step(actions[index]);
    isOver = terminated || truncated;
  }
}

/** The same physics, episode for episode. */
async function bare() {
  const { default: load } = await import('@mujoco/mujoco');
  const mujoco = await load();
  const model = mujoco.MjModel.from_xml_string(options.xml);
  const data = new mujoco.MjData(model);
  const { qpos, qvel, ctrl } = data;
  const starts = new Map();
  steps(0, count, (index) => {
    starts.set(
      index,
      ['qpos', 'qvel'].map((field) => environment.dataArray(field)),
    );
  });
  const run = (from, to) => {
    for (let index = from; index < to; index += 1) {
      const start = starts.get(index);
      if (start !== undefined) {
        mujoco.mj_resetData(model, data);
        qpos.set(start[0]);
        qvel.set(start[1]);
        mujoco.mj_forward(model, data);
      }
      ctrl.set(actions[index]);
      for (let skip = 0; skip < options.frameSkip; skip += 1) mujoco.mj_step(model, data);
    }
  };
  run(0, count);
  const last = environment.dataArray('qpos');
  if (!last.every((value, index) => value === qpos[index])) {
    throw new Error(`the physics of ${task} alone ended elsewhere than the task`);
  }
  return { run, episodes: starts.size };
}

/** Microseconds of this process's own time, in which nobody else's work counts. */
function time(run, from, to) {
  const begin = process.cpuUsage();
  run(from, to);
  const { user, system } = process.cpuUsage(begin);
  return user + system;
}

const physics = options && (await bare());
const slice = physics ? 20 : count;
const slices = Array.from({ length: Math.ceil(count / slice) }, (_, index) => ({
  ...{ from: slice * index, to: Math.min(slice * (index + 1), count) },
  ...{ whole: [], alone: [] },
}));
// A third of the time is not counted: WebAssembly is compiled anew as it gets hot.
const begin = performance.now();
let laps = 0;
while (performance.now() - begin < 1e3 * seconds || slices[0].whole.length < 3) {
  const isCounted = performance.now() - begin > 333 * seconds;
  for (const { from, to, whole, alone } of slices) {
    const sides = [() => whole.push(time(steps, from, to))];
    if (physics) sides.push(() => alone.push(time(physics.run, from, to)));
    if (laps % 2 === 1) sides.reverse();
    for (const side of sides) side();
  }
  laps += 1;
  if (!isCounted) for (const times of slices) times.whole.length = times.alone.length = 0;
}

/** Microseconds a step. */
const total = (field) => slices.reduce((sum, times) => sum + median(times[field]), 0) / count;
const us = total('whole');
const physicsUs = physics && total('alone');
console.log(
  JSON.stringify({
    ...{ peer: task, laps, us },
    ...(physics && {
      ...{ physicsUs, aroundUs: us - physicsUs, ratio: us / physicsUs },
      stepsPerEpisode: count / physics.episodes,
    }),
  }),
);
