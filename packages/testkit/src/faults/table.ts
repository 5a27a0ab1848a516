import type { PlayedFault } from './run.ts';

const COLUMNS = ['runs', 'calls', 'kills', 'gaps', 'lost', 'double', 'wrong'] as const;
type Counts = Record<(typeof COLUMNS)[number], number>;

/** Fault × runs × calls × kills × gaps × lost × double × wrong, as text, with a line of totals. */
export function tableOf(results: readonly PlayedFault[]): string {
  const byFault = Map.groupBy(results, ({ fault }) => fault);
  const rows = [...byFault].map(([fault, played]) => [fault, countsOf(played)] as const);
  const lines = [...rows, ['all', countsOf(results)] as const].map(([fault, counts]) => [
    fault,
    ...COLUMNS.map((column) => String(counts[column])),
  ]);
  const table = [['fault', ...COLUMNS], ...lines];
  const widths =
    table[0]?.map((_, index) => Math.max(...table.map((line) => line[index]?.length ?? 0))) ?? [];
  return table
    .map((line) =>
      line
        .map((text, index) => (index === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[index] ?? 0)))
        .join('  '),
    )
    .join('\n');
}

function countsOf(results: readonly PlayedFault[]): Counts {
  const sum = (of: (played: PlayedFault) => number) => results.reduce((total, one) => total + of(one), 0);
  return {
    runs: results.length,
    calls: sum(({ calls }) => calls),
    kills: sum(({ kills }) => kills),
    gaps: sum(({ gaps }) => gaps),
    lost: sum(({ lost }) => lost.length),
    double: sum(({ double }) => double.length),
    wrong: sum(({ wrong }) => wrong.length),
  };
}
