import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TrustRegionError } from '../errors.js';
import type { ActionSpace } from '../spaces.js';
import { actionLength } from '../spaces.js';
import { JsonReader } from './json-reader.js';

/**
 * A policy, a batch, and what a trustworthy implementation computed for them in float64. Fields
 * that are `undefined` are not in the file.
 */
export interface PolicyCase {
  readonly kind: 'policy';
  readonly name: string;
  readonly actionSpace: ActionSpace;
  readonly observationSize: number;
  readonly hidden: readonly number[];
  readonly activation: 'tanh' | 'relu' | 'silu';
  readonly parameters: readonly number[];
  readonly observations: readonly number[];
  readonly actions: readonly number[];
  readonly advantages: readonly number[];
  /** lambda of (F + lambda I) x = g. */
  readonly damping: number | undefined;

  readonly head: readonly number[] | undefined;
  readonly logProb: readonly number[] | undefined;
  readonly entropy: readonly number[] | undefined;
  readonly surrogateGradient: readonly number[] | undefined;
  /** Vectors v and the products F v, exact and empirical. */
  readonly vectors: readonly (readonly number[])[] | undefined;
  readonly fisherVectorProduct: readonly (readonly number[])[] | undefined;
  readonly empiricalFisherVectorProduct: readonly (readonly number[])[] | undefined;
  readonly fisherDiagonal: readonly number[] | undefined;
  readonly conjugateGradient: readonly ConjugateGradientIterate[] | undefined;
  /** What the iterates converge to. */
  readonly exactSolution: readonly number[] | undefined;
  readonly trpo: TrpoAnswers | undefined;
  readonly naturalGradientStepSize: StepSizeAnswer | undefined;
  readonly euclideanStepSize: StepSizeAnswer | undefined;
  /** At other parameters, against these. */
  readonly other: OtherAnswers | undefined;
  /** Fields of the file that nothing here looks at. */
  readonly notCovered: readonly string[];
}

export interface ConjugateGradientIterate {
  readonly iterations: number;
  readonly solution: readonly number[];
  readonly residualNorm: number | undefined;
}

export interface CandidateAnswers {
  readonly surrogate: number | undefined;
  readonly meanKl: number | undefined;
  readonly maxKl: number | undefined;
}

/** The alpha that makes a step along a direction as long as epsilon says. */
export interface StepSizeAnswer {
  readonly epsilon: number;
  readonly alpha: number | undefined;
}

/** An objective with an option of its own, and its gradient. */
export interface ObjectiveAnswers {
  readonly option: number;
  readonly value: number | undefined;
  readonly gradient: readonly number[] | undefined;
}

export interface OtherAnswers extends CandidateAnswers {
  readonly parameters: readonly number[];
  /** The surrogate clipped to the option. */
  readonly clippedSurrogate: ObjectiveAnswers | undefined;
  /** The surrogate less the option times the mean KL. */
  readonly penalizedSurrogate: ObjectiveAnswers | undefined;
  /** Gradient of the mean entropy. */
  readonly entropyGradient: readonly number[] | undefined;
}

export interface TrpoAnswers {
  readonly maxKl: number;
  readonly cgIterations: number;
  readonly backtrackCoefficient: number;
  readonly stepScale: number | undefined;
  readonly surrogateBefore: number | undefined;
  readonly candidates: readonly (CandidateAnswers & { readonly fraction: number })[] | undefined;
  /** -1 (in a file also null): none of the candidates. */
  readonly acceptedIndex: number | undefined;
  readonly parametersAfter: readonly number[] | undefined;
}

/** Rewards and values, and their generalised advantages. */
export interface AdvantageCase {
  readonly kind: 'advantages';
  readonly name: string;
  readonly environments: number;
  readonly gamma: number;
  readonly lambda: number;
  readonly rewards: readonly number[];
  readonly values: readonly number[];
  readonly terminated: readonly number[];
  readonly truncated: readonly number[];
  readonly finalValues: readonly number[];
  readonly lastValues: readonly number[];
  readonly advantages: readonly number[] | undefined;
  readonly returns: readonly number[] | undefined;
  readonly notCovered: readonly string[];
}

export type ReferenceCase = PolicyCase | AdvantageCase;

/**
 * Reads every `*.json` file of a folder, in the order of their names.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`, `ERR_OUT_OF_RANGE`,
 *   `ERR_NOT_FINITE` or `ERR_UNKNOWN_OPTION`, naming the file and the field: no such folder, no
 *   such file in it, no JSON, or not a reference case.
 */
export async function readCases(folder: string): Promise<ReferenceCase[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `${folder} is not a folder that can be read`,
      { cause },
    );
  });
  const files = names.filter((name) => name.endsWith('.json')).sort();
  if (files.length === 0) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `${folder} holds no reference case (*.json)`,
    );
  }
  const cases = await Promise.all(files.map((file) => readFileOfCases(join(folder, file))));
  return cases.flat();
}

