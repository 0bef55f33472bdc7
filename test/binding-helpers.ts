import type { NativeAddon, NativePolicyConfig, NativeValueFunctionConfig } from '../lib/native.js';
import native from '../native.cjs';
import type { ResolvedTrpoOptions } from '../lib/trpo.js';
import { numbers } from './helpers.js';

/*
 * For the tests of the seam as lib/native.ts declares it, without the classes of lib/ in between:
 * what the binding itself promises.
 */

export const addon = native.addon as NativeAddon;
export const rows = 32;

const network = {
  observationSize: 4,
  hidden: [8],
  activation: 'tanh',
  seed: 1,
  backend: '',
  threads: 1,
  observationClip: 10,
};
export const gaussian: NativePolicyConfig = {
  ...network,
  memoryBudget: 2 ** 30,
  distribution: 'gaussian',
  actionCounts: [2],
  initialLogStd: 0,
  minLogStd: -Infinity,
  outputGain: 0.01,
};
export const critic: NativeValueFunctionConfig = {
  ...network,
  normalizeObservations: true,
  normalizeTargets: true,
};
export const conjugateGradient = {
  iterations: 10,
  residualTolerance: 0,
  progressTolerance: 0,
  residualResetPeriod: 20,
  reorthogonalize: true,
};
export const lineSearch = {
  kind: 'backtracking' as const,
  maxKl: 0.01,
  maxRowKl: Infinity,
  backtrackFactor: 0.8,
  maxBacktracks: 15,
  acceptRatio: 0.1,
};
/** Options of the method as the constructor of TRPO resolves them. */
export const trpo: ResolvedTrpoOptions = {
  maxKl: 0.01,
  stepLength: 'fisher',
  lineSearch: 'boundary',
  maxRowKl: Infinity,
  backtrackFactor: 0.8,
  maxBacktracks: 15,
  acceptRatio: 0.1,
  klTolerance: 0.01,
  damping: 0.1,
  relativeDamping: 0,
  adaptiveDamping: false,
  fisher: 'exact',
  fisherFraction: 1,
  solver: 'conjugateGradient',
  cgIterations: 10,
  cgTolerance: 0,
  cgProgressTolerance: 0,
  cgReorthogonalize: true,
  preconditioner: 'none',
  warmStart: false,
  normalizeAdvantages: true,
  diagnostics: false,
};
export const makeMethod = () => new addon.Method('TRPO', trpo);
export const fit = { solver: 'adam', epochs: 2, minibatchSize: 8, learningRate: 1e-3 } as const;

export function makeBatch(count = rows) {
  return {
    observations: Float32Array.from(numbers(4 * count, 1)),
    actions: Float32Array.from(numbers(2 * count, 2)),
    advantages: Float32Array.from(numbers(count, 3)),
  };
}

/** Code and message of what `run` throws. */
export function thrownBy(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code}: ${message}`;
  }
  return 'nothing';
}

/** Gives the memory of an array to somebody else, which leaves the array without any. */
export function detach(array: { readonly buffer: ArrayBufferLike }): void {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
}

/** An argument of a wrong type, for JavaScript callers. */
export const wrong = (value: unknown) => value as never;
