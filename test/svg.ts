import { expect } from '@jest/globals';

/** Checks that tags are balanced and that no number went wrong. */
export function expectSound(svg: string): void {
  expect(svg).not.toMatch(/NaN|Infinity|undefined|null/);
  const open: string[] = [];
  for (const [, slash, name = '', rest = ''] of svg.matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
    if (slash === '/') {
      expect(open.pop()).toBe(name);
    } else if (!rest.endsWith('/')) {
      open.push(name);
    }
  }
  expect(open).toEqual([]);
}
