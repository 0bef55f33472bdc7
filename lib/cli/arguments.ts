import { parseArgs } from 'node:util';
import { TrustRegionError } from '../errors.js';
import type { ErrorCode } from '../errors.js';
import type { NumberBounds } from '../validate.js';
import {
  nearestName,
  requireInteger,
  requireLimit,
  requireNumber,
  requireOneOf,
  requireString,
} from '../validate.js';

/**
 * The command line itself is wrong: exit code 2.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Runs what only checks and prepares what the command line asks for: a bad value found there is a
 * {@link UsageError}. A missing package or a file system that refuses is not.
 */
export async function blamingUsage<Result>(prepare: () => Promise<Result>): Promise<Result> {
  try {
    return await prepare();
  } catch (error) {
    if (error instanceof TrustRegionError && usageCodes.has(error.code)) {
      throw new UsageError(error.message, { cause: error });
    }
    throw error;
  }
}

const usageCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_INVALID_ARGUMENT',
  'ERR_OUT_OF_RANGE',
  'ERR_NOT_FINITE',
  'ERR_UNKNOWN_OPTION',
  'ERR_BACKEND',
]);

/**
 * One option of a command. A command keeps its options in an object whose keys are their names in
 * camel case; on the command line they are written in kebab case, and camel case works as well.
 */
export interface Option<Value> {
  /** What stands for the value in the help, `null` for an option without one. */
  readonly placeholder: string | null;
  /** Whether `--no-<name>` sets it to `false`. */
  readonly negatable?: boolean;
  readonly help: string;
  /** Reads the value, or throws; `name` is what messages call the option. */
  readonly parse: (text: string, name: string) => Value;
}

/** The values of those options that were given. */
export type OptionValues<Options> = {
  readonly [Name in keyof Options]?: Options[Name] extends Option<infer Value> ? Value : never;
};

/** An integer within bounds. */
export function integer(
  help: string,
  bounds: { readonly min?: number; readonly max?: number },
): Option<number> {
  return {
    placeholder: 'N',
    help,
    parse: (text, name) => requireInteger(toNumber(text), name, bounds),
  };
}

/** A number within bounds. */
export function number(help: string, bounds: NumberBounds): Option<number> {
  return {
    placeholder: 'X',
    help,
    parse: (text, name) => requireNumber(toNumber(text), name, bounds),
  };
}

/** A number greater than 0, or Infinity. */
export function limit(help: string): Option<number> {
  return { placeholder: 'X', help, parse: (text, name) => requireLimit(toNumber(text), name) };
}

/** Integers from 1 separated by commas; the empty string for none. */
export function integers(help: string): Option<number[]> {
  return {
    placeholder: 'N,N',
    help,
    parse: (text, name) =>
      text === ''
        ? []
        : text
            .split(',')
            .map((part, index) =>
              requireInteger(toNumber(part), `number ${index + 1} of ${name}`, { min: 1 }),
            ),
  };
}

/** Numbers by name, `NAME:X,NAME:X`; `none` for no number. */
export function numbersByName(help: string): Option<Readonly<Record<string, number>>> {
  return {
    placeholder: 'NAME:X,...',
    help,
    parse: (text, name) =>
      text === 'none'
        ? {}
        : Object.fromEntries(
            text.split(',').map((part) => {
              const [, key, value] = /^\s*([A-Za-z]+):(.*)$/s.exec(part) ?? [];
              if (key === undefined || value === undefined) {
                throw new UsageError(`${name} must be NAME:X,NAME:X,... or none, got '${text}'`);
              }
              return [key, requireNumber(toNumber(value), `${key} of ${name}`)];
            }),
          ),
  };
}

/** Such numbers as they are written on the command line. */
export function namedNumbersText(numbers: Readonly<Record<string, number>>): string {
  const parts = Object.entries(numbers).map(([name, value]) => `${name}:${value}`);
  return parts.length === 0 ? 'none' : parts.join(',');
}

/** Any text that is not empty. */
export function text(help: string, placeholder: string): Option<string> {
  return { placeholder, help, parse: requireString };
}

/** One of a few words; the help shows them all unless it is given something shorter. */
export function oneOf<Name extends string>(
  help: string,
  names: readonly Name[],
  placeholder = names.join('|'),
): Option<Name> {
  return {
    placeholder,
    help,
    parse: (text, name) => requireOneOf(text, name, names),
  };
}

/** An option that is simply there or not. */
export function flag(help: string): Option<boolean> {
  return { placeholder: null, help, parse: () => true };
}

