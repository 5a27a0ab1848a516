import { type ChainedEvent, verifyChain } from '@ideogate/audit';
import type { MadeCall } from './callers.ts';
import type { Arrival } from './upstream.ts';

/** A gateway as it ended. */
export interface EndedGateway {
  readonly writer: string;
  readonly killed: boolean;
}

/** All that is known of a run: what callers got, what the upstream received, and the record at the end. */
export interface Evidence {
  readonly calls: readonly MadeCall[];
  readonly arrivals: readonly Arrival[];
  /** Markers of calls that arrived while their decision was not committed yet. */
  readonly early: readonly string[];
  /** By writer, then in the order of its chain. */
  readonly events: readonly ChainedEvent[];
  readonly gateways: readonly EndedGateway[];
  /** How long a refusal waits for its row before it is answered all the same, milliseconds. */
  readonly commitMs: number;
}

/** What is wrong with a run, a sentence each; all empty when nothing is. */
export interface Verdict {
  /** Something happened of which the record does not tell. */
  readonly lost: readonly string[];
  /** Told, or sent, twice. */
  readonly double: readonly string[];
  /** Told, and not as it was. */
  readonly wrong: readonly string[];
}

/** What the record says of one call. */
interface Told {
  readonly decisions: ChainedEvent[];
  /** True ones. */
  readonly outcomes: ChainedEvent[];
  readonly unknowns: ChainedEvent[];
}

/** Holds the record against what callers and upstream know. */
export function judge(evidence: Evidence): Verdict {
  const judging = new Judging(evidence);
  judging.arrivals();
  judging.answers();
  judging.decisions();
  judging.counts();
  judging.chains();
  return judging.verdict;
}

