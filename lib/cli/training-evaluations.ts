import type { Environment } from '../environments/environment.js';
import { makeEnvironment } from '../environments/registry.js';
import { evaluate } from '../evaluate.js';
import type { Evaluation } from '../evaluate.js';
import type { TrainProgress, TrainResult } from '../train.js';
import type { RecordedEvaluation } from './evaluation-table.js';
import type { RunFolder } from './run-folder.js';
import type { Run } from './run-setup.js';

/** What is told of an evaluation. */
export type EvaluationResult = Pick<Evaluation, 'episodes' | 'mean' | 'std'>;

/**
 * The evaluations of a run: the one at its end and, if the run is to make them, those in its course, which
 * go into its folder. All of them play the same episodes, in an environment of their own, so that training
 * does not notice.
 *
 * Whenever a policy is the best so far, first the run is saved as it is, then the policy as the best. So the
 * best in the folder is never of an update that a run going on from there would have to make again.
 */
export class TrainingEvaluations {
  readonly #run: Run;
  readonly #folder: RunFolder;
  readonly #signal: AbortSignal;
  #environment: Environment | null = null;

  constructor(run: Run, folder: RunFolder, signal: AbortSignal) {
    this.#run = run;
    this.#folder = folder;
    this.#signal = signal;
  }

  /** The best evaluation that was recorded. */
  get best(): RecordedEvaluation | null {
    return this.#folder.evaluations?.best ?? null;
  }

  /**
   * Before a run goes on: does what was left to do when it was saved last.
   */
  async catchUp(): Promise<void> {
    const { from, policy } = this.#run;
    if (from === undefined) {
      return;
    }
    const { updates: update, steps } = from;
    if (this.best?.update === update) {
      await this.#folder.saveBest(policy);
    }
    if (this.#folder.evaluations?.isDue(steps) === true) {
      await this.#evaluateAndRecord({ update, steps });
    }
  }

  /**
   * Evaluates if it is time to, but not at the end, which has an evaluation anyway.
   */
  async afterUpdate({ update, steps, totalSteps, state, untimed }: TrainProgress): Promise<void> {
    if (steps < totalSteps && this.#folder.evaluations?.isDue(steps) === true) {
      await untimed(() =>
        this.#evaluateAndRecord({ update, steps }, () =>
          this.#folder.saveTraining(this.#run, state),
        ),
      );
    }
  }

  /**
   * The evaluation at the end of a run that is saved.
   *
   * @returns `null` if it was interrupted.
   */
  atEnd({ updates: update, steps }: TrainResult): Promise<EvaluationResult | null> {
    return this.#evaluateAndRecord({ update, steps });
  }

  close(): void {
    this.#environment?.close?.();
  }

  /**
   * @param save - Saves the run as it is; left out where that has been done.
   */
  async #evaluateAndRecord(
    at: Pick<RecordedEvaluation, 'update' | 'steps'>,
    save?: () => Promise<void>,
  ): Promise<EvaluationResult | null> {
    const evaluation = await this.#evaluate();
    const { evaluations: table } = this.#folder;
    // A complete run that is resumed has the row of its end, perhaps with other episodes.
    if (evaluation !== null && table !== null && table.last?.update !== at.update) {
      table.record({ ...at, ...evaluation });
      if (table.best === table.last) {
        await save?.();
        await this.#folder.saveBest(this.#run.policy);
      }
    }
    return evaluation;
  }

  async #evaluate(): Promise<EvaluationResult | null> {
    const { config, policy } = this.#run;
    const { episodes, seed } = config.evaluation;
    this.#environment ??= await makeEnvironment(config.task);
    try {
      const { mean, std } = await evaluate({
        policy,
        environment: this.#environment,
        episodes,
        seed,
        signal: this.#signal,
      });
      return { episodes, mean, std };
    } catch (error) {
      if (this.#signal.aborted) {
        return null;
      }
      throw error;
    }
  }
}
