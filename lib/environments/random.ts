import { requireInteger } from '../validate.js';

/**
 * Seeded generator of random numbers for environments: xoshiro128** 1.1 (Blackman and Vigna, 2018,
 * "Scrambled linear pseudorandom number generators"; period 2^128 - 1), its state filled by
 * SplitMix64 (Steele, Lea and Flood, 2014). SplitMix64 scrambles every bit of the seed, so
 * neighbouring seeds such as 0, 1, 2 give unrelated streams.
 *
 * One seed gives the same numbers on every machine. Not for cryptography.
 *
 * @example
 * ```ts
 * const random = new RandomGenerator(7);
 * const angle = random.uniform(-Math.PI, Math.PI);
 * ```
 */
export class RandomGenerator {
  readonly #state: Uint32Array;

  /**
   * @param seed - Integer from 0 to 2^53 - 1; without one, a random seed is drawn.
   * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
   */
  constructor(seed: number = Math.floor(Math.random() * 2 ** 53)) {
    requireInteger(seed, 'seed', { min: 0, max: Number.MAX_SAFE_INTEGER });
    this.#state = expandSeed(BigInt(seed));
  }

  /**
   * 32 random bits: an integer from 0 to 2^32 - 1.
   */
  nextUint32(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const mixedC = c ^ a;
    const mixedD = d ^ b;
    state[0] = a ^ mixedD;
    state[1] = b ^ mixedC;
    state[2] = mixedC ^ (b << 9);
    state[3] = rotateLeft(mixedD, 11);
    return result;
  }

  /**
   * Uniform number in [0, 1), a multiple of 2^-53: 27 bits of one draw above 26 bits of the next.
   */
  next(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 2 ** 26 + low) * 2 ** -53;
  }

  /**
   * Uniform number in [low, high): `low + (high - low) next()`, where rounding may give `high`.
   */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /**
   * Normally distributed number with mean 0 and variance 1 (Box and Muller, 1958; the second of
   * each pair is not kept, so the number of draws per call is always the same).
   */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next())); // 1 - u is in (0, 1]: never log(0)
    return radius * Math.cos(2 * Math.PI * this.next());
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/**
 * The first two 64-bit outputs of SplitMix64 as four words, low halves first. Each output is a
 * bijection of a different counter value, so the two are never both zero, the one state that
 * xoshiro must not start from.
 */
function expandSeed(seed: bigint): Uint32Array {
  const state = new Uint32Array(4);
  let counter = seed;
  for (let word = 0; word < 4; word += 2) {
    counter = BigInt.asUintN(64, counter + 0x9e3779b97f4a7c15n);
    let mixed = counter;
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = BigInt.asUintN(64, (mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    mixed ^= mixed >> 31n;
    state[word] = Number(BigInt.asUintN(32, mixed));
    state[word + 1] = Number(mixed >> 32n);
  }
  return state;
}
