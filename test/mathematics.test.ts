import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import * as library from '../lib/index.js';

/*
 * docs/mathematics.md names the function beside every formula: each of them must exist.
 */

const page = readFileSync('docs/mathematics.md', 'utf8');
const names = [...new Set(Array.from(page.matchAll(/`([^`\n]+)`/g), ([, name = '']) => name))];

/** Sources of the core, in which a C++ name must stand. */
const core = readdirSync('native/core', { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(h|cpp)$/.test(file))
  .map((file) => readFileSync(`native/core/${file}`, 'utf8'))
  .join('\n');
const face = readdirSync('lib', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(`lib/${file}`, 'utf8'))
  .join('\n');

test('there are many', () => {
  expect(names.length).toBeGreaterThan(60);
});

test.each(names.filter((name) => /^[\w/]+\.(h|cpp)$/.test(name)))(
  'native/core/%s is a file',
  (file) => {
    expect(existsSync(`native/core/${file}`)).toBe(true);
  },
);

test.each(names.filter((name) => /^policy\.\w+$/.test(name)))('%s is a method', (name) => {
  expect(library.Policy.prototype).toHaveProperty(name.slice('policy.'.length));
});

test.each(names.filter((name) => /^\w+(::\w+)?$/.test(name)))(
  '%s stands in the sources',
  (name) => {
    const last = name.split('::').at(-1) ?? name;
    expect(
      Object.hasOwn(library, name) ||
        new RegExp(`\\b${last}\\b`).test(name.includes('::') ? core : core + face),
    ).toBe(true);
  },
);