async function readFileOfCases(file: string): Promise<ReferenceCase[]> {
  const text = await readFile(file, 'utf8');
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new TrustRegionError('ERR_INVALID_ARGUMENT', `${file} is not JSON`, { cause });
  }
  const name = basename(file, '.json');
  if (Array.isArray(content)) {
    return content.map((entry, index) =>
      readAdvantageCase(new JsonReader(entry, `${file}[${index}]`), `${name}[${index}]`),
    );
  }
  const reader = new JsonReader(content, file);
  if (!reader.has('distribution')) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `${file} is not a reference case: it must be an ` +
        'object with a distribution (a policy and a batch) or an array of advantage estimations',
    );
  }
  return [readPolicyCase(reader, name)];
}

function readPolicyCase(reader: JsonReader, fileName: string): PolicyCase {
  const name = reader.optional('name', (field) => reader.text(field)) ?? fileName;
  const observationSize = reader.integer('observationSize', 1);
  const hidden = reader.integers('hidden', 1);
  const rows = reader.integer('rows', 1);
  const outputs = reader.integer('outputs', 1);
  const actionSpace = readActionSpace(reader, outputs);
  const parameters = reader.numbers(
    'parameters',
    countParameters(observationSize, hidden, outputs, actionSpace),
  );
  reader.optional('parameterCount', (field) => reader.integer(field, 1));
  const size = parameters.length;
  const vector = (field: string): readonly number[] => reader.numbers(field, size);
  const column = (field: string): readonly number[] => reader.numbers(field, rows);
  const actionCount = rows * actionLength(actionSpace);

  const nested = (field: string): JsonReader | undefined =>
    reader.optional(field, (name) => reader.object(name));
  const trpo = nested('trpo');
  const other = nested('other');
  const naturalGradientStepSize = nested('naturalGradientStepSize');
  const euclideanStepSize = nested('euclideanStepSize');
  const answers = {
    kind: 'policy' as const,
    name,
    actionSpace,
    observationSize,
    hidden,
    activation: reader.oneOf('activation', ['tanh', 'relu', 'silu']),
    parameters,
    observations: reader.numbers('observations', rows * observationSize),
    actions:
      actionSpace.kind === 'continuous'
        ? reader.numbers('actions', actionCount)
        : reader.integers('actions', 0, actionCount),
    advantages: column('advantages'),
    damping: reader.optional('damping', (field) => reader.number(field, { min: 0 })),
    head: reader.optional('head', (field) => reader.numbers(field, rows * outputs)),
    logProb: reader.optional('logProb', column),
    entropy: reader.optional('entropy', column),
    surrogateGradient: reader.optional('surrogateGradient', vector),
    ...readFisherProducts(reader, size),
    fisherDiagonal: reader.optional('fisherDiagonal', vector),
    conjugateGradient: reader.optional('conjugateGradient', (field) =>
      readIterates(reader, field, size),
    ),
    exactSolution: reader.optional('exactSolution', vector),
    trpo: trpo && readTrpo(trpo, size),
    naturalGradientStepSize: naturalGradientStepSize && readStepSize(naturalGradientStepSize),
    euclideanStepSize: euclideanStepSize && readStepSize(euclideanStepSize),
    other: other && readOther(other, size),
  };
  const objects = { trpo, naturalGradientStepSize, euclideanStepSize, other };
  return {
    ...answers,
    notCovered: [
      ...reader.unread,
      ...Object.entries(objects).flatMap(([name, object]) =>
        (object?.unread ?? []).map((field) => `${name}.${field}`),
      ),
    ],
  };
}

function readActionSpace(reader: JsonReader, outputs: number): ActionSpace {
  const distribution = reader.oneOf('distribution', ['gaussian', 'categorical', 'bernoulli']);
  if (distribution === 'gaussian') {
    return { kind: 'continuous', size: outputs };
  }
  if (distribution === 'bernoulli') {
    return { kind: 'binary', size: outputs };
  }
  const counts = reader.optional('categories', (field) => reader.integers(field, 2)) ?? [outputs];
  const sum = counts.reduce((total, count) => total + count, 0);
  if (sum !== outputs) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `categories must add up to the ${outputs} outputs, got ${counts.join(' + ')} = ${sum}`,
    );
  }
  const [count = outputs] = counts;
  return counts.length === 1 ? { kind: 'discrete', count } : { kind: 'multiDiscrete', counts };
}

function countParameters(
  observationSize: number,
  hidden: readonly number[],
  outputs: number,
  space: ActionSpace,
): number {
  const widths = [observationSize, ...hidden, outputs];
  const layers = widths
    .slice(1)
    .reduce((sum, width, layer) => sum + width * ((widths[layer] ?? 0) + 1), 0);
  return layers + (space.kind === 'continuous' ? space.size : 0);
}