/** An option that is on by default: `--no-<name>` turns it off. */
export function onByDefault(help: string): Option<boolean> {
  return { placeholder: null, negatable: true, help, parse: () => true };
}

/** The text itself where it is no number, for the message about it. */
function toNumber(text: string): number | string {
  const value = text.trim() === '' ? NaN : Number(text);
  return Number.isNaN(value) && text !== 'NaN' ? text : value;
}

type OptionTable = Readonly<Record<string, Option<unknown>>>;

/**
 * Reads the arguments of a command.
 *
 * @param arguments_ - What follows the name of the command.
 * @param options - The options it knows.
 * @returns The options given and the arguments that are no options.
 * @throws UsageError An unknown option (the nearest known one is offered), a value that is missing,
 *   superfluous or out of range.
 */
export function parseArguments<Options extends OptionTable>(
  arguments_: readonly string[],
  options: Options,
): { readonly values: OptionValues<Options>; readonly positionals: readonly string[] } {
  const table = namesOf(options);
  const { tokens } = parseArgs({
    args: withKebabNames(arguments_, table),
    options: Object.fromEntries(
      [...table].map(([name, { option }]) => [
        name,
        { type: option.placeholder === null ? 'boolean' : 'string' } as const,
      ]),
    ),
    strict: false, // so that the messages are our own
    allowPositionals: true,
    tokens: true,
  });

  const values: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      positionals.push(token.value);
    } else if (token.kind === 'option') {
      const entry = table.get(token.name);
      if (entry === undefined || !token.rawName.startsWith('--')) {
        throw new UsageError(unknownOption(token.rawName, [...table.keys()]));
      }
      const { key, option, negated } = entry;
      values[key] =
        negated || option.placeholder === null
          ? readFlag(token, !negated)
          : readValue(token, option);
    }
  }
  return { values: values as OptionValues<Options>, positionals };
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readFlag({ rawName, value }: OptionToken, set: boolean): boolean {
  if (value !== undefined) {
    throw new UsageError(`option ${rawName} takes no value, got '${value}'`);
  }
  return set;
}

function readValue({ rawName, value, inlineValue }: OptionToken, option: Option<unknown>): unknown {
  // The next word is an option, not the value; but -1 is a number.
  if (value === undefined || (inlineValue === false && value.startsWith('--'))) {
    throw new UsageError(
      `option ${rawName} needs a value: ${rawName} ${String(option.placeholder)}`,
    );
  }
  try {
    return option.parse(value, rawName);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function unknownOption(rawName: string, known: readonly string[]): string {
  const nearest = nearestName(rawName.replace(/^-+/, ''), known);
  return nearest === undefined
    ? `unknown option ${rawName}`
    : `unknown option ${rawName}; did you mean --${nearest}?`;
}

interface NamedOption {
  readonly key: string;
  readonly option: Option<unknown>;
  readonly negated: boolean;
}

/** Every name on the command line, without the dashes. */
function namesOf(options: OptionTable): Map<string, NamedOption> {
  const names = new Map<string, NamedOption>();
  for (const [key, option] of Object.entries(options)) {
    names.set(kebabCase(key), { key, option, negated: false });
    if (option.negatable === true) {
      names.set(`no-${kebabCase(key)}`, { key, option, negated: true });
    }
  }
  return names;
}

function withKebabNames(
  arguments_: readonly string[],
  known: ReadonlyMap<string, unknown>,
): string[] {
  const end = arguments_.indexOf('--');
  return arguments_.map((argument, index) => {
    const [, name = '', rest = ''] = /^--([^=]+)(.*)$/s.exec(argument) ?? [];
    const kebab = kebabCase(name);
    return known.has(kebab) && (end < 0 || index < end) ? `--${kebab}${rest}` : argument;
  });
}

/** `maxKl` as `max-kl`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Lines of the help about some options, their descriptions aligned. */
export function optionsHelp(options: OptionTable): string {
  const rows = Object.entries(options).map(([key, { placeholder, negatable, help }]) => {
    const name = `--${negatable === true ? 'no-' : ''}${kebabCase(key)}`;
    return [placeholder === null ? name : `${name} ${placeholder}`, help] as const;
  });
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`).join('\n');
}

/** The given ones of some values. */
export function pick<Values extends object, Name extends keyof Values>(
  values: Values,
  names: readonly Name[],
): Pick<Values, Name> {
  return Object.fromEntries(
    names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]),
  ) as Pick<Values, Name>;
}
