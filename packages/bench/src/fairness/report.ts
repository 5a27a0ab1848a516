import { isHealth, megabytes, ms, type Pair, type Strain } from './judge.ts';
import { spokenCounts } from './tally.ts';

/** A cell that was played. */
export interface PlayedCell {
  readonly cell: string;
  readonly attack: string;
  readonly pairs: readonly Pair[];
  readonly strain: { readonly alone: Strain | null; readonly beside: Strain | null };
  /** What the attacker saw. */
  readonly seen: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

/** All of one cell, as soon as it was played. */
export function blockOf({ cell, attack, pairs, strain, seen, faults }: PlayedCell): string {
  const lines = [`${faults.length === 0 ? 'ok    ' : 'FAILED'}  ${cell}: ${attack}`];
  for (const { kind, alone, beside } of pairs) {
    const of = ({ p50, p99, worst }: Pair['alone']) => [p50, p99, worst].map(ms).join(' / ');
    lines.push(`        ${kind.padEnd(14)} alone ${of(alone).padEnd(30)} beside ${of(beside)}`);
  }
  lines.push(`        gateway        alone ${spoken(strain.alone)}; beside ${spoken(strain.beside)}`);
  lines.push(`        attacker       saw ${spokenCounts(seen)}`);
  for (const fault of faults) lines.push(`        !! ${fault}`);
  return lines.join('\n');
}

function spoken(strain: Strain | null): string {
  if (strain === null) return 'gone';
  const { stallMs, cpuShare, peakRss } = strain;
  return `loop late by ${ms(stallMs)} at worst, ${Math.round(cpuShare * 100)} % of a core, ${megabytes(peakRss)}`;
}

const HEADS = ['cell', 'p99 alone', 'p99 beside', 'errors', 'health p99', 'loop late', 'memory', ''] as const;

/** A line a cell: of the neighbour's calls, health apart, the kind that fared worst. */
export function tableOf(played: readonly PlayedCell[]): string {
  const rows = played.map(({ cell, pairs, strain, faults }) => {
    const worst = pairs
      .filter(({ kind }) => !isHealth(kind))
      .reduce<Pair | null>(
        (most, pair) => (most === null || factor(pair) > factor(most) ? pair : most),
        null,
      );
    const health = pairs.filter(({ kind }) => isHealth(kind)).map(({ beside }) => beside.p99);
    return [
      cell,
      worst === null ? '' : `${worst.kind} ${ms(worst.alone.p99)}`,
      worst === null ? '' : ms(worst.beside.p99),
      String(pairs.reduce((sum, { beside }) => sum + errorsOf(beside), 0)),
      ms(Math.max(...health)),
      strain.beside === null ? 'gone' : ms(strain.beside.stallMs),
      strain.beside === null ? 'gone' : megabytes(strain.beside.peakRss),
      faults.length === 0 ? 'ok' : 'FAILED',
    ];
  });
  const widths = HEADS.map((head, at) => Math.max(head.length, ...rows.map((row) => row[at]?.length ?? 0)));
  return [HEADS, ...rows]
    .map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function factor({ alone, beside }: Pair): number {
  return Number.isNaN(beside.p99) ? Number.POSITIVE_INFINITY : beside.p99 / alone.p99;
}

function errorsOf({ errors }: Pair['beside']): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0);
}
