import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { envExample, settingsTables, withTables } from '../src/docs.ts';
import { SETTINGS } from '../src/index.ts';
import type { Setting } from '../src/setting.ts';

const page = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../${name}`, import.meta.url)), 'utf8');

test('the operator’s tables are those of the table of settings (pnpm docs:settings writes them)', () => {
  expect(page('docs/run.md')).toBe(withTables(page('docs/run.md'), settingsTables()));
});

test('.env.example has every setting, with its default (pnpm docs:settings writes it)', () => {
  expect(page('.env.example')).toBe(envExample());
});

test('every variable there is stands in both, and no other', () => {
  const settings: readonly Setting[] = Object.values(SETTINGS).flatMap((group) => Object.values(group));
  const variables = settings.map(({ variable }) => variable);
  const rows = Object.values(settingsTables()).join('\n');
  const documented = [...rows.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);
  expect(new Set(documented)).toEqual(new Set(variables));
  const files = settings.flatMap(({ type, variable }) => (type === 'secret' ? [`${variable}_FILE`] : []));
  const example = [...envExample().matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(example)).toEqual(new Set([...variables, ...files]));
});

test('a page without a place for a table is told', () => {
  expect(() => withTables('no table', { settings: '' })).toThrow('no place for the table settings');
});
