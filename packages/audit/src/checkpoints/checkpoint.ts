import { createHash } from 'node:crypto';
import { isoFromMicros } from '../timestamp.ts';
import { readNote } from './note.ts';

/**
 * A checkpoint states where every chain of the record stands. It is a signed note whose text is these lines:
 *
 *     ideogate checkpoint
 *     environment <name>
 *     number <1, 2, 3, …>
 *     time <RFC 3339, UTC, six decimals>
 *     previous <SHA-256 of the text of the checkpoint before; 64 zeros in the first>
 *     chains <how many> <SHA-256 over a line `<writer> <seq> <hash>` for each, in the order of writers>
 *     next-key <public key that signs from the next checkpoint on>      only where the key changes
 *     head <writer> <seq> <hash>                                        in the order of writers
 *
 * Heads are listed that changed since the checkpoint before; every thousandth checkpoint, from the first on, lists
 * all. `chains` fixes all of them in every checkpoint, so that a single one, kept elsewhere, is worth having.
 */
export interface Checkpoint {
  readonly environment: string;
  readonly number: number;
  /** The signer's clock, microseconds since the Unix epoch. */
  readonly atMicros: bigint;
  readonly previous: string;
  readonly chains: number;
  readonly digest: string;
  /** The public key's text. */
  readonly nextKey: string | null;
  readonly heads: readonly Head[];
}

/** The last event of a chain. */
export interface Head {
  readonly writer: string;
  readonly seq: number;
  /** 64 lower-case hex digits. */
  readonly hash: string;
}

/** `previous` of the first checkpoint. */
export const NO_PREVIOUS = '0'.repeat(64);
const TITLE = 'ideogate checkpoint';
const LISTS_ALL_EVERY = 1_000;

/** Whether the checkpoint of this number lists the heads of all chains. */
export function listsAll(number: number): boolean {
  return number % LISTS_ALL_EVERY === 1;
}

/** The number of the last checkpoint, up to this one, that lists all heads. */
export function lastListingAll(number: number): number {
  return number - ((number - 1) % LISTS_ALL_EVERY);
}

/** SHA-256, in hex, over the heads in the order of writers. */
export function digestOfHeads(heads: Iterable<Head>): string {
  const lines = [...heads].map(({ writer, seq, hash }) => `${writer} ${seq} ${hash}\n`).toSorted();
  return createHash('sha256').update(lines.join('')).digest('hex');
}

/** What the next checkpoint calls `previous`. */
export function hashOfCheckpoint(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The text to be signed. */
export function checkpointText(checkpoint: Checkpoint): string {
  const { environment, number, atMicros, previous, chains, digest, nextKey, heads } = checkpoint;
  return [
    TITLE,
    `environment ${environment}`,
    `number ${number}`,
    `time ${isoFromMicros(atMicros)}`,
    `previous ${previous}`,
    `chains ${chains} ${digest}`,
    ...(nextKey === null ? [] : [`next-key ${nextKey}`]),
    ...heads.map(({ writer, seq, hash }) => `head ${writer} ${seq} ${hash}`).toSorted(),
    '',
  ].join('\n');
}

const TEXT = new RegExp(
  [
    `^${TITLE}`,
    'environment ([a-z]+)',
    'number ([1-9][0-9]{0,14})',
    'time ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3})([0-9]{3})Z',
    'previous ([0-9a-f]{64})',
    'chains ([0-9]{1,15}) ([0-9a-f]{64})',
    '(?:next-key (\\S+)\n)?((?:head \\S+ \\S+ \\S+\n)*)$',
  ].join('\n'),
);
const HEAD = /^head ([0-9a-f-]{36}) ([1-9][0-9]{0,14}) ([0-9a-f]{64})$/;

/** Reads a checkpoint's text, which must be to the byte what `checkpointText` writes; null when it isn't. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const match = TEXT.exec(text);
  if (match === null) return null;
  const [, environment = '', number, time, micros, previous = '', chains, digest = '', nextKey, list] = match;
  const heads: Head[] = [];
  for (const line of (list ?? '').split('\n').slice(0, -1)) {
    const [, writer, seq, hash] = HEAD.exec(line) ?? [];
    if (writer === undefined || hash === undefined) return null;
    heads.push({ writer, seq: Number(seq), hash });
  }
  const milliseconds = Date.parse(`${time}Z`);
  if (Number.isNaN(milliseconds)) return null;
  const checkpoint: Checkpoint = {
    environment,
    number: Number(number),
    atMicros: BigInt(milliseconds) * 1_000n + BigInt(micros ?? 0),
    previous,
    chains: Number(chains),
    digest,
    nextKey: nextKey ?? null,
    heads,
  };
  return checkpointText(checkpoint) === text ? checkpoint : null;
}

/** The checkpoint that a signed note holds, its signature not looked at; null when it holds none. */
export function checkpointOf(note: string): Checkpoint | null {
  const opened = readNote(note);
  return opened === null ? null : parseCheckpoint(opened.text);
}
