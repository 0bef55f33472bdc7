/*
 * The package as a user gets it: packed, installed into an empty folder (which compiles the addon),
 * then imported, required and type-checked from there.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const root = path.resolve('.'); // jest is always started in the package's folder
const program = `
const policy = new Policy({ observationSize: 3, actions: { kind: 'continuous', size: 2 }, seed: 1 });
const method = new TRPO(policy, { maxKl: 0.01 });
const action = policy.act(new Float32Array(3));
console.log(typeof method.update, action.length);
policy.close();
`;

// The npm and the Node started here must not follow what those above this test were told.
const environment = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle)|npm_config_loglevel|NODE_OPTIONS|TRUSTREGION)/.test(name),
  ),
);

let folder: string;
const inFolder = (file: string) => path.join(folder, file);

/** Runs a program in the user's folder, or in `cwd`, and returns what it printed. */
async function run(command: string, args: string[], { cwd = folder, env = {} } = {}) {
  const shell = process.platform === 'win32' && command === 'npm'; // which is npm.cmd there
  const { stdout } = await promisify(execFile)(command, args, {
    cwd,
    shell,
    env: { ...environment, ...env },
    maxBuffer: 2 ** 26,
  });
  return stdout.trim();
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'trustregion-package-'));
  // The run-time dependencies are packed as well, so that nothing has to be fetched. `npm test` has
  // just compiled dist/; to do it again (without --ignore-scripts) would disturb other tests.
  const packages = ['.', './node_modules/node-gyp-build', './node_modules/node-addon-api'];
  const pack = ['pack', '--ignore-scripts', '--pack-destination', folder];
  await run('npm', [...pack, ...packages], { cwd: root });
  const tarballs = (await readdir(folder)).map((file) => `./${file}`);
  const manifest = { private: true, allowScripts: { trustregion: true } };
  await writeFile(inFolder('package.json'), JSON.stringify(manifest));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...tarballs]);
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test('the program of a clone that was built can be executed', async () => {
  const { mode } = await stat(path.join(root, 'dist/esm/cli/main.js'));
  expect(mode & 0o111).toBe(process.platform === 'win32' ? mode & 0o111 : 0o111);
});

test('installing it compiles the addon', async () => {
  const built = await readdir(inFolder('node_modules/trustregion/build/Release'));
  expect(built).toContain('trustregion.node');
});

test('an ES module imports it', async () => {
  await writeFile(inFolder('run.mjs'), `import { Policy, TRPO } from 'trustregion';${program}`);
  expect(await run('node', ['run.mjs'])).toBe('function 2');
});

test('a CommonJS module requires it', async () => {
  await writeFile(
    inFolder('run.cjs'),
    `const { Policy, TRPO } = require('trustregion');${program}`,
  );
  expect(await run('node', ['run.cjs'])).toBe('function 2');
});

test.each(['mts', 'cts'])(
  'its types serve a .%s file',
  async (extension) => {
    const file = `types.${extension}`;
    const wrong = '// @ts-expect-error\nnew TRPO(policy, { maxKl: "much" });';
    await writeFile(
      inFolder(file),
      `import { Policy, TRPO } from 'trustregion';${program}${wrong}\n`,
    );
    const typescript = path.join(root, 'node_modules/typescript/bin/tsc');
    const types = ['--types', 'node', '--typeRoots', path.join(root, 'node_modules/@types')];
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      ...types,
    ];
    await expect(run('node', [typescript, ...options, file])).resolves.toBe('');
  },
  30_000,
);

test('without an addon it can be imported, and its first use says what to do', async () => {
  const source = `import { Policy, TRPO } from 'trustregion';
    try {${program}} catch ({ code, message }) { console.log(code, message); }`;
  await writeFile(inFolder('broken.mjs'), source);
  const env = { TRUSTREGION_ADDON: inFolder('nothing.node') };
  expect(await run('node', ['broken.mjs'], { env })).toMatch(
    /^ERR_ADDON .*Tried: .*nothing\.node .*TRUSTREGION_ADDON/,
  );
});

test('the CommonJS build imports packages that have only an ES module', async () => {
  const dist = inFolder('node_modules/trustregion/dist/cjs');
  const files = (await readdir(dist, { recursive: true })).filter((file) => file.endsWith('.js'));
  const sources = await Promise.all(files.map((file) => readFile(path.join(dist, file), 'utf8')));
  expect(sources.join('\n')).toContain("import('@mujoco/mujoco')");
  expect(sources.join('\n')).not.toContain("require('@mujoco/mujoco')");
});
