import { TrustRegionError } from '../errors.js';
import {
  describe,
  requireFinite,
  requireInteger,
  requireLength,
  requireNumber,
  requireOneOf,
} from '../validate.js';
import type { NumberBounds } from '../validate.js';

/**
 * Reads the fields of a JSON object with a clear sentence for each one that is missing or wrong,
 * and remembers which were asked for.
 */
export class JsonReader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #where: string;
  readonly #asked = new Set<string>();

  /**
   * @param value - The object.
   * @param where - What messages call it: a file, or a place in one.
   * @throws TrustRegionError `ERR_INVALID_ARGUMENT` if it is no object.
   */
  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${where} must be an object, got ${describe(value)}`,
      );
    }
    this.#fields = value as Record<string, unknown>;
    this.#where = where;
  }

  /** The names of the fields that nobody asked for. */
  get unread(): readonly string[] {
    return Object.keys(this.#fields).filter((name) => !this.#asked.has(name));
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined;
  }

  isNull(name: string): boolean {
    return this.#read(name) === null;
  }

  number(name: string, bounds: NumberBounds = {}): number {
    return requireNumber(this.#read(name), this.#label(name), bounds);
  }

  integer(name: string, min: number): number {
    return requireInteger(this.#read(name), this.#label(name), { min });
  }

  oneOf<Name extends string>(name: string, allowed: readonly Name[]): Name {
    return requireOneOf(this.#read(name), this.#label(name), allowed);
  }

  text(name: string): string {
    const value = this.#read(name);
    if (typeof value !== 'string') {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${this.#label(name)} must be text, got ${describe(value)}`,
      );
    }
    return value;
  }

  numbers(name: string, length?: number): readonly number[] {
    return finiteNumbers(this.#read(name), this.#label(name), length);
  }

  integers(name: string, min: number, length?: number): readonly number[] {
    const values = this.numbers(name, length);
    values.forEach((value, index) =>
      requireInteger(value, `${this.#label(name)}[${index}]`, { min }),
    );
    return values;
  }

  /** Several arrays of numbers. */
  vectors(name: string, length: number): readonly (readonly number[])[] {
    return this.#array(name).map((value, index) =>
      finiteNumbers(value, `${this.#label(name)}[${index}]`, length),
    );
  }

  object(name: string): JsonReader {
    return new JsonReader(this.#read(name), this.#label(name));
  }

  /** Several objects. */
  objects(name: string): readonly JsonReader[] {
    return this.#array(name).map(
      (value, index) => new JsonReader(value, `${this.#label(name)}[${index}]`),
    );
  }

  /** The objects under the fields of an object, by name. */
  entries(name: string): readonly (readonly [string, JsonReader])[] {
    const reader = this.object(name);
    return reader.unread.map((key) => [key, reader.object(key)]);
  }

  /** What `read` makes of a field, or `undefined` if there is no such field. */
  optional<Value>(name: string, read: (name: string) => Value): Value | undefined {
    return this.has(name) ? read(name) : undefined;
  }

  #array(name: string): readonly unknown[] {
    const value = this.#read(name);
    if (!Array.isArray(value)) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${this.#label(name)} must be an array, got ${describe(value)}`,
      );
    }
    return value;
  }

  #read(name: string): unknown {
    this.#asked.add(name);
    return this.#fields[name];
  }

  #label(name: string): string {
    return `${this.#where}: ${name}`;
  }
}

function finiteNumbers(value: unknown, name: string, length?: number): readonly number[] {
  requireFinite(value, name);
  if (length !== undefined) {
    requireLength(value, length, name);
  }
  return value as readonly number[];
}
