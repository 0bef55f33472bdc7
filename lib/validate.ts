import { TrustRegionError } from './errors.js';

/*
 * Checks of what callers pass in. Each returns the checked value with its type narrowed, or throws
 * a TrustRegionError whose sentence reads "<name> must be <expected>, got <received>".
 */

/**
 * Bounds of a number. Ends named `min` and `max` are allowed values, exclusive ones are not.
 */
export interface NumberBounds {
  readonly min?: number;
  readonly max?: number;
  readonly exclusiveMin?: number;
  readonly exclusiveMax?: number;
}

const longestText = 40;

/**
 * What a value is, for the end of an error sentence: `-1`, `the string "0.1"`,
 * `a Float32Array of length 3`, `undefined`.
 */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string': {
      const text = value.length > longestText ? `${value.slice(0, longestText)}...` : value;
      return `the string ${JSON.stringify(text)}`;
    }
    case 'bigint':
      return `the bigint ${value}n`;
    case 'symbol':
      return 'a symbol';
    case 'function':
      return 'a function';
    case 'object':
      return value === null ? 'null' : describeObject(value);
    default:
      return Object.is(value, -0) ? '-0' : String(value);
  }
}

/**
 * The sentence of an error, or of whatever else was thrown; errors may come from another realm.
 */
export function messageOf(error: unknown): string {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return typeof message === 'string' ? message : describe(error);
}

function describeObject(value: object): string {
  // Not the constructor and not instanceof: both differ between realms (vm contexts, test runners).
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  const kind = tag === 'Object' ? 'object' : tag === 'Array' ? 'array' : tag;
  const article = /^[aeio]/i.test(kind) ? 'an' : 'a';
  return isArrayLike(value) ? `${article} ${kind} of length ${value.length}` : `${article} ${kind}`;
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const { length } = value as { readonly length?: unknown };
  return typeof length === 'number' && Number.isInteger(length) && length >= 0;
}

function fail(
  code: 'ERR_INVALID_ARGUMENT' | 'ERR_OUT_OF_RANGE' | 'ERR_NOT_FINITE' | 'ERR_SHAPE_MISMATCH',
  name: string,
  expected: string,
  received: string,
): never {
  throw new TrustRegionError(code, `${name} must be ${expected}, got ${received}`);
}

/**
 * Checks that `value` is a finite number within `bounds`.
 *
 * @returns The value.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (not a number), `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 * @example
 * ```ts
 * try {
 *   requireNumber(-1, 'maxKl', { exclusiveMin: 0 });
 * } catch (error) {
 *   console.assert(String(error).endsWith('maxKl must be a number greater than 0, got -1'));
 * }
 * ```
 */
export function requireNumber(value: unknown, name: string, bounds: NumberBounds = {}): number {
  if (typeof value === 'number' && Number.isFinite(value) && isWithin(value, bounds)) {
    return value; // no text is made for a good value: this runs at every step of an environment
  }
  const expected = `a number${boundsText(bounds)}`;
  if (typeof value !== 'number') {
    fail('ERR_INVALID_ARGUMENT', name, expected, describe(value));
  }
  if (!Number.isFinite(value)) {
    fail('ERR_NOT_FINITE', name, expected.replace('a number', 'a finite number'), describe(value));
  }
  fail('ERR_OUT_OF_RANGE', name, expected, describe(value));
}

/**
 * As {@link requireNumber} for a number greater than 0, but `Infinity` is allowed: no limit.
 */
export function requireLimit(value: unknown, name: string): number {
  return value === Infinity ? value : requireNumber(value, name, { exclusiveMin: 0 });
}

/**
 * Checks that `value` is an integer which a double holds exactly, from `min` to `max`.
 *
 * @returns The value.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (not a number), `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE` (a fraction, too large, or outside the bounds).
 */
