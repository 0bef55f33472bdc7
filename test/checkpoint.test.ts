import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TrustRegionError } from '../lib/errors.js';
import { Policy } from '../lib/policy.js';
import {
  decodeTensors,
  encodeTensors,
  tensorToVector,
  vectorToTensor,
} from '../lib/safetensors.js';
import type { TensorFile } from '../lib/safetensors.js';
import { version } from '../lib/version.js';
import {
  bitsOf,
  expectError,
  expectRejection,
  numbers,
  parametersOf,
  smallPolicy,
  spaces,
} from './helpers.js';

const folder = mkdtempSync(path.join(tmpdir(), 'trustregion-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A policy that differs from a new one in every part. */
function usedPolicy(backend: string): Policy {
  const policy = smallPolicy(
    { kind: 'continuous', size: 2, low: [-1, -Infinity], high: [Infinity, 2] },
    { backend, observationClip: 3, activation: 'silu', initialLogStd: -0.3, seed: 4 },
  );
  policy.updateNormalizer(numbers(30, 5).map((value, index) => value + index / 7));
  policy.setParameters(numbers(policy.parameterCount, 6));
  return policy;
}

describe.each(['cpu', 'reference'])('a policy of the %s backend', (backend) => {
  test('comes back from its bytes with nothing lost', () => {
    const policy = usedPolicy(backend);
    const twin = Policy.fromBytes(policy.toBytes());
    expect(twin.options).toEqual({ ...policy.options, threads: undefined });
    expect(twin.backend).toBe(policy.backend);
    expect(bitsOf(parametersOf(twin))).toBe(bitsOf(parametersOf(policy)));
    expect(twin.normalizer).toEqual(policy.normalizer);
    const observations = numbers(60, 8);
    expect(bitsOf(twin.forward(observations))).toBe(bitsOf(policy.forward(observations)));
    policy.seed(3);
    twin.seed(3);
    expect(twin.act(observations)).toEqual(policy.act(observations));
    expect(Buffer.from(twin.toBytes()).equals(policy.toBytes())).toBe(true);
  });

  test('comes back from its file', async () => {
    const policy = usedPolicy(backend);
    const file = path.join(folder, `${backend}.safetensors`);
    await policy.save(file);
    const twin = await Policy.load(file);
    const observation = [1, 2, 3];
    expect(twin.act(observation, { deterministic: true })).toEqual(
      policy.act(observation, { deterministic: true }),
    );
    await smallPolicy({ kind: 'discrete', count: 2 }).save(file); // over the old one
    expect((await Policy.load(file)).options.actions).toEqual({ kind: 'discrete', count: 2 });
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

test.each(spaces.map((actions) => [actions.kind, actions] as const))(
  'every kind of actions: %s',
  (_kind, actions) => {
    const policy = smallPolicy(actions);
    const twin = Policy.fromBytes(policy.toBytes());
    expect(twin.options.actions).toEqual(actions);
    expect(bitsOf(twin.getParameters())).toBe(bitsOf(policy.getParameters()));
  },
);

test('a policy may be loaded for another backend', () => {
  const policy = usedPolicy('reference');
  const machine = { backend: 'cpu', threads: 1, memoryBudget: 1e6 };
  const twin = Policy.fromBytes(policy.toBytes(), machine);
  expect(twin.precision).toBe('float32');
  expect(twin.threads).toBe(1);
  expect(twin.options.memoryBudget).toBe(1e6);
  expect(Policy.fromBytes(twin.toBytes()).options.memoryBudget).toBeUndefined();
  expect(bitsOf(twin.getParameters())).toBe(bitsOf(policy.getParameters()));
});

test('the file is a safetensors file that others can read', () => {
  const policy = usedPolicy('cpu');
  const bytes = policy.toBytes();
  const view = new DataView(bytes.buffer);
  const headerLength = Number(view.getBigUint64(0, true));
  expect(headerLength % 8).toBe(0);
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + headerLength)).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: number[] }
  >;
  const count = policy.parameterCount;
  expect(header).toMatchObject({
    __metadata__: {
      format: 'trustregion.policy',
      formatVersion: '1',
      packageVersion: version,
      'normalizer.count': '10',
    },
    'normalizer.mean': { dtype: 'F64', shape: [3], data_offsets: [0, 24] },
    'normalizer.squaredDeviations': { dtype: 'F64', shape: [3], data_offsets: [24, 48] },
    parameters: { dtype: 'F32', shape: [count], data_offsets: [48, 48 + 4 * count] },
  });
  expect(bytes.length).toBe(8 + headerLength + 48 + 4 * count);
  expect(view.getFloat32(8 + headerLength + 48, true)).toBe(policy.getParameters()[0]);
});

describe('files', () => {
  test('that cannot be written or read', async () => {
    const policy = smallPolicy({ kind: 'discrete', count: 2 });
    const missing = path.join(folder, 'no-such-folder', 'policy.safetensors');
    await expectRejection(policy.save(missing), 'ERR_CHECKPOINT', /cannot be written: ENOENT/);
    await expectRejection(Policy.load(missing), 'ERR_CHECKPOINT', /cannot be read: ENOENT/);
    await expectRejection(policy.save(folder), 'ERR_CHECKPOINT', /cannot be written/);
    await expectRejection(Policy.load(folder), 'ERR_CHECKPOINT', /cannot be read/);
    await expectRejection(policy.save(''), 'ERR_INVALID_ARGUMENT', /path must be a string/);
    await expectRejection(
      Policy.load(3 as unknown as string),
      'ERR_INVALID_ARGUMENT',
      /path must be a string that is not empty, got 3/,
    );
    expect(readdirSync(path.dirname(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a failed load names the reason', async () => {
    const file = path.join(folder, 'short.safetensors');
    await usedPolicy('cpu').save(file);
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    await expectRejection(Policy.load(file), 'ERR_CHECKPOINT', /need \d+ bytes of data, but \d+/);
  });
});

/** The file of a small policy, taken apart, changed, and put together again. */
function edited(
  change: (file: { tensors: Map<string, never>; metadata: Map<string, string> }) => void,
) {
  const { tensors, metadata } = decodeTensors(usedPolicy('cpu').toBytes());
  const file = { tensors: new Map(tensors), metadata: new Map(metadata) };
  file.metadata.delete('sha256'); // which would find every change
  change(file as never);
  return encodeTensors(file as TensorFile);
}

describe('what a checkpoint must be', () => {
  const set = (name: string, vector: Float32Array | Float64Array) =>
    edited(({ tensors }) => tensors.set(name, vectorToTensor(vector) as never));
  const meta = (key: string, value: string) => edited(({ metadata }) => metadata.set(key, value));
  const count = usedPolicy('cpu').parameterCount;
  const config = (change: object) =>
    edited(({ metadata }) => {
      const options = JSON.parse(metadata.get('config') ?? '') as object;
      metadata.set('config', JSON.stringify({ ...options, ...change }));
    });

  test.each<[string, () => Uint8Array, RegExp]>([
    ['another format', () => meta('format', 'pt'), /must have the format .*, got 'pt'/],
    ['no format', () => edited(({ metadata }) => metadata.clear()), /another program wrote it/],
    [
      'a newer version',
      () => meta('formatVersion', '2'),
      /format version '1', got '2': it comes from/,
    ],
    [
      'no config',
      () => edited(({ metadata }) => metadata.delete('config')),
      /metadata lack 'config'/,
    ],
    ['config that is no JSON', () => meta('config', '{'), /config is no valid set of options/],
    ['unknown options', () => config({ gamma: 1 }), /unknown option 'gamma' in Policy options/],
    ['bad options', () => config({ hidden: [-1] }), /hidden\[0\] must be an integer from 1/],
    [
      'sizes that do not fit',
      () => config({ hidden: [6] }),
      /must have shape \[\d+\], got \[\d+\]/,
    ],
    ['sizes beyond memory', () => config({ hidden: [1e6, 1e6] }), /at most \d+ parameters/],
    ['a bad count', () => meta('normalizer.count', '-1'), /normalizer.count must be an integer/],
    [
      'no parameters',
      () => edited(({ tensors }) => tensors.delete('parameters')),
      /lacks the tensor/,
    ],
    ['too few', () => set('parameters', new Float32Array(3)), /shape \[\d+\], got \[3\]/],
    [
      'NaN parameters',
      () => set('parameters', new Float32Array(count).fill(NaN, 2)),
      /parameters\[2\] is NaN/,
    ],
    [
      'an infinite mean',
      () => set('normalizer.mean', Float64Array.of(0, Infinity, 0)),
      /mean\[1\]/,
    ],
    [
      'a negative variance',
      () => set('normalizer.squaredDeviations', Float64Array.of(1, 1, -1)),
      /squaredDeviations\[2\] must be at least 0, got -1/,
    ],
    [
      'another type',
      () =>
        edited(({ tensors }) =>
          tensors.set('parameters', {
            dtype: 'I32',
            shape: [count],
            bytes: new Uint8Array(4 * count),
          } as never),
        ),
      /tensor 'parameters' must have type F32 or F64, got I32/,
    ],
    ['a wrong checksum', () => meta('sha256', '0'), /do not match its checksum/],
  ])('%s', (_name, make, sentence) => {
    expectError(() => Policy.fromBytes(make()), 'ERR_CHECKPOINT', sentence);
  });

  test('a backend that this machine lacks is another error', () => {
    expectError(() => Policy.fromBytes(config({ backend: 'abacus' })), 'ERR_BACKEND', /abacus/);
    expect(Policy.fromBytes(config({ backend: 'abacus' }), { backend: 'cpu' }).parameterCount).toBe(
      count,
    );
  });

  test('float64 parameters suit a float32 backend, and no checksum is no error', () => {
    const policy = Policy.fromBytes(set('parameters', numbers(count, 6)));
    expect(bitsOf(policy.getParameters())).toBe(bitsOf(Float32Array.from(numbers(count, 6))));
  });
});

describe('safetensors', () => {
  const data = new Uint8Array(16);
  const file = (header: unknown, bytes = data, padding = '') => {
    const json = Buffer.from(
      (typeof header === 'string' ? header : JSON.stringify(header)) + padding,
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    return Uint8Array.from(Buffer.concat([length, json, bytes]));
  };
  const tensor = (dtype: unknown, shape: unknown, offsets: unknown) => ({
    dtype,
    shape,
    data_offsets: offsets,
  });

  test('a tensor of a strange name', () => {
    const tensors = new Map([['__proto__', vectorToTensor(Float32Array.of(1, 2))]]);
    const read = decodeTensors(encodeTensors({ tensors, metadata: new Map([['__proto__', 'a']]) }));
    expect(read.tensors).toEqual(tensors);
    expect(read.metadata).toEqual(new Map([['__proto__', 'a']]));
  });

  test('round trip', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.oneof(fc.float32Array(), fc.float64Array())),
        fc.dictionary(fc.string(), fc.string()),
        (vectors, metadata) => {
          fc.pre(!Object.hasOwn(vectors, '__metadata__'));
          const tensors = new Map(
            Object.entries(vectors).map(([name, vector]) => [name, vectorToTensor(vector)]),
          );
          const read = decodeTensors(
            encodeTensors({ tensors, metadata: new Map(Object.entries(metadata)) }),
          );
          expect(new Map(read.metadata)).toEqual(new Map(Object.entries(metadata)));
          expect([...read.tensors.keys()].sort()).toEqual(Object.keys(vectors).sort());
          for (const [name, vector] of Object.entries(vectors)) {
            const found = read.tensors.get(name);
            expect(found).toBeDefined();
            if (found !== undefined) {
              expect(tensorToVector(found, name)).toEqual(vector);
            }
          }
        },
      ),
    );
  });

  test('reads padding, any order of the header, scalars and empty tensors', () => {
    const { tensors } = decodeTensors(
      file(
        {
          b: tensor('F32', [2], [8, 16]),
          empty: tensor('F64', [3, 0], [8, 8]),
          a: tensor('F64', [], [0, 8]),
        },
        data,
        '   ',
      ),
    );
    expect([...tensors.keys()]).toEqual(['b', 'empty', 'a']);
    expect(tensors.get('a')?.bytes).toHaveLength(8);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /0 bytes, too few/],
    [
      'a huge header',
      new Uint8Array(16).fill(255),
      /header should have 18446744073709551615 bytes/,
    ],
    ['no JSON', file('{"a":'), /header is no JSON text/],
    ['no UTF-8', file('{}').fill(0xff, 8, 10), /header is no JSON text/],
    ['a list', file('[]'), /header must be a JSON object/],
    ['metadata of numbers', file({ __metadata__: { a: 1 } }), /must hold strings only, and 'a'/],
    [
      'metadata that are none',
      file({ __metadata__: null }),
      /'__metadata__' must be a JSON object/,
    ],
    ['an unknown type', file({ a: tensor('F128', [1], [0, 16]) }), /unknown type "F128"/],
    ['no type', file({ a: { shape: [], data_offsets: [0, 8] } }), /unknown type undefined/],
    ['no tensor', file({ a: 3 }), /tensor 'a' must be a JSON object/],
    ['a bad shape', file({ a: tensor('F64', [-2], [0, 16]) }), /shape of tensor 'a'/],
    ['a shape of text', file({ a: tensor('F64', ['2'], [0, 16]) }), /shape of tensor 'a'/],
    ['one offset', file({ a: tensor('F64', [2], [16]) }), /data_offsets of tensor 'a'/],
    ['offsets reversed', file({ a: tensor('F64', [2], [16, 0]) }), /data_offsets of tensor 'a'/],
    ['a wrong size', file({ a: tensor('F64', [3], [0, 16]) }), /must take 24 bytes, .* span 16/],
    ['an overflow', file({ a: tensor('F64', [2 ** 52, 2 ** 52], [0, 16]) }), /must take/],
    [
      'an overlap',
      file({ a: tensor('F64', [1], [0, 8]), b: tensor('F64', [1], [4, 12]) }),
      /'b' begins at byte 4 of the data, but the one before it ends at byte 8/,
    ],
    ['a gap', file({ a: tensor('F64', [1], [8, 16]) }), /'a' begins at byte 8/],
    [
      'data beyond the end',
      file({ a: tensor('F64', [3], [0, 24]) }),
      /need 24 bytes of data, but 16/,
    ],
    ['data left over', file({ a: tensor('F64', [1], [0, 8]) }), /need 8 bytes of data, but 16/],
  ])('refuses %s', (_name, bytes, sentence) => {
    expectError(() => decodeTensors(bytes), 'ERR_CHECKPOINT', sentence);
  });
});

describe('damage', () => {
  const original = usedPolicy('cpu');
  const bytes = original.toBytes();

  /** Either ERR_CHECKPOINT (or ERR_BACKEND, for a damaged name), or a policy of the same shape. */
  function check(damaged: Uint8Array): 'refused' | 'read' {
    try {
      const policy = Policy.fromBytes(damaged);
      expect(policy.parameterCount).toBe(original.parameterCount);
      expect(policy.getParameters().every(Number.isFinite)).toBe(true);
      policy.close();
      return 'read';
    } catch (error) {
      expect(error).toBeInstanceOf(TrustRegionError);
      expect(['ERR_CHECKPOINT', 'ERR_BACKEND']).toContain((error as TrustRegionError).code);
      return 'refused';
    }
  }

  test('any truncation is refused', () => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(check(bytes.slice(0, length))).toBe('refused');
    }
  });

  test('flipped bytes never crash, and in the data never go unnoticed', () => {
    const dataStart = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const flip = fc.record({
      index: fc.nat(bytes.length - 1),
      mask: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 3 }), (flips) => {
        const damaged = bytes.slice();
        for (const { index, mask } of flips) {
          damaged[index] = (damaged[index] ?? 0) ^ mask;
        }
        const result = check(damaged);
        // Damage to the header might hit the very name of the checksum.
        const isInData = flips.every(({ index }) => index >= dataStart);
        const isChanged = !Buffer.from(damaged).equals(bytes);
        if (isInData && isChanged) {
          expect(result).toBe('refused');
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('arbitrary bytes never crash', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (any) => void check(any)));
  });
});
