// Updates package-lock.json after a change to package.json's dependencies: `npm run lock`.
//
// npm leaves an optional package for another platform out of the file when the registry at hand does
// not have it, and `npm ci` then refuses the file. This adds an entry for each; what such an entry
// needs (version, operating system, processor, C library) its parent and its name tell.

import { execSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const file = 'package-lock.json';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];

/** The lock entry of `name`, a package for one platform. */
function platformEntry(name, version) {
  const words = name.split(/[-/]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (!os || !cpu) throw new Error(`${name}: for which platform is it?`);
  const musl = words.some((word) => word.startsWith('musl'));
  const libc = os === 'linux' ? { libc: [musl ? 'musl' : 'glibc'] } : {};
  return { version, cpu: [cpu], dev: true, ...libc, optional: true, os: [os] };
}

execSync('npm install --package-lock-only --ignore-scripts --loglevel=error', {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const lock = JSON.parse(readFileSync(file, 'utf8'));
for (const { optionalDependencies = {} } of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    lock.packages[`node_modules/${name}`] ??= platformEntry(name, version);
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
