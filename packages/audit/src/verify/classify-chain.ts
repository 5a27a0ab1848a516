import { isoFromMicros } from '../timestamp.ts';
import { allOf, type Anomaly, type AnomalyOf, lastOf } from './anomalies.ts';
import type { ChainState } from './chain-state.ts';
import type { Expected } from './expected.ts';
import { type FaultName, type Finding, range } from './findings.ts';
import { areExchanged } from './origins.ts';

/** A finding about one chain. */
type Told = Omit<Finding, 'writer'>;

/** Several anomalies that are one thing: how it is told, and of which events it explains what else was seen. */
interface Explanation {
  readonly told: Told;
  readonly explains: readonly (readonly [from: number, to: number])[];
}

/** What was done to a chain, by all that was seen of it. */
export function classifyChain(writer: string, chain: ChainState, expected: Expected): readonly Finding[] {
  const points = expected.fixed.get(writer);
  const { anomalies, head } = chain;
  const explanations = [
    ...exchanges(anomalies),
    ...displacements(chain),
    ...strangerAtEnd(chain, points?.last()?.seq ?? 0),
  ];
  const told: Told[] = [
    ...unexplained(anomalies, explanations).flatMap((anomaly) => tellAlone(anomaly) ?? []),
    ...explanations
      .filter(({ told: { seq } }, index) => !isExplained(seq, explanations.slice(index + 1)))
      .map((explanation) => explanation.told),
    ...missing(chain, explanations, expected),
  ];
  const due = points?.last(({ number }) => number <= expected.upTo)?.seq ?? 0;
  told.push(...rewritten(chain, told, expected.months === null ? due - head.seq : 0));
  const since = points?.first()?.number === 1 ? null : expected.openedSince;
  const unopened = withoutOpening(chain, told, since);
  if (unopened !== null)
    told.splice(0, told.length, ...told.filter(({ seq }) => seq === null || seq > head.seq), unopened);
  told.push(...unknownToLast(chain, told));
  return told.map(({ fault, seq, detail }) => ({ fault, writer, seq, detail }));
}

/** How many events less a chain has since others were moved up over what was removed. */
export function movedUpBy(chain: ChainState): number {
  return displacements(chain).at(-1)?.lost ?? 0;
}

function tell(fault: FaultName, seq: number | null, detail: string): Told {
  return { fault, seq, detail };
}

function isToldOf(told: readonly Told[], from: number, to: number): boolean {
  return told.some(({ seq }) => seq !== null && from <= seq && seq <= to);
}

function isExplained(seq: number | null, explanations: readonly Explanation[]): boolean {
  return explanations.some(({ explains }) =>
    explains.some(([from, to]) => seq !== null && from <= seq && seq <= to),
  );
}

/** The anomalies that are nothing but themselves. */
function unexplained(anomalies: readonly Anomaly[], explanations: readonly Explanation[]): Anomaly[] {
  // Once the event came that belongs there, what was seen of another at its place is explained.
  const fitting = new Map<number | null, number>();
  for (const [index, anomaly] of anomalies.entries())
    if (anomaly.kind === 'second' && anomaly.fits) fitting.set(anomaly.seq, index);
  return anomalies.filter(
    ({ seq }, index) => index >= (fitting.get(seq) ?? 0) && !isExplained(seq, explanations),
  );
}

/** Null for what is told in another way, or not at all. */
function tellAlone(anomaly: Anomaly): Told | null {
  const { kind, seq } = anomaly;
  switch (kind) {
    case 'mismatched':
      return tell('changed', seq, `event ${seq} does not match its hash`);
    case 'unlinked':
      return tell('changed', seq, `event ${seq} is not the one that event ${seq + 1} was chained to`);
    case 'archived-unlinked':
      return tell('changed', seq, `event ${seq}, archived, was chained to another`);
    case 'late':
      // A chain whose beginning came last is one of two files that were given in another order.
      if (seq === 1) return null;
      return tell('reordered', seq, `event ${seq} comes after event ${anomaly.after}`);
    case 'forked':
      return tell('forked', seq, `two sound events stand at place ${seq}, after the same one`);
    case 'second':
      return tell('inserted', seq, `a second event stands at place ${seq}`);
    case 'replayed':
      return seq === anomaly.to
        ? tell('inserted', seq, `a second event stands at place ${seq}`)
        : tell('inserted', seq, `second events stand at places from ${seq}`);
    case 'after-closing':
      return tell('inserted', seq, `event ${seq} stands after its writer had closed the chain`);
    case 'impossible-seq':
      return tell('inserted', seq, 'an event has a place that no writer gives');
    case 'other-environment': {
      const { environment, expected } = anomaly;
      return tell(
        'inserted',
        seq,
        `event ${seq} is of ${environment}, and this is the record of ${expected}`,
      );
    }
    case 'beheaded': {
      const { to, number } = anomaly;
      const what = `${range('event', seq, to)} missing, and whatever checkpoint ${number} fixes before`;
      return tell('removed', seq, what);
    }
    case 'not-archived': {
      const { to, month, why } = anomaly;
      const what = `${range('event', seq, to)} missing: the database says that month ${month} took them`;
      return tell('removed', seq, `${what}, and ${why}`);
    }
    case 'unopened':
    case 'displaced':
    case 'contradicted':
    case 'unknown':
      return null;
  }
}