export function requireInteger(
  value: unknown,
  name: string,
  bounds: { readonly min?: number; readonly max?: number } = {},
): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && isWithin(value, bounds)) {
    return value;
  }
  const expected = `an integer${boundsText(bounds)}`;
  if (typeof value !== 'number') {
    fail('ERR_INVALID_ARGUMENT', name, expected, describe(value));
  }
  fail(
    Number.isFinite(value) ? 'ERR_OUT_OF_RANGE' : 'ERR_NOT_FINITE',
    name,
    expected,
    describe(value),
  );
}

function isWithin(value: number, bounds: NumberBounds): boolean {
  return (
    value >= (bounds.min ?? -Infinity) &&
    value <= (bounds.max ?? Infinity) &&
    (bounds.exclusiveMin === undefined || value > bounds.exclusiveMin) &&
    (bounds.exclusiveMax === undefined || value < bounds.exclusiveMax)
  );
}

function boundsText({ min, max, exclusiveMin, exclusiveMax }: NumberBounds): string {
  if (min !== undefined && max !== undefined) {
    return ` from ${min} to ${max}`;
  }
  const low =
    exclusiveMin !== undefined
      ? `greater than ${exclusiveMin}`
      : min !== undefined
        ? `of at least ${min}`
        : '';
  const high =
    exclusiveMax !== undefined
      ? `less than ${exclusiveMax}`
      : max !== undefined
        ? `of at most ${max}`
        : '';
  const text = [low, high].filter((part) => part !== '').join(' and ');
  return text === '' ? '' : ` ${text}`;
}

/**
 * Checks that `value` is `true` or `false`.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`.
 */
export function requireBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') {
    fail('ERR_INVALID_ARGUMENT', name, 'true or false', describe(value));
  }
  return value;
}

/**
 * Checks that `value` is a string with at least one character.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`.
 */
export function requireString(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') {
    fail('ERR_INVALID_ARGUMENT', name, 'a string that is not empty', describe(value));
  }
  return value;
}

/**
 * Checks that `value` is a function. Its parameters and result cannot be checked here, so pass the
 * argument's own type through: the caller keeps the typed reference.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`.
 */
export function requireFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') {
    fail('ERR_INVALID_ARGUMENT', name, 'a function', describe(value));
  }
}

/**
 * Checks that `value` is one of a few strings.
 *
 * @returns The value, narrowed to the union of `allowed`.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (not a string) or `ERR_UNKNOWN_OPTION`, which
 *   offers the nearest allowed string.
 */
export function requireOneOf<Name extends string>(
  value: unknown,
  name: string,
  allowed: readonly Name[],
): Name {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) {
    return found;
  }
  const list = allowed.map((candidate) => `'${candidate}'`).join(', ');
  const sentence = `${name} must be one of ${list}, got ${describe(value)}`;
  if (typeof value !== 'string') {
    throw new TrustRegionError('ERR_INVALID_ARGUMENT', sentence);
  }
  const nearest = nearestName(value, allowed);
  throw new TrustRegionError(
    'ERR_UNKNOWN_OPTION',
    nearest === undefined ? sentence : `${sentence}; did you mean '${nearest}'?`,
  );
}

/**
 * Checks that `array` is a typed array, an array, or something else with a length, and has `length`
 * elements.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (no array) or `ERR_SHAPE_MISMATCH`.
 */
export function requireLength(array: unknown, length: number, name: string): void {
  if (!isArrayLike(array) || array.length !== length) {
    const code = isArrayLike(array) ? 'ERR_SHAPE_MISMATCH' : 'ERR_INVALID_ARGUMENT';
    fail(code, name, `an array of length ${length}`, describe(array));
  }
}

/**
 * Checks that every element of `array` is a finite number.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (no array, or an element that is not a number) or
 *   `ERR_NOT_FINITE`, naming the first bad index.
 */
export function requireFinite(array: unknown, name: string): void {
  if (!isArrayLike(array)) {
    fail('ERR_INVALID_ARGUMENT', name, 'an array of numbers', describe(array));
  }
  for (let index = 0; index < array.length; index += 1) {
    const element = array[index];
    if (!Number.isFinite(element)) {
      const code = typeof element === 'number' ? 'ERR_NOT_FINITE' : 'ERR_INVALID_ARGUMENT';
      fail(code, `${name}[${index}]`, 'a finite number', describe(element));
    }
  }
}

