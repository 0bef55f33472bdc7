// The mean return of uniformly random actions: "random" in peers.json.
//
//   node bench/learning/random-returns.mjs [tasks...]
//
// 100 episodes of each task, seed 0, with its standard error.

import { environmentNames, makeEnvironment } from 'trustregion';
import { RandomGenerator } from '../../dist/esm/environments/random.js';
import { meanAndError } from '../../dist/esm/cli/learning-curves.js';
import { meanText } from './text.mjs';

const episodes = 100;

function randomAction({ kind, low, high, size, count }, random) {
  return kind === 'discrete'
    ? [Math.floor(count * random.uniform(0, 1))]
    : Array.from({ length: size }, (_, index) => random.uniform(low[index], high[index]));
}

async function returnsOf(task) {
  const environment = await makeEnvironment(task);
  const random = new RandomGenerator(1);
  const returns = [];
  for (let episode = 0; episode < episodes; episode += 1) {
    environment.reset(episode === 0 ? 0 : undefined);
    let total = 0;
    for (let ended = false; !ended; ) {
      const step = environment.step(randomAction(environment.actionSpace, random));
      total += step.reward;
      ended = step.terminated || step.truncated;
    }
    returns.push(total);
  }
  environment.close();
  return returns;
}

const named = process.argv.slice(2);
for (const task of named.length === 0 ? environmentNames : named) {
  console.log(`${task}: ${meanText(meanAndError(await returnsOf(task)))}`);
}
