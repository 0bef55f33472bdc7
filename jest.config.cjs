// `npm test` gives Node --experimental-vm-modules: tests import ES modules, @mujoco/mujoco among them.
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/lib', '<rootDir>/test'],
  testMatch: ['<rootDir>/test/**/*.test.ts', '<rootDir>/test/**/*.test.mjs'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  // Sources import './x.js' where the file is x.ts, as TypeScript wants it.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
};