const fisherProductNames = ['fisherVectorProduct', 'empiricalFisherVectorProduct'] as const;

function readFisherProducts(
  reader: JsonReader,
  size: number,
): Pick<PolicyCase, 'vectors' | (typeof fisherProductNames)[number]> {
  const read = (name: string): readonly (readonly number[])[] | undefined =>
    reader.optional(name, (field) => reader.vectors(field, size));
  const vectors = read('vectors');
  const [exact, empirical] = fisherProductNames.map((name) => {
    const products = read(name);
    if (products !== undefined && products.length !== vectors?.length) {
      throw new TrustRegionError(
        'ERR_SHAPE_MISMATCH',
        `${name} must have as many entries as vectors, got ${products.length} and ` +
          String(vectors?.length ?? 0),
      );
    }
    return products;
  });
  return { vectors, fisherVectorProduct: exact, empiricalFisherVectorProduct: empirical };
}

function readIterates(
  reader: JsonReader,
  field: string,
  size: number,
): readonly ConjugateGradientIterate[] {
  return reader.entries(field).map(([iterations, iterate]) => ({
    iterations: Number(iterations),
    solution: iterate.numbers('solution', size),
    residualNorm: iterate.optional('residualNorm', (name) => iterate.number(name, { min: 0 })),
  }));
}

function readCandidate(reader: JsonReader): CandidateAnswers {
  const number = (field: string): number => reader.number(field);
  return {
    surrogate: reader.optional('surrogate', number),
    meanKl: reader.optional('meanKl', number),
    maxKl: reader.optional('maxKl', number),
  };
}

function readStepSize(reader: JsonReader): StepSizeAnswer {
  return {
    epsilon: reader.number('epsilon', { exclusiveMin: 0 }),
    alpha: reader.optional('alpha', (field) => reader.number(field)),
  };
}

function readOther(reader: JsonReader, size: number): OtherAnswers {
  const vector = (field: string): readonly number[] => reader.numbers(field, size);
  return {
    parameters: vector('parameters'),
    ...readCandidate(reader),
    clippedSurrogate: readObjective(reader, 'clippedSurrogate', 'clipRange', size),
    penalizedSurrogate: readObjective(reader, 'penalizedSurrogate', 'klPenalty', size),
    entropyGradient: reader.optional('entropyGradient', vector),
  };
}

function readObjective(
  reader: JsonReader,
  name: string,
  option: string,
  size: number,
): ObjectiveAnswers | undefined {
  const value = reader.optional(name, (field) => reader.number(field));
  const gradient = reader.optional(`${name}Gradient`, (field) => reader.numbers(field, size));
  return value === undefined && gradient === undefined
    ? undefined
    : { option: reader.number(option, { exclusiveMin: 0 }), value, gradient };
}

function readTrpo(reader: JsonReader, size: number): TrpoAnswers {
  const number = (field: string): number => reader.number(field);
  return {
    maxKl: reader.number('maxKl', { exclusiveMin: 0 }),
    cgIterations: reader.integer('cgIterations', 1),
    backtrackCoefficient: reader.number('backtrackCoefficient', {
      exclusiveMin: 0,
      exclusiveMax: 1,
    }),
    stepScale: reader.optional('stepScale', number),
    surrogateBefore: reader.optional('surrogateBefore', number),
    candidates: reader.optional('candidates', (field) =>
      reader.objects(field).map((candidate) => ({
        fraction: candidate.number('fraction', { min: 0 }),
        ...readCandidate(candidate),
      })),
    ),
    acceptedIndex: reader.optional('acceptedIndex', (field) =>
      reader.isNull(field) ? -1 : reader.integer(field, -1),
    ),
    parametersAfter: reader.optional('parametersAfter', (field) => reader.numbers(field, size)),
  };
}

function readAdvantageCase(reader: JsonReader, name: string): AdvantageCase {
  const rows = reader.integer('rows', 1);
  const environments = reader.integer('environments', 1);
  const column = (field: string): readonly number[] => reader.numbers(field, rows * environments);
  const answers = {
    kind: 'advantages' as const,
    name,
    environments,
    gamma: reader.number('gamma', { min: 0, max: 1 }),
    lambda: reader.number('lambda', { min: 0, max: 1 }),
    rewards: column('rewards'),
    values: column('values'),
    terminated: column('terminated'),
    truncated: column('truncated'),
    finalValues: column('finalValues'),
    lastValues: reader.numbers('lastValues', environments),
    advantages: reader.optional('advantages', column),
    returns: reader.optional('returns', column),
  };
  return { ...answers, notCovered: reader.unread };
}
