/**
 * What {@link EpisodeStatistics} know, without episodes that have not ended.
 */
export interface EpisodeRecord {
  readonly steps: number;
  readonly episodes: number;
  /** Of the latest finished episodes. */
  readonly returns: readonly number[];
  readonly lengths: readonly number[];
}

/**
 * Returns and lengths of finished episodes, fed one step at a time from several environments.
 *
 * A return is the plain sum of an episode's rewards: neither discounted nor scaled. Episodes run on
 * across rollouts, and every step counts once. An episode that has not ended counts nowhere yet.
 */
export class EpisodeStatistics {
  /**
   * Steps recorded so far, over all environments.
   */
  steps = 0;
  /**
   * Episodes finished so far.
   */
  episodes = 0;

  readonly #window: number;
  readonly #returns: number[] = [];
  readonly #lengths: number[] = [];
  readonly #runningReturn: Float64Array;
  readonly #runningLength: Float64Array;

  /**
   * @param environments - How many environments take part.
   * @param window - How many of the latest finished episodes the means are taken over.
   * @param before - What was recorded before; episodes that had not ended then start anew.
   */
  constructor(environments: number, window = 100, before?: EpisodeRecord) {
    this.#window = window;
    this.steps = before?.steps ?? 0;
    this.episodes = before?.episodes ?? 0;
    this.#returns.push(...(before?.returns ?? []).slice(-window));
    this.#lengths.push(...(before?.lengths ?? []).slice(-window));
    this.#runningReturn = new Float64Array(environments);
    this.#runningLength = new Float64Array(environments);
  }

  /**
   * Records one step.
   *
   * @param environment - Index of the environment.
   * @param reward - Reward of the step.
   * @param ended - Whether the episode ended with it, terminated or truncated.
   */
  record(environment: number, reward: number, ended: boolean): void {
    const episodeReturn = (this.#runningReturn[environment] ?? 0) + reward;
    const length = (this.#runningLength[environment] ?? 0) + 1;
    this.steps += 1;
    this.#runningReturn[environment] = ended ? 0 : episodeReturn;
    this.#runningLength[environment] = ended ? 0 : length;
    if (ended) {
      this.episodes += 1;
      this.#returns.push(episodeReturn);
      this.#lengths.push(length);
      if (this.#returns.length > this.#window) {
        this.#returns.shift();
        this.#lengths.shift();
      }
    }
  }

  /**
   * What is known now, a copy.
   */
  get known(): EpisodeRecord {
    return {
      steps: this.steps,
      episodes: this.episodes,
      returns: [...this.#returns],
      lengths: [...this.#lengths],
    };
  }

  /**
   * Mean return of the latest finished episodes; NaN before the first.
   */
  get meanReturn(): number {
    return mean(this.#returns);
  }

  /**
   * Mean number of steps of the latest finished episodes; NaN before the first.
   */
  get meanLength(): number {
    return mean(this.#lengths);
  }
}

/**
 * Arithmetic mean; NaN of nothing.
 */
export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/**
 * Population standard deviation, `sqrt(mean (x - mean)^2)`; NaN of nothing.
 */
export function standardDeviation(numbers: readonly number[]): number {
  const centre = mean(numbers);
  return Math.sqrt(mean(numbers.map((number) => (number - centre) ** 2)));
}
