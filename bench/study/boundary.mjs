// How much of the trust region TRPO's steps spend, and what finding the boundary costs.
//
//   npm run build && node bench/study/boundary.mjs
//
// Trains on each task with both line searches and prints the median share of the KL budget over the
// accepted updates, the largest, and the forward passes of a search.

import { makeEnvironment, Policy, train, TRPO } from 'trustregion';

const tasks = [
  { task: 'InvertedPendulum-v5', steps: 100_000, stepsPerUpdate: 2000 },
  { task: 'Pendulum-v1', steps: 200_000, stepsPerUpdate: 2000, gamma: 0.95, lambda: 0.7 },
  { task: 'CartPole-v1', steps: 100_000, stepsPerUpdate: 1000 },
];

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

console.log(
  '| task | line search | accepted | median share | least | largest | passes: mean | most |',
);
console.log('| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |');
for (const { task, steps, ...options } of tasks) {
  for (const lineSearch of ['backtracking', 'boundary']) {
    for (const maxKl of [0.01, 0.05]) {
      const environment = await makeEnvironment(task);
      const policy = new Policy({
        observationSize: environment.observationSpace.size,
        actions: environment.actionSpace,
        hidden: [64, 64],
        seed: 1,
        threads: 1,
      });
      const shares = [];
      const passes = [];
      let updates = 0;
      await train({
        policy,
        environments: environment,
        method: new TRPO(policy, { maxKl, lineSearch }),
        steps,
        seed: 1,
        ...options,
        onUpdate: ({ summary }) => {
          updates += 1;
          passes.push(summary.candidates.length);
          if (summary.accepted) shares.push(summary.meanKl / maxKl);
        },
      });
      environment.close?.();
      const mean = passes.reduce((sum, value) => sum + value, 0) / passes.length;
      console.log(
        `| ${task}, maxKl ${maxKl} | ${lineSearch} | ${shares.length} of ${updates} | ` +
          `${median(shares).toFixed(4)} | ${Math.min(...shares).toFixed(4)} | ` +
          `${Math.max(...shares).toFixed(4)} | ${mean.toFixed(2)} | ${Math.max(...passes)} |`,
      );
    }
  }
}