/** Pairs of events whose hashes are right once something of the two is exchanged. */
function exchanges(anomalies: readonly Anomaly[]): readonly Explanation[] {
  const found: Explanation[] = [];
  const rest = allOf(unexplained(anomalies, []), 'mismatched').flatMap(({ seq, hash, form }) =>
    form === null ? [] : [{ seq, hash, form }],
  );
  for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
    const first = one;
    const index = rest.findIndex((candidate) => areExchanged(first, candidate));
    const [other] = index === -1 ? [] : rest.splice(index, 1);
    if (other === undefined) continue;
    const told = tell('reordered', one.seq, `events ${one.seq} and ${other.seq} have changed places`);
    found.push({
      told,
      explains: [
        [one.seq, one.seq],
        [other.seq, other.seq],
      ],
    });
  }
  return found;
}

/** Stretches of events that were moved, and why: by what was removed before them, or slipped in. */
function displacements({
  anomalies,
  head,
}: ChainState): readonly (Explanation & { readonly lost: number })[] {
  return neighbours(allOf(anomalies, 'displaced')).map(([first, ...others]) => {
    const { seq, by } = first;
    const { to } = others.at(-1) ?? first;
    if (others.length > 0 || to < head.seq) {
      const told = `${range('event', seq, to)} stand elsewhere than they were written`;
      return { told: tell('reordered', seq, told), explains: [], lost: 0 };
    }
    if (by > 0) {
      const told = `${range('event', seq, seq + by - 1)} and all after it were moved up over what was removed`;
      return { told: tell('removed', seq, told), explains: [], lost: by };
    }
    const from = seq + by;
    const told = `${range('event', from, seq - 1)} was slipped in, and all after it moved down`;
    return { told: tell('inserted', from, told), explains: [[from, seq - 1]], lost: 0 };
  });
}

type Displaced = AnomalyOf<'displaced'>;

/** Stretches that touch one another. */
function neighbours(stretches: readonly Displaced[]): readonly (readonly [Displaced, ...Displaced[]])[] {
  const groups: [Displaced, ...Displaced[]][] = [];
  for (const stretch of stretches) {
    const group = groups.at(-1);
    if (group?.at(-1)?.to === stretch.seq - 1) group.push(stretch);
    else groups.push([stretch]);
  }
  return groups;
}

/**
 * An event at the end of a chain that fits nothing, and that no checkpoint knows: it was never part of it.
 * @param fixed the last place that a checkpoint fixes
 */
function strangerAtEnd({ anomalies, head: { seq } }: ChainState, fixed: number): readonly Explanation[] {
  const last = lastOf(unexplained(anomalies, []), 'mismatched');
  if (last?.seq !== seq || !last.detached || seq <= fixed) return [];
  const told = tell('inserted', seq, `event ${seq} fits neither its hash nor the event before it`);
  return [{ told, explains: [[seq, seq]] }];
}

function missing(
  { holes, head }: ChainState,
  explanations: readonly Explanation[],
  { months }: Expected,
): readonly Told[] {
  // What a stranger stands after was never there.
  const isBeforeStranger = (to: number) =>
    to === head.seq - 1 &&
    explanations.some(({ told }) => told.seq === head.seq && told.fault === 'inserted');
  return holes
    .filter(({ to, between }) => !isBeforeStranger(to) && months?.lacksBetween(...between) !== true)
    .map(({ from, to }) => tell('removed', from, `${range('event', from, to)} missing`));
}

/** @param lacking how many events less there are than a checkpoint fixes */
function rewritten({ anomalies }: ChainState, told: readonly Told[], lacking: number): readonly Told[] {
  const broken = lastOf(anomalies, 'contradicted');
  if (broken === undefined || isToldOf(told, broken.after + 1, broken.seq + 1)) return [];
  const { seq, number, after } = broken;
  const what = `checkpoint ${number} fixes another event at place ${seq}: somewhere after event ${after}`;
  return [
    lacking > 0
      ? tell(
          'removed',
          seq,
          `${what} events are missing, ${lacking} in all, and all hashes after them were computed again`,
        )
      : tell('changed', seq, `${what} something was changed, and all hashes after it computed again`),
  ];
}

/**
 * Every writer says first that it is there.
 * @param since when writers began to, microseconds; null when it isn't known of this chain
 */
function withoutOpening({ anomalies, head }: ChainState, told: readonly Told[], since: number | null) {
  const unopened = lastOf(anomalies, 'unopened');
  if (unopened === undefined) return null;
  if (unopened.sound && (since === null || head.at <= since || isToldOf(told, 1, 1))) return null;
  return tell('inserted', 1, `no writer opened this chain, ${range('event', 1, head.seq)}`);
}

function unknownToLast({ anomalies, head }: ChainState, told: readonly Told[]): readonly Told[] {
  const unknown = lastOf(anomalies, 'unknown');
  if (unknown === undefined || isToldOf(told, 1, head.seq)) return [];
  const { seq, at, number } = unknown;
  const what = `${range('event', seq, head.seq)}, from ${isoFromMicros(BigInt(at))} on`;
  return [tell('inserted', seq, `${what}: checkpoint ${number} of later does not know of them`)];
}
