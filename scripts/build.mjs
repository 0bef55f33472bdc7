// Compiles lib/ twice, to dist/esm and dist/cjs.
//
// Both times with the same options (tsconfig.build.json, module NodeNext), under which the nearest
// package.json decides what a file becomes. The second time the compiler is shown a lib/package.json
// that is not there and says "commonjs". Other than with module CommonJS, `await import('x')` then
// stays a real import in dist/cjs, which can so load packages that have only an ES module, and a
// static import of such a package is an error.

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dist = path.join(root, 'dist');
const commonjs = '{ "type": "commonjs" }\n';

/**
 * Compiles the files of lib/ that `wanted` accepts to `outDir`, showing the compiler the files of
 * `overlay` too. Prints what is wrong, and returns whether nothing is.
 */
function compile(outDir, wanted = () => true, overlay = new Map()) {
  const system = {
    ...ts.sys,
    fileExists: (file) => overlay.has(path.resolve(file)) || ts.sys.fileExists(file),
    readFile: (file, encoding) =>
      overlay.get(path.resolve(file)) ?? ts.sys.readFile(file, encoding),
    onUnRecoverableConfigFileDiagnostic: report,
  };
  const config = ts.getParsedCommandLineOfConfigFile(
    path.join(root, 'tsconfig.build.json'),
    { outDir },
    system,
  );
  const host = ts.createCompilerHost(config.options);
  host.fileExists = system.fileExists;
  host.readFile = system.readFile;
  const program = ts.createProgram({
    rootNames: config.fileNames.filter(wanted),
    options: config.options,
    configFileParsingDiagnostics: config.errors,
    host,
  });
  const diagnostics = ts.sortAndDeduplicateDiagnostics([
    ...ts.getPreEmitDiagnostics(program),
    ...program.emit().diagnostics,
  ]);
  for (const diagnostic of diagnostics) report(diagnostic);
  return diagnostics.length === 0;
}

function report(diagnostic) {
  const host = {
    getCurrentDirectory: () => root,
    getCanonicalFileName: (file) => file,
    getNewLine: () => '\n',
  };
  process.stderr.write(ts.formatDiagnostic(diagnostic, host));
}

rmSync(dist, { recursive: true, force: true });
const succeeded =
  compile(path.join(dist, 'esm')) &&
  compile(
    path.join(dist, 'cjs'),
    (file) => !file.includes('/lib/cli/'), // programs, not part of what another module can load
    new Map([[path.join(root, 'lib/package.json'), commonjs]]),
  );

// In lib/ the addon's loader is ../native.cjs, and so it must be in dist/esm and dist/cjs.
mkdirSync(path.join(dist, 'cjs'), { recursive: true });
writeFileSync(path.join(dist, 'cjs/package.json'), commonjs);
writeFileSync(path.join(dist, 'native.cjs'), "module.exports = require('../native.cjs');\n");
writeFileSync(
  path.join(dist, 'native.d.cts'),
  "import native = require('../native.cjs');\nexport = native;\n",
);

// What npm makes executable when it installs the package stays so in a clone that is built again.
if (succeeded) chmodSync(path.join(dist, 'esm/cli/main.js'), 0o755);
process.exitCode = succeeded ? 0 : 1;
