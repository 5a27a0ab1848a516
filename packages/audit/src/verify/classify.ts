import { digestOfHeads, type Head } from '../checkpoints/checkpoint.ts';
import { isoFromMicros } from '../timestamp.ts';
import type { ChainState } from './chain-state.ts';
import type { Checkpoints } from './checkpoints.ts';
import { classifyChain, movedUpBy } from './classify-chain.ts';
import { type Expected, growsWithin } from './expected.ts';
import { Findings, range } from './findings.ts';
import type { FixedPoint } from './fixed-points.ts';
import type { DecisionsState, OpenDecision } from './open-decisions.ts';

/** What the first pass saw. */
export interface Seen {
  readonly chains: ReadonlyMap<string, ChainState>;
  /** How many anomalies there are beyond those of the chains, which aren't all kept. */
  readonly dropped: number;
  /** What is wrong with the files that the events were read from. */
  readonly findings: Findings;
  readonly events: number;
  readonly decisions: DecisionsState;
}

/** Which ends of calls may be elsewhere. */
export interface CallEnds {
  /** Whether the end of a call that was allowed then, in microseconds, may still be told, or elsewhere. */
  readonly mayEnd: (at: number) => boolean;
  /** Decisions of outcomes before this, in microseconds, may be elsewhere. */
  readonly decidedFrom: number;
}

/** What there is to tell of the events of a record. */
export interface Verdict {
  readonly findings: Findings;
  /** What is no fault, and good to know. */
  readonly notes: readonly string[];
  /** Allowed calls without an outcome that may still get one, or have it elsewhere. */
  readonly open: number;
  /** Events that no checkpoint fixes yet. */
  readonly tail: number;
}

/** The second pass: what was done to the record, by all that was seen of it and what checkpoints say. No I/O. */
export function classify(
  seen: Seen,
  checkpoints: Checkpoints,
  expected: Expected,
  { mayEnd, decidedFrom }: CallEnds,
): Verdict {
  const { chains, decisions } = seen;
  const findings = new Findings(seen.findings.all(), seen.findings.count);
  for (const [writer, chain] of chains) findings.addAll(classifyChain(writer, chain, expected));
  findings.addAll([], seen.dropped);
  const whole = expected.months === null;
  const notes = [
    checkEnds(chains, checkpoints, expected, findings),
    whole ? checkChainHeads(chains, checkpoints, findings) : null,
  ].filter((note) => note !== null);
  if (checkpoints.count === 0 && checkpoints.findings.count === 0) {
    // A writer's coming is signed within seconds, so a record without any checkpoint has lost them all.
    const what = seen.events === 0 ? 'no event and no checkpoint' : 'no genuine checkpoint';
    findings.add('removed', null, null, `there is ${what}, and so no proof of anything`);
  }
  // In a record that isn't whole it may be the decision that is missing, which is told already.
  if (whole && findings.count === 0) checkStrays(decisions.strays, decidedFrom, findings);
  const open = checkDecisions(decisions.open, mayEnd, findings);
  return { findings, notes, open, tail: tailOf(chains, expected) };
}

/** A chain that checkpoints fix more of than there is. */
interface ShortChain {
  readonly writer: string;
  readonly has: number;
  readonly point: FixedPoint;
}

/**
 * Tells what chains lack of what checkpoints fix: each its end, or all of them what came after a backup.
 * @returns words, where checkpoints are missing that nothing is missing with
 */
function checkEnds(
  chains: Seen['chains'],
  checkpoints: Checkpoints,
  expected: Expected,
  findings: Findings,
): string | null {
  const keptOnly = checkpoints.keptOnly();
  const last = checkpoints.own.end.last?.number ?? 0;
  const short = shortChains(chains, expected);
  for (const { writer, has, point } of short) {
    if (keptOnly.has(point.number)) continue;
    const what = has === 0 ? 'the chain is gone' : `the chain ends after event ${has}`;
    findings.add('cut-off', writer, has + 1, `${what}; checkpoint ${point.number} fixes event ${point.seq}`);
  }
  const lost = short.filter(({ point }) => keptOnly.has(point.number));
  const ahead = [...keptOnly].filter((number) => number > last);
  if (lost.length > 0) {
    const events = lost.reduce((sum, { has, point }) => sum + point.seq - has, 0);
    const what = `checkpoints kept elsewhere fix ${events} events, of ${lost.length} chains, that are not here`;
    const how = `an old state was put back, of checkpoint ${last} or soon after`;
    findings.add('rolled-back', null, last + 1, `${what}: ${how}`);
  } else if (ahead.length > 0 && expected.months === null) {
    const from = Math.min(...ahead);
    const which = range('checkpoint', from, Math.max(...ahead));
    // A checkpoint was in the record before its last events were, whatever the clocks say, where the next one was begun
    // before them: none is begun before the one before it is in.
    const isPassed = (number: number) =>
      isWithout(keptOnly, last + 1, number + 1) && goesBeyond(chains, expected, number + 1);
    if (!ahead.some((number) => number <= checkpoints.surelyOwn || isPassed(number)))
      return `${which}, kept elsewhere: signed while the export was being made or just before, and not in it; all that was fixed by then is`;
    findings.add('removed', null, from, `${which}, kept elsewhere, are not here any more`);
  }
  return null;
}

