import { TrustRegionError } from './errors.js';
import type { FloatArray } from './native.js';

/**
 * How large a rollout's storage is.
 */
export interface RolloutShape {
  /** Time steps, T. */
  readonly steps: number;
  /** Environments, E. */
  readonly environments: number;
  /** O */
  readonly observationSize: number;
  /** A */
  readonly actionLength: number;
  /** Of observations. */
  readonly precision: 'float32' | 'float64';
  /** Of actions: floats for continuous ones. */
  readonly actionType: 'float32' | 'float64' | 'int32';
}

/**
 * Where a rollout lies: plain arrays, time-major, so that the rows of one time step, and of any number
 * of time steps from the start, lie together. On shared memory all threads see the same numbers, and
 * `postMessage` hands it to another thread without a copy.
 */
export interface RolloutStorage extends RolloutShape {
  /** What the policy acted on, [(T + 1) x E x O]; row T is what came after the last step. */
  readonly observations: FloatArray;
  /**
   * The last observation of an episode, [T x E x O], at the step that ended it. Rows of other steps
   * are never written.
   */
  readonly finalObservations: FloatArray;
  /** What it did, [T x E x A]. */
  readonly actions: FloatArray | Int32Array;
  /** [T x E] */
  readonly rewards: Float64Array;
  /** 0 or 1, [T x E]. */
  readonly terminated: Uint8Array;
  /** 0 or 1, [T x E]. */
  readonly truncated: Uint8Array;
}

/** More numbers than this would be more than an array of JavaScript or of the core holds. */
const mostNumbers = 2 ** 31;

/**
 * Checks that a rollout is not too large to be stored.
 *
 * @throws TrustRegionError `ERR_OUT_OF_RANGE`.
 */
export function requireRolloutSize({
  steps,
  environments,
  observationSize,
  actionLength,
}: Pick<RolloutShape, 'steps' | 'environments' | 'observationSize' | 'actionLength'>): void {
  if (steps * environments * Math.max(observationSize, actionLength) > mostNumbers) {
    throw new TrustRegionError(
      'ERR_OUT_OF_RANGE',
      `steps x environments x observationSize must be ` +
        `at most ${mostNumbers}, got ${steps} x ${environments} x ${observationSize}`,
    );
  }
}

const arrayTypes = { float32: Float32Array, float64: Float64Array };

/**
 * Makes a storage full of zeros.
 *
 * @param isShared - Whether several threads are to write to it.
 * @throws TrustRegionError `ERR_OUT_OF_RANGE` if there is no memory for it.
 */
export function makeRolloutStorage(shape: RolloutShape, isShared: boolean): RolloutStorage {
  const { steps, environments, observationSize, actionLength, precision, actionType } = shape;
  const rows = steps * environments;
  const memory = (bytes: number): ArrayBuffer => {
    try {
      // The constructors of arrays take either; their types in TypeScript take one at a time.
      return (isShared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)) as ArrayBuffer;
    } catch (cause) {
      throw new TrustRegionError(
        'ERR_OUT_OF_RANGE',
        `a rollout must fit into memory, but of ${steps} steps of ${environments} environments one ` +
          `array alone takes ${bytes} bytes`,
        { cause },
      );
    }
  };
  const make = (type: RolloutShape['precision'], numbers: number): FloatArray => {
    const Type = arrayTypes[type];
    return new Type(memory(numbers * Type.BYTES_PER_ELEMENT));
  };
  return {
    ...shape,
    observations: make(precision, (rows + environments) * observationSize),
    finalObservations: make(precision, rows * observationSize),
    actions:
      actionType === 'int32'
        ? new Int32Array(memory(4 * rows * actionLength))
        : make(actionType, rows * actionLength),
    rewards: make('float64', rows) as Float64Array,
    terminated: new Uint8Array(memory(rows)),
    truncated: new Uint8Array(memory(rows)),
  };
}
