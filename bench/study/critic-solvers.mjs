// The critic's two solvers on the same rollouts: 30 in a row of 2,048 rows of 17 numbers, taken from a
// planar runner on MuJoCo while TRPO improves its policy; targets by GAE. Each way of fitting gets a
// fresh critic (64-64, 3 seeds) and all rollouts in order.
//
//   npm run build && node bench/study/critic-solvers.mjs [--threads 1]

import { parseArgs } from 'node:util';
import { MujocoEnvironment, Policy, RolloutBuffer, TRPO, ValueFunction } from 'trustregion';

const { values } = parseArgs({ options: { threads: { type: 'string', default: '1' } } });
const threads = Number(values.threads);

/** A hip, a knee and an ankle. */
const leg = (name, x) => `
  <body pos="${x} 0 0">
    <joint name="${name}1" axis="0 1 0" range="-1 1" damping="4" stiffness="60"/>
    <geom fromto="0 0 0 0.1 0 -0.25" size="0.046"/>
    <body pos="0.1 0 -0.25">
      <joint name="${name}2" axis="0 1 0" range="-1 1" damping="3" stiffness="40"/>
      <geom fromto="0 0 0 -0.12 0 -0.2" size="0.046"/>
      <body pos="-0.12 0 -0.2">
        <joint name="${name}3" axis="0 1 0" range="-0.6 0.8" damping="2" stiffness="20"/>
        <geom fromto="0 0 0 0.12 0 -0.02" size="0.046"/>
      </body>
    </body>
  </body>`;
const motors = Object.entries({ b1: 60, b2: 45, b3: 30, f1: 60, f2: 30, f3: 15 }).map(
  ([joint, gear]) => `<motor joint="${joint}" gear="${gear}" ctrlrange="-1 1"/>`,
);
const runner = {
  name: 'runner',
  xml: `<mujoco>
    <size memory="1M"/>
    <compiler angle="radian" autolimits="true"/>
    <default><geom type="capsule" friction="0.6 0.1 0.1" contype="1" conaffinity="0"/></default>
    <option timestep="0.01"/>
    <worldbody>
      <geom type="plane" size="100 100 1" contype="0" conaffinity="1"/>
      <body pos="0 0 0.6">
        <joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/><joint axis="0 1 0"/>
        <geom fromto="-0.5 0 0 0.5 0 0" size="0.046"/>
        ${leg('b', -0.5)} ${leg('f', 0.5)}
      </body>
    </worldbody>
    <actuator>${motors.join('')}</actuator>
  </mujoco>`,
  frameSkip: 5,
  maxEpisodeSteps: 500,
  resetNoise: 0.1,
  observation: ({ qpos, qvel }) => [...qpos.slice(1), ...qvel],
  reward: ({ qvel }) => qvel[0],
};

async function collect(count) {
  const environment = await MujocoEnvironment.create(runner);
  const { size: observationSize } = environment.observationSpace;
  const policy = new Policy({
    observationSize,
    actions: environment.actionSpace,
    seed: 1,
    threads,
  });
  const valueFunction = new ValueFunction({ observationSize, seed: 2, threads });
  const trpo = new TRPO(policy);
  const buffer = new RolloutBuffer({ policy, steps: 2048 });
  const batches = [];
  let observation = environment.reset(1);
  while (batches.length < count) {
    buffer.reset();
    while (!buffer.full) {
      const actions = policy.act(observation);
      const { reward, ...step } = environment.step(actions);
      buffer.add({
        observations: observation,
        actions,
        rewards: reward,
        terminated: step.terminated,
        truncated: step.truncated,
        nextObservations: step.observation,
      });
      observation = step.terminated || step.truncated ? environment.reset() : step.observation;
    }
    const batch = buffer.finish({ valueFunction, gamma: 0.99, lambda: 0.97 });
    batches.push(batch);
    await trpo.update(batch);
    await valueFunction.fit(batch);
    policy.updateNormalizer(batch.observations);
  }
  return { batches, observationSize };
}

const mean = (numbers) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const { batches, observationSize } = await collect(30);
console.log('median ms a fit, explained variance after it on its own rollout and on the next one');
for (const options of [
  { solver: 'adam', epochs: 5 },
  { solver: 'adam', epochs: 10 },
  { solver: 'adam', epochs: 20 },
  { solver: 'gaussNewton', iterations: 1 },
  { solver: 'gaussNewton', iterations: 2 },
  { solver: 'gaussNewton', iterations: 3 },
  { solver: 'gaussNewton', iterations: 5 },
  { solver: 'gaussNewton', iterations: 2, damping: 1e-4 },
  { solver: 'gaussNewton', iterations: 2, damping: 0.01 },
  { solver: 'gaussNewton', iterations: 2, damping: 0.1 },
]) {
  const fits = [];
  for (const seed of [1, 2, 3]) {
    const critic = new ValueFunction({ observationSize, seed, threads });
    for (const batch of batches) {
      fits.push(await critic.fit(batch, options));
    }
  }
  // Before its first fit a critic knows nothing of the next rollout.
  const later = fits.filter((_, index) => index % batches.length > 0);
  console.log(
    `${(1000 * median(fits.map((fit) => fit.seconds))).toFixed(1).padStart(6)} ms ` +
      `${mean(later.map((fit) => fit.explainedVarianceAfter)).toFixed(3)} ` +
      `${mean(later.map((fit) => fit.explainedVarianceBefore)).toFixed(3)}  ` +
      JSON.stringify(options),
  );
}
