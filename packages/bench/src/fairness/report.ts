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

/** A line a cell: of the neighbour's requests, health apart, the kind that fared worst, and the errors of all. */
export function tableOf(played: readonly PlayedCell[]): string {
  const rows = played.map(({ cell, pairs, strain, faults }) => {
    const [worst] = pairs.filter(({ kind }) => !isHealth(kind)).sort(worstFirst);
    const health = pairs.filter(({ kind }) => isHealth(kind)).map(({ beside }) => beside.p99);
    return [
      cell,
      worst === undefined ? '' : `${worst.kind} ${ms(worst.alone.p99)}`,
      worst === undefined ? '' : ms(worst.beside.p99),
      `${pairs.reduce((sum, { beside }) => sum + errorsOf(beside), 0)} of ${pairs.reduce((sum, { beside }) => sum + beside.asked, 0)}`,
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

/** Percentiles are of what was answered: where much was not, they say little. */
function worstFirst(one: Pair, other: Pair): number {
  const by = errorsOf(other.beside) / other.beside.asked - errorsOf(one.beside) / one.beside.asked;
  return by === 0 ? other.beside.p99 / other.alone.p99 - one.beside.p99 / one.alone.p99 : by;
}

function errorsOf({ errors }: Pair['beside']): number {
  return Object.values(errors).reduce((sum, count) => sum + count, 0);
}
