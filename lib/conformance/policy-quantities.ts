import type { Batch } from '../batch.js';
import { conjugateGradient } from '../conjugate-gradient.js';
import type { ConjugateGradientResult } from '../conjugate-gradient.js';
import type { FisherOptions } from '../fisher-operator.js';
import type { Method } from '../method.js';
import { NaturalPolicyGradient } from '../natural-policy-gradient.js';
import { Policy } from '../policy.js';
import { TRPO } from '../trpo.js';
import { VanillaPolicyGradient } from '../vanilla-policy-gradient.js';
import type { CandidateAnswers, PolicyCase, TrpoAnswers } from './cases.js';
import { Comparisons, maybeArray, norm, tolerances } from './comparison.js';
import type { CaseReport } from './comparison.js';
import { checkObjectives } from './objective-quantities.js';
import { ReferenceDrift } from './reference-drift.js';
import type { Solve } from './reference-drift.js';

/**
 * Computes every quantity of a case with the library and compares it with the reference.
 *
 * @param backend - Name of the backend, `undefined` for the default.
 */
export async function checkPolicyCase(
  reference: PolicyCase,
  backend: string | undefined,
): Promise<CaseReport> {
  const { policy, batch } = makeProblem(reference, backend);
  const comparisons = new Comparisons(reference.name);
  try {
    const checker = new PolicyChecker(reference, policy, batch, comparisons);
    checker.checkDistributions();
    checker.checkFisher();
    checker.checkOther();
    await checker.checkEuclideanStepSize();
    const { damping } = reference;
    if (damping === undefined) {
      comparisons.skip('damping', 'conjugateGradient', 'exactSolution');
      comparisons.skip('naturalGradientStepSize', 'trpo');
    } else {
      await checkSolves(checker, reference, damping);
    }
  } finally {
    policy.close();
  }
  return comparisons.report(reference.notCovered);
}

/** What takes (F + damping I) x = g to be solved. */
async function checkSolves(
  checker: PolicyChecker,
  reference: PolicyCase,
  damping: number,
): Promise<void> {
  const { policy, batch } = makeProblem(reference, 'reference');
  const fisher = policy.fisherOperator(batch.observations);
  try {
    const drift = new ReferenceDrift(fisher, policy.gradient(batch), damping);
    checker.checkIterates(damping, drift);
    checker.checkExactSolution(damping);
    await checker.checkNaturalStepSize(damping);
    await checker.checkTrpo(damping, drift);
  } finally {
    fisher.close();
    policy.close();
  }
}

/** A policy at the parameters of the case, and the batch in the precision of its backend. */
function makeProblem(
  reference: PolicyCase,
  backend: string | undefined,
): { policy: Policy; batch: Batch } {
  const { observationSize, hidden, activation, actionSpace } = reference;
  const policy = new Policy({
    observationSize,
    actions: actionSpace,
    hidden,
    activation,
    ...(backend === undefined ? {} : { backend }),
  });
  const floats = policy.precision === 'float64' ? Float64Array : Float32Array;
  policy.setParameters(floats.from(reference.parameters));
  const actions = actionSpace.kind === 'continuous' ? floats : Int32Array;
  const batch = {
    observations: floats.from(reference.observations),
    actions: actions.from(reference.actions),
    advantages: floats.from(reference.advantages),
  };
  return { policy, batch };
}

/** Relative to the width of the distribution: some units in the last place. */
const headErrors = { float64: 1e-15, float32: 1e-6 } as const;
const candidateQuantities = ['surrogate', 'meanKl', 'maxKl'] as const;

/**
 * The error of a KL divergence in units of itself, by the error of the head in units of the
 * distribution's width: KL = d^2 / 2 for a head that moved by d, so an error e of d makes one of
 * e sqrt(2 / KL). A very small step is only known that well.
 */
function klError(kl: number, headError: number): number {
  return headError * Math.sqrt(2 / kl);
}

