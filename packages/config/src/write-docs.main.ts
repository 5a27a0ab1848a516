import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { envExample, settingsTables, withTables } from './docs.ts';

/** Writes what is made of the table of settings: `.env.example`, and the tables of `docs/run.md`. */
const at = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
writeFileSync(at('.env.example'), envExample());
writeFileSync(at('docs/run.md'), withTables(readFileSync(at('docs/run.md'), 'utf8'), settingsTables()));
