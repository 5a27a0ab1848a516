import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(REPOSITORY, 'docs/security.md'), 'utf8');

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const RULES = [
  ...range(1, 22).map((n) => `A.${n}`),
  ...range(23, 27).map((n) => `B.${n}`),
  'C.28',
  ...range(33, 47).map((n) => `D.${n}`),
  ...range(48, 56).map((n) => `E.${n}`),
  ...range(57, 60).map((n) => `F.${n}`),
  'G.61',
  ...range(62, 65).map((n) => `H.${n}`),
  ...range(66, 67).map((n) => `I.${n}`),
];
const TRAPS = range(1, 41).map(String);

/** The rows of the one table under a heading, without its head. */
function rowsUnder(heading: string): readonly (readonly string[])[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`);
  const lines = section.split('\n## ')[0]?.split('\n') ?? [];
  const rows = lines.filter((line) => line.startsWith('|')).slice(2);
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const rules = rowsUnder('Rules');
const traps = rowsUnder('Traps of the stack');

test('every rule and every trap has its row, in order, and no cell is empty', () => {
  expect(rules.map(([first = '']) => first.split(' ')[0])).toEqual(RULES);
  expect(traps.map(([first = '']) => first.split(' ')[0])).toEqual(TRAPS);
  for (const row of [...rules, ...traps]) {
    expect(row).toHaveLength(3);
    for (const cell of row) expect(cell.length, `in ${row.join(' | ')}`).toBeGreaterThan(5);
    expect(row[0]).toMatch(/^\S+ \S/);
  }
});

test('every file that guards something is there', () => {
  for (const [first = '', how = ''] of [...rules, ...traps]) {
    const [, file = ''] = /\(`([^`]+)`\)\.$/.exec(how) ?? [];
    expect([first, file, file !== '' && existsSync(join(REPOSITORY, file))]).toEqual([first, file, true]);
  }
});

test.each([
  [
    'rule',
    rules,
    (id: string, name: string) =>
      new RegExp(`\\((?:[A-I]\\.\\d+, )*${id.replace('.', '\\.')}(?:, [A-I]\\.\\d+)*\\)`).test(name),
  ],
  ['trap', traps, (id: string, name: string) => name.startsWith(`trap ${id}: `)],
] as const)(
  'every %s is shown by tests of its name, and each is where the page says',
  (_, rows, isNamedAfter) => {
    for (const [first = '', , cell = ''] of rows) {
      const id = first.split(' ')[0] ?? '';
      for (const shown of cell.split('<br>')) {
        const [, file = '', name = ''] = /^`([^`]+\.test\.ts)`: (.+)$/.exec(shown) ?? [];
        expect(isNamedAfter(id, name), `${id}: ${shown}`).toBe(true);
        const text = existsSync(join(REPOSITORY, file)) ? readFileSync(join(REPOSITORY, file), 'utf8') : '';
        expect(
          namesIn(text).some((found) => found.includes(name)),
          `${file} has no "${name}"`,
        ).toBe(true);
      }
    }
  },
);

/** Every text in quotes that could be a test's name. */
function namesIn(source: string): readonly string[] {
  return [...source.matchAll(/(['"`])((?:(?!\1)[^\\\n]|\\.)+)\1/g)].map(([, , name = '']) => name);
}