/** What a quantity is in terms of a solve that it rests on; see {@link ReferenceDrift.allowance}. */
interface SolvedQuantity {
  readonly drift: ReferenceDrift;
  readonly iterations: number;
  readonly read: (solve: Solve) => ArrayLike<number>;
  readonly scale?: number;
}

/** One policy and its case; every method compares some quantities. */
class PolicyChecker {
  readonly policy: Policy;
  readonly #reference: PolicyCase;
  readonly #batch: Batch;
  readonly #comparisons: Comparisons;
  readonly #tolerance: number;
  /** Of Fisher products and what rests on them. */
  readonly #productTolerance: number;
  readonly #gradient: Float64Array;

  constructor(reference: PolicyCase, policy: Policy, batch: Batch, comparisons: Comparisons) {
    this.policy = policy;
    this.#reference = reference;
    this.#batch = batch;
    this.#comparisons = comparisons;
    this.#tolerance = tolerances[policy.precision];
    this.#productTolerance = tolerances[policy.productPrecision];
    this.#gradient = policy.gradient(batch);
  }

  checkDistributions(): void {
    const { head, logProb, entropy, surrogateGradient } = this.#reference;
    const { observations, actions } = this.#batch;
    this.#compare('head', this.policy.forward(observations), head);
    this.#compare('logProb', this.policy.logProbability(observations, actions), logProb);
    this.#compare('entropy', this.policy.entropy(observations), entropy);
    this.#compare('surrogateGradient', this.#gradient, surrogateGradient);
  }

  checkFisher(): void {
    const { fisherDiagonal } = this.#reference;
    const { observations, actions } = this.#batch;
    this.#checkProducts('fisherVectorProduct', {});
    this.#checkProducts('empiricalFisherVectorProduct', { estimator: 'empirical', actions });
    this.#compare('fisherDiagonal', this.policy.fisherDiagonal(observations), fisherDiagonal);
  }

