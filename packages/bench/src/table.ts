import type { Comparison } from './compare.ts';
import type { Figure } from './figures.ts';

/** The table a person reads. */
export function table(found: Comparison): string {
  const rows: [string, string][] = Object.entries(found.ratios).map(([name, value]) => [name, spoken(value)]);
  rows.push(
    ['addedP50Commits', spoken(found.addedP50Commits)],
    ['slowCommitAddedP50At200', spoken(found.slowCommitAddedP50At200)],
    ['slowCommitAddedP50At1000', spoken(found.slowCommitAddedP50At1000)],
    ['addedP50Ms', spoken(found.addedP50Ms)],
    ['commitMs', spoken(found.commitMs)],
    ['lost', String(found.lost)],
  );
  return rows.map(([name, value]) => `${name.padEnd(26)}${value}`).join('\n');
}

function spoken({ median, min, max }: Figure): string {
  return `${median} [${min}..${max}]`;
}
