// Format and lint of the C++ sources.
//
//   node scripts/cpp.mjs format    rewrite what clang-format would write otherwise
//   node scripts/cpp.mjs check     fail if there is such a file
//   node scripts/cpp.mjs lint      clang-tidy, after a build with CMake (it needs compile_commands.json)

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';

/** Runs a program. Resolves to whether it succeeded; prints what it said to stderr only if not. */
function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'pipe'] });
    const stderr = [];
    child.stderr.on('data', (chunk) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) process.stderr.write(Buffer.concat(stderr));
      resolve(code === 0);
    });
  });
}

function clangFormat(...options) {
  const files = ['native', 'bench/native', 'test/native']
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true }).map((file) => path.join(folder, file)),
    )
    .filter((file) => /\.(cpp|h|inl)$/.test(file));
  return run('clang-format', ['--style=file', ...options, ...files]);
}

/** Each processor gets its share of the files: clang-tidy itself takes one after the other. */
async function clangTidy() {
  const build = 'build-cmake';
  if (!existsSync(path.join(build, 'compile_commands.json'))) {
    throw new Error(`${build}/compile_commands.json is missing: run \`npm run build:cmake\` first`);
  }
  const { core, binding, coreTests } = JSON.parse(readFileSync('native/sources.json', 'utf8'));
  const shares = Array.from({ length: availableParallelism() }, () => []);
  for (const [index, file] of [...core, ...binding, ...coreTests].entries()) {
    shares[index % shares.length].push(file);
  }
  const passed = await Promise.all(
    shares
      .filter((files) => files.length > 0)
      .map((files) => run('clang-tidy', ['-p', build, '--quiet', ...files])),
  );
  return passed.every(Boolean);
}

const commands = {
  format: () => clangFormat('-i'),
  check: () => clangFormat('--dry-run', '--Werror'),
  lint: clangTidy,
};
const command = commands[process.argv[2]];
if (!command) throw new Error(`usage: node scripts/cpp.mjs ${Object.keys(commands).join(' | ')}`);
process.exitCode = (await command()) ? 0 : 1;
