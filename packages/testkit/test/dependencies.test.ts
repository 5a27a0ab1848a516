import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dependenciesPage, directDependencies, PAGE, WHY } from '../src/dependencies/table.ts';

test('each library that a package.json names has a reason, and no other', () => {
  expect(Object.keys(WHY).toSorted()).toEqual(directDependencies().map(({ name }) => name));
});

test('docs/dependencies.md is as `pnpm docs:dependencies` writes it', () => {
  expect(readFileSync(PAGE, 'utf8')).toBe(dependenciesPage());
});

test('each library has a licence that lets it be shipped, or be used for tests and tools', () => {
  const free = /^(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|0BSD)( OR (MIT|Apache-2\.0))?$/;
  expect(directDependencies().filter(({ licence }) => !free.test(licence))).toEqual([]);
});