  #checkProducts(
    quantity: 'fisherVectorProduct' | 'empiricalFisherVectorProduct',
    options: FisherOptions,
  ): void {
    const { vectors = [], [quantity]: products } = this.#reference;
    if (products === undefined) {
      this.#comparisons.skip(quantity);
      return;
    }
    const { observations } = this.#batch;
    this.#comparisons.addWorst(
      quantity,
      this.#productTolerance,
      vectors.map((vector, index) => ({
        result: this.policy.fisherVectorProduct(observations, vector, options),
        reference: products[index] ?? [],
      })),
    );
  }

  checkOther(): void {
    const { other } = this.#reference;
    if (other === undefined) {
      this.#comparisons.skip('other');
      return;
    }
    this.#compareCandidates(
      'other',
      [this.policy.evaluate(this.#batch, other.parameters)],
      [other],
    );
    checkObjectives(this.policy, this.#batch, other, this.#comparisons);
  }

  checkIterates(damping: number, drift: ReferenceDrift): void {
    const { conjugateGradient: iterates } = this.#reference;
    if (iterates === undefined) {
      this.#comparisons.skip('conjugateGradient');
      return;
    }
    for (const { iterations, solution, residualNorm } of iterates) {
      const result = this.#solve(damping, iterations);
      this.#compareSolved(`conjugateGradient.${iterations}.solution`, result.solution, solution, {
        drift,
        iterations,
        read: (solve) => solve.solution,
      });
      this.#compareSolved(
        `conjugateGradient.${iterations}.residualNorm`,
        [result.residualNorm],
        maybeArray(residualNorm),
        {
          drift,
          iterations,
          read: (solve) => [solve.residualNorm],
          // The residual at the start: a converged one is made of rounding errors.
          scale: norm(this.#gradient),
        },
      );
    }
  }

  checkExactSolution(damping: number): void {
    const { direction } = this.policy.naturalDirection(this.#batch, {
      damping,
      solver: 'cholesky',
    });
    this.#compareSolved('exactSolution', direction, this.#reference.exactSolution);
  }

  async checkNaturalStepSize(damping: number): Promise<void> {
    await this.#checkStepSize(
      'naturalGradientStepSize',
      (epsilon) =>
        new NaturalPolicyGradient(this.policy, {
          epsilon,
          damping,
          solver: 'cholesky',
          normalizeAdvantages: false,
        }),
    );
  }

  async checkEuclideanStepSize(): Promise<void> {
    await this.#checkStepSize(
      'euclideanStepSize',
      (epsilon) => new VanillaPolicyGradient(this.policy, { epsilon, normalizeAdvantages: false }),
    );
  }

  /** Of a real update, which is then undone. */
  async #checkStepSize(
    quantity: 'naturalGradientStepSize' | 'euclideanStepSize',
    makeMethod: (epsilon: number) => Method,
  ): Promise<void> {
    const { [quantity]: answer } = this.#reference;
    if (answer === undefined) {
      this.#comparisons.skip(quantity);
      return;
    }
    const before = this.#parameters();
    const { stepScale } = await makeMethod(answer.epsilon).update(this.#batch);
    this.policy.setParameters(before);
    const scales = [[stepScale ?? NaN], maybeArray(answer.alpha)] as const;
    if (quantity === 'euclideanStepSize') {
      this.#compare(quantity, ...scales);
    } else {
      this.#compareSolved(quantity, ...scales);
    }
  }

  /** Moves the policy, so it comes last. */
  async checkTrpo(damping: number, drift: ReferenceDrift): Promise<void> {
    const { trpo } = this.#reference;
    if (trpo === undefined) {
      this.#comparisons.skip('trpo');
      return;
    }
    this.#checkCandidates(trpo, damping);
    await this.#checkUpdate(trpo, damping, drift);
  }

  /**
   * KL and surrogate of theta + fraction x full step. The full step is the reference's own where it
   * says enough, so that these numbers do not depend on the solve, which is checked by itself.
   */
  #checkCandidates(trpo: TrpoAnswers, damping: number): void {
    const { candidates = [], cgIterations, maxKl } = trpo;
    const known = this.#reference.conjugateGradient?.find(
      ({ iterations }) => iterations === cgIterations,
    );
    const direction = Float64Array.from(
      known?.solution ?? this.#solve(damping, cgIterations).solution,
    );
    const stepScale = trpo.stepScale ?? this.#dampedStepScale(direction, damping, maxKl);
    const results = candidates.map(({ fraction }) =>
      this.policy.evaluate(
        this.#batch,
        this.#parameters().map(
          (value, index) => value + fraction * stepScale * (direction[index] ?? NaN),
        ),
      ),
    );
    // A direction of our own, by products of a rounded network, is another one.
    const isAnother = known === undefined && this.policy.productPrecision === 'bfloat16x2';
    const tolerance = isAnother ? this.#productTolerance : this.#tolerance;
    this.#compareCandidates('trpo.candidates', results, candidates, tolerance);
  }

  /** The real update, told to do what the reference did. */
  async #checkUpdate(trpo: TrpoAnswers, damping: number, drift: ReferenceDrift): Promise<void> {
    const { maxKl, cgIterations, backtrackCoefficient, candidates = [] } = trpo;
    const before = this.#parameters();
    const update = await new TRPO(this.policy, {
      maxKl,
      damping,
      solver: 'conjugateGradient',
      preconditioner: 'none',
      cgIterations,
      cgTolerance: 0,
      cgProgressTolerance: 0,
      stepLength: 'damped',
      lineSearch: 'backtracking',
      backtrackFactor: backtrackCoefficient,
      ...(candidates.length === 0 ? {} : { maxBacktracks: candidates.length - 1 }),
      acceptRatio: 0,
      normalizeAdvantages: false,
    }).update(this.#batch);

    const { surrogateBefore, stepFraction } = update;
    const stepScale = update.stepScale ?? NaN;
    const scaleOf = ({ curvature }: Solve): number => Math.sqrt((2 * maxKl) / curvature);
    this.#compare('trpo.surrogateBefore', [surrogateBefore], maybeArray(trpo.surrogateBefore));
    this.#compareSolved('trpo.stepScale', [stepScale], maybeArray(trpo.stepScale), {
      drift,
      iterations: cgIterations,
      read: (solve) => [scaleOf(solve)],
    });
    if (trpo.acceptedIndex === undefined) {
      this.#comparisons.skip('trpo.acceptedIndex');
    } else {
      const index = update.accepted ? update.backtracks : -1;
      this.#comparisons.addExact('trpo.acceptedIndex', index, trpo.acceptedIndex);
    }
    this.#compareSolved('trpo.parametersAfter', this.#parameters(), trpo.parametersAfter, {
      drift,
      iterations: cgIterations,
      read: (solve) =>
        before.map(
          (value, index) => value + stepFraction * scaleOf(solve) * (solve.solution[index] ?? NaN),
        ),
    });
  }

  /** x of (F + damping I) x = g after some iterations from zero, with no other stopping rule. */
  #solve(damping: number, iterations: number): ConjugateGradientResult {
    const fisher = this.policy.fisherOperator(this.#batch.observations);
    try {
      return conjugateGradient(fisher, this.#gradient, {
        iterations,
        damping,
        residualTolerance: 0,
      });
    } finally {
      fisher.close();
    }
  }

  /** sqrt(2 maxKl / x'(F + damping I) x) */
  #dampedStepScale(direction: Float64Array, damping: number, maxKl: number): number {
    const product = this.policy.fisherVectorProduct(this.#batch.observations, direction);
    const curvature = direction.reduce(
      (sum, value, index) => sum + value * ((product[index] ?? NaN) + damping * value),
      0,
    );
    return Math.sqrt((2 * maxKl) / curvature);
  }

  #parameters(): Float64Array {
    return this.policy.getParameters(new Float64Array(this.policy.parameterCount));
  }

  #compare(
    quantity: string,
    result: ArrayLike<number>,
    answer: readonly number[] | undefined,
  ): void {
    this.#comparisons.add(quantity, this.#tolerance, result, answer);
  }

  /** Of what rests on Fisher products; `solved`, if the reference may have drifted. */
  #compareSolved(
    quantity: string,
    result: ArrayLike<number>,
    answer: readonly number[] | undefined,
    solved?: SolvedQuantity,
  ): void {
    const tolerance = this.#productTolerance;
    this.#comparisons.add(quantity, tolerance, result, answer, {
      ...(solved?.scale === undefined ? {} : { scale: solved.scale }),
      attainable: () =>
        solved?.drift.allowance(solved.iterations, result, tolerance, solved.read, solved.scale) ??
        0,
    });
  }

  /** Compares evaluations of candidates with their answers: of each quantity the worst. */
  #compareCandidates(
    prefix: string,
    results: readonly CandidateAnswers[],
    answers: readonly CandidateAnswers[],
    tolerance = this.#tolerance,
  ): void {
    for (const quantity of candidateQuantities) {
      const pairs = answers.flatMap((answer, index) => {
        const expected = answer[quantity];
        const attainable = (): number =>
          quantity === 'surrogate'
            ? 0
            : klError(expected ?? NaN, headErrors[this.policy.precision]);
        return expected === undefined
          ? []
          : [{ result: [results[index]?.[quantity] ?? NaN], reference: [expected], attainable }];
      });
      if (pairs.length === 0) {
        this.#comparisons.skip(`${prefix}.${quantity}`);
      } else {
        this.#comparisons.addWorst(`${prefix}.${quantity}`, tolerance, pairs);
      }
    }
  }
}
