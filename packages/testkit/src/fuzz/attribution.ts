import type { Played, Playing } from './caller.ts';
import type { Row } from './ledger.ts';
import { isDecisionOn, sameMessage } from './oracle.ts';
import { type Arrived, answerNumber } from './upstream.ts';

/** What is known of the cases at the moment of sorting. Times are of `performance.now()`. */
export interface Scene {
  /** Cases whose connection has ended. */
  readonly ended: readonly Played[];
  /** Cases whose caller is still there. */
  readonly playing: readonly Playing[];
  /** Decisions that allowed a call from an address, as far as the record has been read. */
  allowedFrom(address: string): readonly Row[];
  /** The record has been read up to this time. */
  readonly readUntil: number;
}

export interface Attribution {
  /** What each case made the gateway send. What no case sent is with none of them, now and later. */
  readonly of: ReadonlyMap<Playing, readonly Arrived[]>;
  /** What cannot be told yet: the cases that may have sent it are to be judged later. */
  readonly open: readonly Arrived[];
}

/**
 * Which case each forwarded request belongs to. The witnesses, best first: the caller that heard the upstream's answer
 * to it; the mark that the case put into its User-Agent; and, when the caller was gone and the mark with it, a case
 * that sent just this and was allowed a call like it that no other request has used. The last is asked only when all
 * that could have sent it have ended: until then one of them may still hear the answer.
 */
export function attribute(arrived: readonly Arrived[], scene: Scene): Attribution {
  const { ended, playing } = scene;
  const of = new Map<Playing, Arrived[]>();
  const give = (owner: Playing, one: Arrived) => void of.set(owner, [...(of.get(owner) ?? []), one]);
  const hearers = new Map(ended.flatMap((played) => numbersHeard(played.heard).map((n) => [n, played])));
  const marks = new Map([...ended, ...playing].map((one) => [String(one.number), one]));
  const silent: Arrived[] = [];
  for (const one of arrived) {
    const owner = hearers.get(one.number) ?? marks.get(markOf(one.raw) ?? '');
    if (owner === undefined) silent.push(one);
    else give(owner, one);
  }
  const isOpen = ({ at }: Arrived) => at >= scene.readUntil || playing.some(({ began }) => began <= at);
  for (const one of silent) {
    if (isOpen(one)) continue;
    const senders = ended.filter((played) => couldHaveSent(played, one));
    // The gateway may have sent what it refused: then it is with a case that tried, and found there.
    const owner = senders.find((sender) => hasUnused(sender, one, of.get(sender) ?? [])) ?? senders[0];
    if (owner !== undefined) give(owner, one);
  }
  return { of, open: silent.filter(isOpen) };

  function hasUnused({ address }: Played, one: Arrived, its: readonly Arrived[]): boolean {
    const [method, target] = lineOf(one);
    const decided = scene.allowedFrom(address).filter((row) => isDecisionOn(row, method, target));
    const used = its.filter((other) => lineOf(other).join(' ') === `${method} ${target}`);
    return decided.length > used.length;
  }
}

/** Whether a case sent this, byte for byte, or what begins with the same request line. */
export function couldHaveSent({ began, sent, read }: Playing, { at, request, raw }: Arrived): boolean {
  if (began > at) return false;
  return request === null
    ? sent.includes(raw.split(' HTTP/', 1)[0] ?? '')
    : read.requests.some((one) => sameMessage(one, request));
}

/** Numbers of the answers that came back to a caller, also those of which only the head did. */
function numbersHeard(heard: string): readonly number[] {
  return [...heard.matchAll(/^x-request-id: (\S+)\r$/gim)].flatMap(([, id = '']) => answerNumber(id) ?? []);
}

/** The number of the case in the User-Agent; it is there twice, so that one with a slip in it is seen to be none. */
function markOf(raw: string): string | undefined {
  const [, number, again] = /\r\nuser-agent: (?:fuzz|other)-(\d+)-(\d+)\r/i.exec(raw) ?? [];
  return number === again ? number : undefined;
}

function lineOf({ raw }: Arrived): readonly [method: string, target: string] {
  const [method = '', target = ''] = raw.split(' ', 2);
  return [method, target];
}