class Judging {
  readonly verdict = { lost: [] as string[], double: [] as string[], wrong: [] as string[] };
  readonly #evidence: Evidence;
  readonly #byCall: ReadonlyMap<string, Told>;
  readonly #byMarker: ReadonlyMap<string, Told>;
  readonly #arrivals: ReadonlyMap<string, number>;
  readonly #gateways: ReadonlyMap<string, EndedGateway>;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    this.#byCall = toldByCall(evidence.events);
    this.#byMarker = byMarker(this.#byCall);
    this.#arrivals = countOf(evidence.arrivals.map(({ marker }) => marker ?? 'none'));
    this.#gateways = new Map(evidence.gateways.map((gateway) => [gateway.writer, gateway]));
  }

  /** Every upstream request has a decision that allowed it, committed before it went out, and went out once. */
  arrivals(): void {
    for (const marker of this.#evidence.early)
      this.verdict.lost.push(`call ${marker} went to the upstream before its decision was committed`);
    for (const [marker, times] of this.#arrivals) {
      if (times > 1) this.verdict.double.push(`call ${marker} went to the upstream ${times} times`);
      const told = this.#byMarker.get(marker);
      const allowed = told?.decisions.some(({ result }) => result === 'allowed') ?? false;
      if (!allowed)
        this.verdict.lost.push(`call ${marker} went to the upstream without a decision on record`);
      if (told?.outcomes.some(({ result }) => result === 'not-forwarded'))
        this.verdict.wrong.push(
          `call ${marker} went to the upstream, and the record says it wasn't forwarded`,
        );
    }
  }

  /** Every answered call has its row, which says what was answered. */
  answers(): void {
    for (const call of this.#evidence.calls) {
      const { answer, marker } = call;
      if (answer === null) continue;
      const told = this.#byMarker.get(marker);
      const [decision] = told?.decisions ?? [];
      if (decision === undefined) {
        if (!this.#mayBeMissing(call))
          this.verdict.lost.push(`call ${marker} was answered ${answer.status} and has no row`);
        continue;
      }
      if (answer.callId !== null && decision.callId !== answer.callId)
        this.verdict.wrong.push(
          `call ${marker} was told the id ${answer.callId}, and its row has another: ${decision.callId}`,
        );
      // as: the columns of a row hold the status as a number, whichever kind of event it is
      const ending = decision.result === 'refused' ? decision : told?.outcomes[0];
      const told503 = answer.problem === 'record-unavailable';
      if (told503 && ending !== undefined && ending.result !== 'not-forwarded')
        this.verdict.wrong.push(`call ${marker} was told 503, and the record says ${ending.result}`);
      if (!told503 && answer.whole && ending !== undefined && ending.status !== answer.status)
        this.verdict.wrong.push(
          `call ${marker} was answered ${answer.status}, and the record says ${ending.status} (${ending.result})`,
        );
    }
  }

  /** Each call is told of once, and each allowed one has its outcome, unless its gateway was killed. */
  decisions(): void {
    for (const [callId, { decisions, outcomes, unknowns }] of this.#byCall) {
      if (decisions.length > 1)
        this.verdict.double.push(`call ${callId} has ${decisions.length} decisions on record`);
      if (outcomes.length > 1)
        this.verdict.double.push(`call ${callId} has ${outcomes.length} outcomes on record`);
      if (unknowns.length > 1)
        this.verdict.double.push(`call ${callId} was closed as unknown ${unknowns.length} times`);
      const [decision] = decisions;
      if (decision === undefined) {
        this.verdict.lost.push(`call ${callId} has an outcome and no decision`);
        continue;
      }
      if (decision.result !== 'allowed' || outcomes.length > 0) continue;
      if (!this.#gateways.get(decision.writer)?.killed)
        this.verdict.lost.push(
          `call ${callId} has no outcome, and the gateway that decided it stopped in order`,
        );
      else if (unknowns.length === 0)
        this.verdict.lost.push(`call ${callId} has no outcome, and no gap was closed`);
    }
  }

  /** Of a gateway that stopped in order the record sums up exactly the calls without a row. */
  counts(): void {
    for (const { writer, killed } of this.#evidence.gateways) {
      if (killed) continue;
      const rowless = this.#evidence.calls.filter(
        (call) => call.writer === writer && !this.#byMarker.has(call.marker),
      );
      const answered = rowless.filter(({ answer }) => answer !== null).length;
      const summed = this.#summedBy(writer);
      // A call that had no answer may never have come to be one.
      if (summed < answered || summed > rowless.length)
        this.verdict.lost.push(
          `gateway ${writer} sums up ${summed} calls without a row, and ${answered} to ${rowless.length} have none`,
        );
    }
  }

  #summedBy(writer: string): number {
    return this.#evidence.events
      .filter((event) => event.writer === writer && event.result === 'refusals-summed')
      .reduce((sum, { detail }) => sum + Number((JSON.parse(detail ?? '{}') as { count?: string }).count), 0); // as: contract's NoticeName
  }

  /** Every chain is whole from its writer's first word on; to its last, where the writer stopped in order. */
  chains(): void {
    const chains = Map.groupBy(this.#evidence.events, ({ writer }) => writer);
    for (const [writer, events] of chains) {
      const fault = verifyChain(events);
      if (fault !== null)
        this.verdict[fault.fault === 'hole' ? 'lost' : 'wrong'].push(
          `chain ${writer} is ${fault.fault} at ${fault.seq}`,
        );
      for (const { result, reason, detail } of events)
        if (result === 'events-lost')
          this.verdict.lost.push(`chain ${writer} tells of a loss: ${reason} ${detail}`);
      if (events[0]?.result !== 'writer-opened')
        this.verdict.lost.push(`chain ${writer} does not begin with its writer's registration`);
      const stopped = this.#gateways.get(writer)?.killed === false;
      if (stopped && events.at(-1)?.result !== 'writer-closed')
        this.verdict.lost.push(`chain ${writer} is not closed, and its gateway stopped in order`);
    }
  }

  /** A call that was told 503, and a refusal answered after its wait: both are summed instead. */
  #mayBeMissing({ answer, writer, durationMs }: MadeCall): boolean {
    if (answer === null || answer.problem === null) return false;
    if (answer.problem === 'record-unavailable') return true;
    // `counts` holds a gateway that stopped in order to its sum; a killed one took with it what it had not summed.
    return !this.#gateways.get(writer)?.killed || durationMs >= this.#evidence.commitMs;
  }
}

function toldByCall(events: readonly ChainedEvent[]): ReadonlyMap<string, Told> {
  const calls = new Map<string, Told>();
  for (const event of events) {
    if (event.callId === null) continue;
    const told = calls.get(event.callId) ?? { decisions: [], outcomes: [], unknowns: [] };
    calls.set(event.callId, told);
    if (event.kind === 'decision') told.decisions.push(event);
    else if (event.result === 'unknown') told.unknowns.push(event);
    else told.outcomes.push(event);
  }
  return calls;
}

/** The trace id of a call's decision is its marker. */
function byMarker(calls: ReadonlyMap<string, Told>): ReadonlyMap<string, Told> {
  const told = [...calls.values()];
  return new Map(told.flatMap((call) => call.decisions.map(({ traceId }) => [traceId ?? 'none', call])));
}

function countOf(values: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
