import { percentile } from '../load.ts';
import type { Observed } from './neighbour.main.ts';
import { spokenCounts } from './tally.ts';

/** Milliseconds by which requests of one kind were answered, and how many were not answered as they should be. */
export interface Latencies {
  readonly asked: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** The same requests of one kind without the attacker, and with it. */
export interface Pair {
  readonly kind: string;
  readonly alone: Latencies;
  readonly beside: Latencies;
}

/** What the gateway's process came to while the neighbour was alone, or beside the attacker. Null: it was gone. */
export interface Strain {
  /** Milliseconds that its event loop was late at worst. */
  readonly stallMs: number;
  /** Of one core. */
  readonly cpuShare: number;
  /** Bytes, the most since its start. */
  readonly peakRss: number;
}

export interface Bounds {
  /** Bytes of resident memory. */
  readonly rss: number;
  /** Milliseconds of the 99th percentile of health, whatever it was alone. */
  readonly healthMs: number;
}

/** p99 beside an attacker: at most the larger of so many times what it was alone, and so many milliseconds more. */
const TIMES = 2;
const MORE_MS = 25;

export function latenciesOf({ milliseconds, errors }: Observed): Latencies {
  const sorted = Float64Array.from(milliseconds).sort();
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  return {
    asked: milliseconds.length + failed,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    worst: sorted.at(-1) ?? Number.NaN,
    errors,
  };
}

export function allowedP99(alone: number): number {
  return Math.max(TIMES * alone, alone + MORE_MS);
}

/** What is not as it should be, a sentence each; none: the cell is green. */
export function faultsOf(
  pairs: readonly Pair[],
  strain: { readonly beside: Strain | null },
  bounds: Bounds,
): readonly string[] {
  const faults = pairs.flatMap((pair) => faultsOfPair(pair, bounds));
  if (strain.beside === null) faults.push('the gateway ended, or said nothing any more');
  else if (strain.beside.peakRss > bounds.rss)
    faults.push(`memory: ${megabytes(strain.beside.peakRss)}, and ${megabytes(bounds.rss)} is the bound`);
  return faults;
}

function faultsOfPair({ kind, alone, beside }: Pair, bounds: Bounds): readonly string[] {
  const faults: string[] = [];
  if (hasErrors(alone)) faults.push(`${kind}: alone already ${spokenErrors(alone)}`);
  if (hasErrors(beside)) faults.push(`${kind}: ${spokenErrors(beside)}`);
  const allowed = allowedP99(alone.p99);
  // Written so that no answer at all, which has no percentile, is a fault too.
  if (!isReadiness(kind) && !(beside.p99 <= allowed))
    faults.push(`${kind}: p99 ${ms(beside.p99)}, alone ${ms(alone.p99)}, so ${ms(allowed)} is allowed`);
  if (isHealth(kind) && !(beside.p99 <= bounds.healthMs))
    faults.push(`${kind}: p99 ${ms(beside.p99)}, and ${ms(bounds.healthMs)} is the bound`);
  return faults;
}

/** Worked out once a second, by asking the database: its percentiles are of a dozen questions, and it is held to its answers. */
function isReadiness(kind: string): boolean {
  return kind === 'ready';
}

/** On whichever port. */
export function isHealth(kind: string): boolean {
  return kind.startsWith('health');
}

function hasErrors({ errors }: Latencies): boolean {
  return Object.keys(errors).length > 0;
}

function spokenErrors({ asked, errors }: Latencies): string {
  return `of ${asked} not answered as they should be: ${spokenCounts(errors)}`;
}

/** Milliseconds for a person: with a decimal where one counts. */
export function ms(value: number): string {
  if (Number.isNaN(value)) return 'never';
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MB`;
}
