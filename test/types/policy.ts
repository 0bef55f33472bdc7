/*
 * Types that must hold; this file is compiled, not run. A line below `@ts-expect-error` must not
 * compile.
 */
import { Policy, PPO, RolloutBuffer, TRPO, train, VanillaPolicyGradient } from '../../lib/index.js';
import type { ActionSpace, Batch, Environment, Method, UpdateSummary } from '../../lib/index.js';

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function expectType<Expected>() {
  return <Found>(_value: Found, ..._same: Equal<Found, Expected> extends true ? [] : [never]) => {};
}

// The space of actions decides the array of actions.
const gaussian = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
const choice = new Policy({ observationSize: 1, actions: { kind: 'discrete', count: 2 } });
const bits = new Policy({ observationSize: 1, actions: { kind: 'binary', size: 2 } });
expectType<Float32Array>()(gaussian.act([0]));
expectType<Int32Array>()(choice.act([0]));
expectType<Int32Array>()(bits.act([0]));
expectType<'discrete'>()(choice.options.actions.kind);
gaussian.act([0], { out: new Float32Array(1) });
choice.act(new Float32Array(1), { out: new Int32Array(1), deterministic: true });
// @ts-expect-error: continuous actions go to a Float32Array
gaussian.act([0], { out: new Int32Array(1) });
// @ts-expect-error: choices go to an Int32Array
choice.act([0], { out: new Float32Array(1) });
// @ts-expect-error: misspelt
choice.act([0], { determinstic: true });

// Of an unknown space, the array is one of the two.
declare const environment: Environment;
const any = new Policy({ observationSize: 1, actions: environment.actionSpace });
expectType<Float32Array | Int32Array>()(any.act([0]));
expectType<Promise<Policy<ActionSpace>>>()(Policy.load('policy.safetensors'));

// Every policy is a Policy.
const list: Policy[] = [gaussian, choice, bits, any];
new TRPO(list[0] ?? any, { maxKl: 0.02 });

// Options.
// @ts-expect-error: no such kind
new Policy({ observationSize: 1, actions: { kind: 'continous', size: 1 } });
// @ts-expect-error: a discrete space has a count
new Policy({ observationSize: 1, actions: { kind: 'discrete', size: 1 } });
// @ts-expect-error: no such activation
new Policy({ observationSize: 1, actions: { kind: 'binary', size: 1 }, activation: 'gelu' });
// @ts-expect-error: no actions
new Policy({ observationSize: 1 });
// @ts-expect-error: misspelt
new TRPO(gaussian, { maxKL: 0.01 });
// @ts-expect-error: read-only
gaussian.options.seed = 2;

// Parameters go to the array that is given.
expectType<Float32Array>()(gaussian.getParameters());
expectType<Float64Array<ArrayBuffer>>()(gaussian.getParameters(new Float64Array(1)));

// From rollouts to an update.
const rollouts = new RolloutBuffer({ policy: choice, steps: 8 });
const batch: Batch = rollouts.finish({ gamma: 0.99 });
expectType<Promise<UpdateSummary>>()(new TRPO(choice).update(batch));
void train({ policy: choice, environments: environment, steps: 1 });

// Methods: one shape, each with its own options.
const methods: Method[] = [new TRPO(gaussian), new PPO(choice), new VanillaPolicyGradient(any)];
expectType<Promise<UpdateSummary>>()((methods[0] ?? new PPO(bits)).update(batch));
expectType<number>()(new TRPO(choice).options.maxKl);
expectType<number | undefined>()(new PPO(choice).options.clipRange);
expectType<'PPO'>()(new PPO(choice).name);
void train({ policy: choice, environments: environment, steps: 1, method: new PPO(choice) });
// @ts-expect-error: an option of another method
new PPO(choice, { damping: 0.1 });
// @ts-expect-error: read-only
new TRPO(choice).options.maxKl = 1;