function shortChains(chains: Seen['chains'], { fixed, months, upTo }: Expected): readonly ShortChain[] {
  return [...fixed].flatMap(([writer, points]) => {
    const chain = chains.get(writer);
    // Of months alone, one that has nothing in the last may have ended anywhere, but for what it grew by within a month.
    const grew = months !== null && !(chain !== undefined && chain.head.at >= months.lastFrom);
    const upToHere = months?.upTo ?? upTo;
    const point = points.last((each) => (grew ? growsWithin(months, each) : each.number <= upToHere));
    const has = chain === undefined ? 0 : chain.head.seq + movedUpBy(chain);
    const rewritten = chain?.anomalies.some(({ kind }) => kind === 'contradicted') === true;
    return point === undefined || point.seq <= has || rewritten ? [] : [{ writer, has, point }];
  });
}

function isWithout(numbers: ReadonlySet<number>, from: number, to: number): boolean {
  for (let number = from; number <= to; number++) if (!numbers.has(number)) return false;
  return true;
}

/** Whether events are here that were written after this checkpoint was begun. All up to it must be known. */
function goesBeyond(chains: Seen['chains'], { fixed }: Expected, number: number): boolean {
  const known = (point: FixedPoint) => point.number <= number;
  return [...chains].some(([writer, { head }]) => head.seq > (fixed.get(writer)?.last(known)?.seq ?? 0));
}

/** Chains that were quiet for so long when a checkpoint was made had nothing under way; microseconds. */
const QUIET = 300_000_000;

/**
 * Compares where all chains stood with what a single checkpoint fixes of all of them, by their number and digest.
 * @returns words, when it could not be told
 */
function checkChainHeads(
  chains: Seen['chains'],
  checkpoints: Checkpoints,
  findings: Findings,
): string | null {
  const { last, heads: known } = checkpoints.unproved()?.end ?? {};
  if (last === undefined || known === undefined) return null;
  const heads = new Map<string, Head>();
  let quiet = true;
  for (const [writer, { chainHeadAt, head }] of chains) {
    if (chainHeadAt === null) continue;
    heads.set(writer, { writer, ...chainHeadAt });
    if (!known.has(writer) && head.at > Number(last.atMicros) - QUIET) quiet = false;
  }
  for (const [writer, head] of known) heads.set(writer, head);
  if (heads.size === last.chains && digestOfHeads(heads.values()) === last.digest) return null;
  const what = `checkpoint ${last.number} fixes ${last.chains} chains`;
  if (heads.size < last.chains)
    findings.add('cut-off', null, last.number, `${what}, and there are ${heads.size}`);
  else if (quiet) findings.add('changed', null, last.number, `${what}, and one of them stands otherwise`);
  else return `${what}, which it alone cannot prove while they grow: give those before it too`;
  return null;
}

/** Tells which calls nobody told the end of. @returns of how many it may still be told, or elsewhere */
function checkDecisions(
  decisions: readonly OpenDecision[],
  mayEnd: CallEnds['mayEnd'],
  findings: Findings,
): number {
  let open = 0;
  for (const { callId, writer, seq, at } of decisions) {
    const time = isoFromMicros(BigInt(at));
    if (mayEnd(at)) open += 1;
    else findings.add('gap', writer, seq, `call ${callId} was allowed at ${time} and has no outcome`);
  }
  return open;
}

/** Tells which events say how a call ended for a second time, or of one that their writer didn't let go on. */
function checkStrays(strays: readonly OpenDecision[], decidedFrom: number, findings: Findings): void {
  for (const { callId, writer, seq, at } of strays) {
    if (at < decidedFrom) continue;
    const what = `event ${seq} tells how call ${callId} ended`;
    const why = 'which its writer did not let go on, or had told the end of';
    findings.add('inserted', writer, seq, `${what}, ${why}`);
  }
}

function tailOf(chains: Seen['chains'], { fixed }: Expected): number {
  let events = 0;
  for (const [writer, { head }] of chains)
    events += head.seq - (fixed.get(writer)?.last(({ seq }) => seq <= head.seq)?.seq ?? 0);
  return events;
}
