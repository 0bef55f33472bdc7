import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import ts from 'typescript';

/*
 * Every ```ts example of the docstrings in lib/ and of README.md is extracted, checked by the
 * TypeScript compiler and run. Examples of docstrings may leave out imports from 'trustregion' (and
 * from their own module, for what is not public). console.assert() throws here.
 */

interface Example {
  readonly place: string;
  readonly code: string;
}

const root = process.cwd();
const library = path.join(root, 'lib');
const entry = path.join(library, 'index.ts');
const publicNames = namesIn(readFileSync(entry, 'utf8'), /export (?:type )?{([^}]*)}/g);

/** All words in the first groups of the matches. */
function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].flatMap((match) => match[1]?.match(/\w+/g) ?? []);
}

function examplesOf(file: string): Example[] {
  const text = readFileSync(file, 'utf8');
  const isMarkdown = file.endsWith('.md');
  const pattern = isMarkdown ? /^```ts\n(.*?)^```$/gms : /^ *\* ```ts\n(.*?)^ *\* ```$/gms;
  return [...text.matchAll(pattern)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length + 1;
    const body = match[1] ?? '';
    const code = isMarkdown ? body : body.replace(/^ *\* ?/gm, '');
    return {
      place: `${path.relative(root, file)}:${line}`,
      code: isMarkdown ? code : `${missingImports(code, file, text)}\n${code}`,
    };
  });
}

/** Imports for the public names, and those of its own module, that an example uses. */
function missingImports(code: string, file: string, text: string): string {
  const own = namesIn(
    text,
    /^export (?:abstract )?(?:class|function|const|let|interface|type|async function) (\w+)/gm,
  );
  const isMissing = (name: string) =>
    new RegExp(`\\b${name}\\b`).test(code) &&
    !new RegExp(`(?:class|function|(?:const|let|import) [{ \\w,]*) *\\b${name}\\b`).test(code);
  const fromEntry = publicNames.filter(isMissing);
  const fromOwn = own.filter((name) => !publicNames.includes(name) && isMissing(name));
  return [
    fromEntry.length > 0 ? `import { ${fromEntry.join(', ')} } from 'trustregion';` : '',
    fromOwn.length > 0
      ? `import { ${fromOwn.join(', ')} } from '${file.replace(/ts$/, 'js')}';`
      : '',
  ].join(' ');
}

const sources = readdirSync(library, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => path.join(library, file))
  .concat(path.join(root, 'README.md'));
const examples = sources.flatMap(examplesOf);

/** Compiles the examples as if they were files of test/, and returns what the compiler says. */
function typeErrors(): string[] {
  const config = ts.getParsedCommandLineOfConfigFile(
    path.join(root, 'tsconfig.json'),
    {},
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: () => undefined,
    },
  );
  const options: ts.CompilerOptions = {
    ...config?.options,
    noUnusedLocals: false,
    paths: { trustregion: [entry] },
  };
  const files = new Map(
    examples.map(({ code }, index) => [
      path.join(root, 'test', `example-${index}.ts`),
      `export {};\n${code}`,
    ]),
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => files.get(file) ?? readFile(file);
  host.getSourceFile = (file, ...rest) => {
    const text = files.get(file);
    return text === undefined
      ? getSourceFile(file, ...rest)
      : ts.createSourceFile(file, text, rest[0]);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files.keys()].flatMap((file, index) => {
    const source = program.getSourceFile(file);
    return [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map(
      ({ messageText }) =>
        `${examples[index]?.place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`,
    );
  });
}

type Load = (specifier: string) => Promise<unknown>;
const AsyncFunction = (async () => undefined).constructor as new (
  ...parametersAndBody: string[]
) => (load: Load, console: object) => Promise<void>;

async function run({ code }: Example): Promise<void> {
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  const body = outputText
    .replace(/^import \* as (\w+) from '(.*?)';/gm, "const $1 = await load('$2');")
    .replace(/^import (\w+) from '(.*?)';/gm, "const { default: $1 } = await load('$2');")
    .replace(
      /^import {(.*?)} from '(.*?)';/gms,
      (_, names: string, from: string) =>
        `const {${names.replace(/ as /g, ': ')}} = await load('${from}');`,
    )
    .replace(/^export {};$/gm, '');
  const load: Load = (specifier) => {
    if (specifier === 'trustregion') {
      return import(entry);
    }
    return import(specifier.startsWith('/') ? specifier.replace(/js$/, 'ts') : specifier);
  };
  await new AsyncFunction('load', 'console', body)(load, {
    log: () => undefined,
    assert: (condition: unknown, message = 'console.assert() of the example failed') => {
      if (condition !== true) {
        throw new Error(String(message));
      }
    },
  });
}

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(20);
});

test('all of them compile', () => {
  expect(typeErrors()).toEqual([]);
}, 60_000);

describe('all of them run', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'trustregion-examples-')); // for what they write
  beforeAll(() => process.chdir(folder));
  afterAll(() => {
    process.chdir(root);
    rmSync(folder, { recursive: true });
  });

  test.each(examples.map((example) => [example.place, example] as const))(
    '%s',
    (_place, example) => run(example),
    120_000,
  );
});
