import { describe, expect, test } from '@jest/globals';
import { EpisodeStatistics, mean, standardDeviation } from '../lib/episode-statistics.js';
import { deriveSeeds } from '../lib/seeds.js';

describe('EpisodeStatistics', () => {
  test('counts every step once and sums over rollouts', () => {
    const statistics = new EpisodeStatistics(2, 2);
    expect(statistics.meanReturn).toBeNaN();
    statistics.record(0, 1, false);
    statistics.record(1, 10, false);
    statistics.record(0, 2, true);
    expect(statistics).toMatchObject({ steps: 3, episodes: 1, meanReturn: 3, meanLength: 2 });
    statistics.record(1, 20, true);
    expect(statistics).toMatchObject({ steps: 4, episodes: 2, meanReturn: 16.5, meanLength: 2 });
    statistics.record(0, 7, true); // the first episode leaves the window of 2
    expect(statistics).toMatchObject({ steps: 5, episodes: 3, meanReturn: 18.5, meanLength: 1.5 });
  });

  test('mean and population standard deviation', () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(standardDeviation([1, 1, 3, 3])).toBe(1);
  });
});

describe('deriveSeeds', () => {
  test('gives different seeds, those of environments whatever their number', () => {
    const seeds = deriveSeeds(1, 3);
    const all = [
      seeds.policy,
      seeds.valueFunction,
      seeds.sampling,
      seeds.evaluation,
      ...seeds.environments,
    ];
    expect(new Set(all).size).toBe(7);
    expect(deriveSeeds(1, 1).environments).toEqual(seeds.environments.slice(0, 1));
    expect(deriveSeeds(2).policy).not.toBe(seeds.policy);
  });
});
