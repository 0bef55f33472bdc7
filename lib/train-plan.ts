import { estimatorOptionNames, resolveEstimator } from './advantage-estimator.js';
import type { EstimatorOptions, ResolvedEstimator } from './advantage-estimator.js';
import { EnvironmentGroup } from './environment-group.js';
import type { Environment } from './environments/environment.js';
import { TrustRegionError } from './errors.js';
import { resolveFitOptions } from './fit-options.js';
import type { FitOptions, ResolvedFitOptions } from './fit-options.js';
import { Method } from './method.js';
import { methodNames } from './methods.js';
import { openPolicy } from './policy-geometry.js';
import { requireSeed } from './policy-options.js';
import type { Policy } from './policy.js';
import { requireRolloutSize } from './rollout-storage.js';
import type { Schedule } from './schedule.js';
import type { ActionSpace } from './spaces.js';
import { requireEnvironment, requireMatch } from './supervised-environment.js';
import type { TrainProgress } from './train.js';
import { checkTrainState } from './train-state.js';
import type { TrainState } from './train-state.js';
import {
  describe,
  rejectUnknownOptions,
  requireBoolean,
  requireFunction,
  requireInteger,
} from './validate.js';
import { ValueFunction } from './value-function.js';
import { openVector, VectorEnvironment } from './vector-environment.js';
import type { OpenVector } from './vector-environment.js';

/**
 * What {@link train} needs and may be told.
 */
export interface TrainOptions<Actions extends ActionSpace = ActionSpace> extends EstimatorOptions {
  /**
   * The policy to improve.
   */
  readonly policy: Policy<Actions>;
  /**
   * The critic, fitted to the returns after every update and used as the baseline of the
   * advantages. Default: a `ValueFunction` with the policy's `hidden`, `activation`, `backend` and
   * `threads`, closed at the end. `null`: none; every value is then taken as 0.
   */
  readonly valueFunction?: ValueFunction | null;
  /**
   * Where to collect experience: one environment, several of the same task, which take their steps
   * side by side, or a {@link VectorEnvironment}, which can do so on other threads. They are reset at
   * the start, and neither reset nor closed at the end; but a vector environment that fails closes
   * itself.
   */
  readonly environments: Environment | readonly Environment[] | VectorEnvironment;
  /**
   * How to update: a {@link TRPO}, {@link PPO} or any other of the methods, made for `policy`. Default
   * `new TRPO(policy)`.
   */
  readonly method?: Method;
  /**
   * Environment steps to take, over all environments; rounded up to a whole number for each.
   */
  readonly steps: number;
  /**
   * Steps per rollout and so per update, over all environments; a multiple of their number. Default
   * 2048, rounded up to such a multiple. The last rollout takes what is left: from half to one and
   * a half times as many steps, so that no update rests on a handful.
   */
  readonly stepsPerUpdate?: number;
  /**
   * Whether the policy standardises observations by the running mean and variance of those that it
   * was updated on. Default `true`. It learns from a rollout only after the update on that rollout:
   * otherwise the policy would no longer be the one that acted. The critic has its own statistics.
   */
  readonly normalizeObservations?: boolean;
  /**
   * Whether rewards are divided by the running standard deviation of the discounted return before
   * advantages and returns are estimated. Reported returns stay true. Default `false`: advantages are
   * normalised, and so are the critic's targets, so that the unit of rewards matters little.
   */
  readonly scaleRewards?: boolean;
  /**
   * Numbers that change during the run: each goes from what the method, or `valueFit`, has to the value
   * given here, linearly in the environment steps taken before the rollout at hand. The end itself is not
   * reached, so that 0 is allowed: `{ maxKl: 0 }` shrinks the trust region to nothing. Default: none.
   */
  readonly schedule?: Schedule;
  /**
   * How to fit the critic, see `ValueFunction.fit`: by Adam, or by damped Gauss-Newton.
   */
  readonly valueFit?: FitOptions;
  /**
   * Seed of the sampled actions, the environments and the default critic: an integer from 0 to
   * 2^53 - 1. Default 0. The policy's own seed decides its initial parameters.
   */
  readonly seed?: number;
  /**
   * Goes on with a run: the `state` that `onUpdate` was given. Policy, critic and method must be as they
   * were then (`Policy.save`, and `getState` of the others); `steps` counts from the start of the whole
   * run. Environments start anew, with seeds derived from `seed` and the steps so far, so what comes is
   * not bit for bit what would have come, but the same whenever the run goes on from here.
   */
  readonly from?: TrainState;
  /**
   * Ends the run cleanly after the step or update at hand. A rollout not yet used is dropped.
   */
  readonly signal?: AbortSignal;
  /**
   * Called once for every update, in order, and awaited: when the critic is fitted and the next rollout
   * is collected, before it is used. The policy is still what that update made of it. What it throws
   * ends the run and reaches the caller.
   */
  readonly onUpdate?: (progress: TrainProgress) => void | Promise<void>;
}

const optionNames: readonly (keyof TrainOptions)[] = [
  'policy',
  'valueFunction',
  'environments',
  'method',
  'steps',
  'stepsPerUpdate',
  ...estimatorOptionNames,
  'normalizeObservations',
  'scaleRewards',
  'schedule',
  'valueFit',
  'seed',
  'from',
  'signal',
  'onUpdate',
];

/**
 * The environments of a run.
 */
export interface TrainEnvironments {
  readonly count: number;
  /**
   * Takes them for the run.
   *
   * @throws TrustRegionError `ERR_CLOSED` or `ERR_BUSY`.
   */
  readonly open: () => OpenVector;
}