/**
 * Checks that `options` is an object and has no key besides `known`: a misspelt option would
 * otherwise silently leave its default in force.
 *
 * @param where - Whose options, for the message: `'TRPO options'`.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (no plain object) or `ERR_UNKNOWN_OPTION`, which
 *   offers the nearest known option.
 * @example
 * ```ts
 * try {
 *   rejectUnknownOptions({ maxKL: 1 }, ['maxKl', 'damping'], 'TRPO options');
 * } catch (error) {
 *   console.assert(String(error).endsWith(
 *     "unknown option 'maxKL' in TRPO options; did you mean 'maxKl'?"));
 * }
 * ```
 */
export function rejectUnknownOptions(
  options: object,
  known: readonly string[],
  where: string,
): void {
  if (typeof options !== 'object' || options === null || isArrayLike(options)) {
    fail('ERR_INVALID_ARGUMENT', where, 'an object', describe(options));
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      const nearest = nearestName(key, known);
      const hint =
        nearest === undefined
          ? `known are ${known.map((name) => `'${name}'`).join(', ')}`
          : `did you mean '${nearest}'?`;
      throw new TrustRegionError(
        'ERR_UNKNOWN_OPTION',
        `unknown option '${key}' in ${where}; ${hint}`,
      );
    }
  }
}

/**
 * Checks an option that is `true`, `false` or an object of further options.
 *
 * @param known - What that object may have.
 * @returns `false`, or the object: an empty one for `true`.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` or `ERR_UNKNOWN_OPTION`.
 */
export function requireSwitch<Options extends object>(
  value: boolean | Options,
  name: string,
  known: readonly string[],
): false | Partial<Options> {
  if (typeof value === 'boolean') {
    return value && {};
  }
  if (typeof value !== 'object' || value === null || isArrayLike(value)) {
    fail('ERR_INVALID_ARGUMENT', name, 'true, false or an object', describe(value));
  }
  rejectUnknownOptions(value, known, name);
  return value;
}

/**
 * Checks that options without a meaning beside some other choice were not given, so that nobody
 * takes them for being in force. `undefined` counts as not given.
 *
 * @param choice - What makes them meaningless, for the message: `"estimator 'nStep'"`.
 * @param nameOf - What the message calls an option. Default its own name.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, naming the first of them.
 * @example
 * ```ts
 * try {
 *   rejectUnusedOptions({ lambda: 1 }, ['lambda'], "estimator 'nStep'");
 * } catch (error) {
 *   console.assert(String(error).endsWith("lambda must be left out with estimator 'nStep', got 1"));
 * }
 * ```
 */
export function rejectUnusedOptions<Options extends object>(
  options: Options,
  unused: readonly (keyof Options & string)[],
  choice: string,
  nameOf: (option: string) => string = (option) => option,
): void {
  for (const name of unused) {
    if (options[name] !== undefined) {
      fail(
        'ERR_INVALID_ARGUMENT',
        nameOf(name),
        `left out with ${choice}`,
        describe(options[name]),
      );
    }
  }
}

/**
 * The known name that `word` was probably meant to be: the one at the smallest edit distance, if
 * that is at most 40 % of the longer of the two, upper and lower case taken as equal.
 *
 * @returns The nearest known name, or `undefined` if none is near.
 */
export function nearestName(word: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let smallest = Infinity;
  for (const name of known) {
    const distance = editDistance(word.toLowerCase(), name.toLowerCase());
    if (distance < smallest && distance <= 0.4 * Math.max(word.length, name.length)) {
      smallest = distance;
      nearest = name;
    }
  }
  return nearest;
}

/**
 * Levenshtein distance: fewest insertions, deletions and replacements of one character, by the
 * dynamic programme of Wagner and Fischer (1974), one row at a time.
 */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 0; i < from.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j += 1) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
