import { describe, expect, test } from '@jest/globals';
import { RandomGenerator } from '../lib/environments/random.js';

describe('RandomGenerator', () => {
  // From a separate program in Python that gives the published outputs of SplitMix64 and xoshiro128**.
  test.each([
    [0, [3737715805, 2584255861, 2876756834, 3286328325], 0.3616586206733957],
    [1234567, [1967786208, 270031234, 1115494691, 824886977], 0.38181164490555175],
    [Number.MAX_SAFE_INTEGER, [1233166643, 1287031142, 661813442, 2960669951], 0.6056109088751621],
  ])('seed %d gives the published stream', (seed, words, fifth) => {
    const random = new RandomGenerator(seed);
    expect(words.map(() => random.nextUint32())).toEqual(words);
    expect(random.next()).toBe(fifth);
  });

  test('has the right moments, and neighbouring seeds are uncorrelated', () => {
    const count = 20_000;
    const generators = [
      new RandomGenerator(0),
      new RandomGenerator(1),
      new RandomGenerator(2),
    ] as const;
    let [mean, normalSquare, product] = [0, 0, 0];
    for (let index = 0; index < count; index += 1) {
      const first = generators[0].uniform(-1, 1);
      mean += first / count;
      product += (3 * first * generators[1].uniform(-1, 1)) / count; // correlation: variance is 1/3
      normalSquare += generators[2].normal() ** 2 / count;
      expect(Math.abs(first)).toBeLessThanOrEqual(1);
    }
    const fiveSigma = 5 / Math.sqrt(count);
    expect(Math.abs(mean)).toBeLessThan(fiveSigma);
    expect(Math.abs(product)).toBeLessThan(fiveSigma);
    expect(Math.abs(normalSquare - 1)).toBeLessThan(Math.SQRT2 * fiveSigma);
  });

  test('draws a seed of its own where none is given', () => {
    expect(new RandomGenerator().next()).not.toBe(new RandomGenerator().next());
  });

  test.each([-1, 0.5, 2 ** 53, NaN])('refuses the seed %p', (seed) => {
    expect(() => new RandomGenerator(seed)).toThrow(
      /^seed must be an integer from 0 to 9007199254740991/,
    );
  });
});