/**
 * The plain options of a run, checked, with their defaults.
 */
export interface TrainPlan {
  readonly environments: TrainEnvironments;
  readonly totalSteps: number;
  readonly stepsPerUpdate: number;
  readonly estimator: ResolvedEstimator;
  readonly normalizeObservations: boolean;
  readonly scaleRewards: boolean;
  readonly valueFit: ResolvedFitOptions;
  readonly seed: number;
  readonly from: TrainState | undefined;
}

/**
 * Checks the options of a run and fills in the defaults.
 *
 * @throws TrustRegionError As {@link train}, before it starts.
 */
export function planTraining<Actions extends ActionSpace>(
  options: TrainOptions<Actions>,
): TrainPlan {
  rejectUnknownOptions(options, optionNames, 'train options');
  checkObjects(options);
  const environments = checkEnvironments(options);
  const { count } = environments;
  const stepsPerUpdate = requireInteger(
    options.stepsPerUpdate ?? Math.ceil(2048 / count) * count,
    'stepsPerUpdate',
    { min: 1 },
  );
  if (stepsPerUpdate % count !== 0) {
    throw new TrustRegionError(
      'ERR_OUT_OF_RANGE',
      `stepsPerUpdate must be a multiple of the ${count} environments, got ${stepsPerUpdate}`,
    );
  }
  const plan: TrainPlan = {
    environments,
    totalSteps: Math.ceil(requireInteger(options.steps, 'steps', { min: 1 }) / count) * count,
    stepsPerUpdate,
    estimator: resolveEstimator(options),
    normalizeObservations: requireBoolean(
      options.normalizeObservations ?? true,
      'normalizeObservations',
    ),
    scaleRewards: requireBoolean(options.scaleRewards ?? false, 'scaleRewards'),
    valueFit: resolveFitOptions(options.valueFit ?? {}),
    seed: requireSeed(options.seed ?? 0),
    from: options.from === undefined ? undefined : checkTrainState(options.from, count),
  };
  const { observationSize, actionLength } = options.policy;
  requireRolloutSize({
    steps: longestRollout(plan, plan.from?.steps ?? 0) / count,
    environments: count,
    observationSize,
    actionLength,
  });
  return plan;
}

function checkObjects<Actions extends ActionSpace>({
  policy,
  valueFunction,
  method,
  signal,
  onUpdate,
}: TrainOptions<Actions>): void {
  openPolicy(policy);
  if (valueFunction !== undefined && valueFunction !== null) {
    checkCritic(valueFunction, policy.observationSize);
  }
  if (method !== undefined) {
    checkMethod(method, policy);
  }
  if (signal !== undefined) {
    requireBoolean(signal?.aborted, 'signal.aborted');
  }
  if (onUpdate !== undefined) {
    requireFunction(onUpdate, 'onUpdate');
  }
}

function checkMethod<Actions extends ActionSpace>(method: Method, policy: Policy<Actions>): void {
  if (!(method instanceof Method) || method.policy !== policy) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `method must be one of ${methodNames.join(', ')} made for the policy to be trained, got ` +
        (method instanceof Method ? `a ${method.name} of another policy` : describe(method)),
    );
  }
}

function checkCritic(valueFunction: ValueFunction, observationSize: number): void {
  if (!(valueFunction instanceof ValueFunction)) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `valueFunction must be a ValueFunction or null, got ${describe(valueFunction)}`,
    );
  }
  if (valueFunction.observationSize !== observationSize) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `valueFunction must have the policy's observationSize ${observationSize}, got ` +
        `${valueFunction.observationSize}`,
    );
  }
}

function checkEnvironments<Actions extends ActionSpace>({
  policy,
  environments,
}: TrainOptions<Actions>): TrainEnvironments {
  if (environments instanceof VectorEnvironment) {
    requireMatch(policy, environments, 'environments');
    return { count: environments.environments, open: () => openVector(environments) };
  }
  const list: readonly Environment[] = isList(environments) ? environments : [environments];
  if (list.length === 0) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      'environments must be an environment or several, got an empty array',
    );
  }
  list.forEach((environment, index) => {
    requireEnvironment(environment, `environment ${index}`);
    requireMatch(policy, environment, `environment ${index}`);
    const first = list.indexOf(environment);
    if (first !== index) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `environments must be different objects, but number ${index} is number ${first}`,
      );
    }
  });
  const open = (): OpenVector => ({
    lockstep: new EnvironmentGroup(list),
    isShared: false,
    release: () => undefined,
  });
  return { count: list.length, open };
}

/** `Array.isArray` does not tell a readonly array from another object. */
function isList(value: Environment | readonly Environment[]): value is readonly Environment[] {
  return Array.isArray(value);
}

/**
 * Steps of the next rollout over all environments, after `taken` steps; see
 * {@link TrainOptions.stepsPerUpdate}.
 */
export function rolloutSteps({ totalSteps, stepsPerUpdate }: TrainPlan, taken: number): number {
  const left = totalSteps - taken;
  return left < 1.5 * stepsPerUpdate ? left : stepsPerUpdate;
}

/**
 * Steps of the longest rollout to come after `taken` steps, over all environments.
 */
export function longestRollout({ totalSteps, stepsPerUpdate }: TrainPlan, taken: number): number {
  const left = totalSteps - taken;
  const fullRollouts = Math.max(Math.floor(left / stepsPerUpdate - 0.5), 0);
  const last = left - fullRollouts * stepsPerUpdate;
  return fullRollouts === 0 ? last : Math.max(stepsPerUpdate, last);
}
