import { digestOfHeads, type Head } from '../checkpoints/checkpoint.ts';
import { isoFromMicros } from '../timestamp.ts';
import type { Chains } from './chains.ts';
import { type Evidence, newest } from './evidence.ts';
import type { Findings } from './findings.ts';
import type { OpenDecisions } from './open-decisions.ts';
import { range, type Trail } from './trail.ts';

/**
 * Says what chains lack of what checkpoints fix: each its end, or all of them what came after a backup.
 * @returns words, where checkpoints are missing that nothing is missing with
 */
export function concludeEnds(
  chains: Chains,
  evidence: Evidence,
  findings: Findings,
  partial: boolean,
): string | null {
  const keptOnly = evidence.keptOnly();
  const last = evidence.own.last()?.number ?? 0;
  const short = chains.short();
  for (const { writer, has, point } of short) {
    if (keptOnly.has(point.number)) continue;
    const what = has === 0 ? 'the chain is gone' : `the chain ends after event ${has}`;
    findings.add('cut-off', writer, has + 1, `${what}; checkpoint ${point.number} fixes event ${point.seq}`);
  }
  const lost = short.filter(({ point }) => keptOnly.has(point.number));
  const ahead = [...keptOnly].filter((number) => number > last);
  if (lost.length > 0) {
    const events = lost.reduce((sum, { has, point }) => sum + point.seq - has, 0);
    findings.add(
      'rolled-back',
      null,
      last + 1,
      `checkpoints kept elsewhere fix ${events} events, of ${lost.length} chains, that are not here: an old state was put back, of checkpoint ${last} or soon after`,
    );
  } else if (ahead.length > 0 && !partial) {
    const [from, to] = [Math.min(...ahead), Math.max(...ahead)];
    const which = range('checkpoint', from, to);
    if (!ahead.some((number) => number <= evidence.surelyOwn || isPassed(number, last, keptOnly, chains)))
      return `${which}, kept elsewhere: signed while the export was being made or just before, and not in it; all that was fixed by then is`;
    findings.add('removed', null, from, `${which}, kept elsewhere, are not here any more`);
  }
  return null;
}

/**
 * Whether a checkpoint was in the record before its last events were, whatever the clocks say: the next one was begun
 * before them, and none is begun before the one before it is in.
 * @param last of the record's own
 */
function isPassed(number: number, last: number, keptOnly: ReadonlySet<number>, chains: Chains): boolean {
  for (let each = last + 1; each <= number + 1; each++) if (!keptOnly.has(each)) return false;
  return chains.goBeyond(number + 1);
}

/** A writer's coming is signed within seconds, so a record without any checkpoint has lost them all. */
export function concludeNoCheckpoints(evidence: Evidence, events: number, findings: Findings): void {
  if (evidence.count > 0) return;
  const what = events === 0 ? 'no event and no checkpoint' : 'no genuine checkpoint';
  findings.add('removed', null, null, `there is ${what}, and so no proof of anything`);
}

/** How long after it is dated an event may reach the record, if its writer was cut off from it; microseconds. */
const LATE = 3_600_000_000;

/**
 * Says which ends of chains the last checkpoint should know and doesn't: what was written after it isn't of long before
 * it.
 */
export function concludeTails(evidence: Evidence, chains: Chains, findings: Findings): void {
  const last = evidence.lastOfAll()?.last();
  if (last === undefined) return;
  for (const { writer, from, to, at } of chains.unknown()) {
    if (at > Number(last.atMicros) - LATE || findings.has(writer, 1, to)) continue;
    const what = `${range('event', from, to)}, from ${isoFromMicros(BigInt(at))} on`;
    findings.add(
      'inserted',
      writer,
      from,
      `${what}: checkpoint ${last.number} of later does not know of them`,
    );
  }
}

/** The one checkpoint whose word on all chains has still to be compared: of a trail that began in the middle. */
export function unprovedTrail(evidence: Evidence): Trail | undefined {
  return evidence.lastOfAll() === undefined ? newest(evidence.trails()) : undefined;
}

/** Chains that were quiet for so long when a checkpoint was made had nothing under way; microseconds. */
const QUIET = 300_000_000;

/**
 * Compares where all chains stood with what a single checkpoint fixes of all of them, by their number and digest.
 * @returns words, when it could not be told
 */
export function concludeStanding(trail: Trail, chains: Chains, findings: Findings): string | null {
  const last = trail.last();
  if (last === undefined) return null;
  const { known } = trail.heads();
  const heads = new Map<string, Head>();
  let quiet = true;
  for (const { writer, seq, hash, at } of chains.standing()) {
    heads.set(writer, { writer, seq, hash });
    if (!known.has(writer) && at > Number(last.atMicros) - QUIET) quiet = false;
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

/**
 * Says which calls nobody told the end of.
 * @param mayEnd whether the end of a call that was allowed then, in microseconds, may still be told, or elsewhere
 * @returns how many may
 */
export function concludeDecisions(
  decisions: OpenDecisions,
  mayEnd: (at: number) => boolean,
  findings: Findings,
): number {
  let within = 0;
  for (const { callId, writer, seq, at } of decisions.open()) {
    if (mayEnd(at)) {
      within += 1;
      continue;
    }
    const time = isoFromMicros(BigInt(at));
    findings.add('gap', writer, seq, `call ${callId} was allowed at ${time} and has no outcome`);
  }
  return within;
}

/**
 * Says which events tell the end of a call a second time, or of one that their writer didn't let go on. In a record
 * that isn't whole it may be the decision that is missing, which is said already.
 * @param after microseconds: the decisions of earlier ones are elsewhere
 */
export function concludeStrays(decisions: OpenDecisions, after: number, findings: Findings): void {
  if (findings.count > 0) return;
  for (const { callId, writer, seq, at } of decisions.strays()) {
    if (at < after) continue;
    const what = `event ${seq} tells how call ${callId} ended`;
    findings.add(
      'inserted',
      writer,
      seq,
      `${what}, which its writer did not let go on, or had told the end of`,
    );
  }
}
