import { setTimeout as delay } from 'node:timers/promises';
import { openSession, pause, type Session, type SessionTimeouts } from '@ideogate/postgres';
import { ChainHeads, type Growth } from './chain-heads.ts';
import {
  type ChainEnd,
  chainEnds,
  checkpointsBefore,
  END_OF_NUMBERS,
  freeNumberAfter,
  insertCheckpoint,
} from './checkpoint-store.ts';
import {
  type Checkpoint,
  checkpointText,
  hashOfCheckpoint,
  type Head,
  lastListingAll,
  listsAll,
  NO_PREVIOUS,
} from './checkpoint.ts';
import type { CheckpointDestination } from './destinations.ts';
import { newestVerified, verifiedCheckpoint } from './verified-checkpoint.ts';
import type { CheckpointKeys } from './key-file.ts';
import { type SigningKey, signNote } from './note.ts';

export interface SigningOptions {
  /** The append login. */
  readonly appendUrl: string;
  /** The read login. */
  readonly readUrl: string;
  readonly environment: string;
  readonly keys: CheckpointKeys;
  /** Given every checkpoint that is signed here, once it is committed. */
  readonly destinations: readonly CheckpointDestination[];
  /** The gateway's clock, microseconds since the Unix epoch. */
  readonly now: () => bigint;
  /** The longest time between two checkpoints, milliseconds. */
  readonly everyMs?: number;
  /** The most events between two checkpoints, as far as a look each `lookMs` sees. */
  readonly everyEvents?: number;
  /** How often is looked, milliseconds. */
  readonly lookMs?: number;
  /** Told in words what a look or a signature failed of; it is tried again. */
  readonly onFault?: (error: unknown) => void;
}

const TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 10_000, graceMs: 1_000 };
const STOP_TIMEOUT_MS = 5_000;
const DESTINATION_TIMEOUT_MS = 2_000;

/** "ideogate" and "sign" in ASCII: two keys, so that no single-key lock of ours meets it. */
const SIGNER_LOCK = ['ideo', 'sign'].map((word) => Buffer.from(word).readInt32BE());

/**
 * Signs checkpoints for as long as it runs: at its start, whenever a writer came or went, after `everyEvents` events,
 * after `everyMs` in any case, and at its end. Of all that run on one database one signs, and another takes its place
 * when it stops, dies, or is cut off. Never throws; decisions never wait for it.
 */
export function signCheckpoints(options: SigningOptions): { stop(): Promise<void> } {
  const { everyMs = 30_000, everyEvents = 10_000, lookMs = 1_000, onFault = () => {} } = options;
  const over = new AbortController();
  const done = run();

  async function run(): Promise<void> {
    while (!over.signal.aborted) {
      await turn().catch(onFault);
      await pause(lookMs, over.signal);
    }
  }

  /** One time of being the signer, if nobody else is. */
  async function turn(): Promise<void> {
    const reader = await openSession(options.readUrl, 'ideogate-checkpoints', TIMEOUTS);
    try {
      while (!(await becomeSigner(reader))) {
        if (over.signal.aborted) return;
        await pause(lookMs, over.signal);
      }
      const signer = new Signer(options, reader, await lastState(reader, options.keys));
      await signer.sign();
      while (!over.signal.aborted) {
        await pause(lookMs, over.signal);
        await signer.look(everyMs, everyEvents);
      }
      await signer.sign();
    } finally {
      await reader.end();
    }
  }

  return {
    async stop() {
      over.abort();
      // A database that is away must not hold up the stop; what was committed is complete without this.
      await Promise.race([done, delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
      await Promise.all(options.destinations.map((destination) => destination.close(DESTINATION_TIMEOUT_MS)));
    },
  };
}

/** The lock is the session's: whatever ends the one lets go of the other. A server must not wait for a host that is gone. */
async function becomeSigner(reader: Session): Promise<boolean> {
  await reader.query({
    text: `SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
      SET idle_session_timeout = '60s'`,
  });
  const { rows } = await reader.query({
    text: 'SELECT pg_try_advisory_lock($1::int, $2::int) AS mine',
    values: SIGNER_LOCK,
  });
  const [row] = rows as { mine: boolean }[]; // as: the column selected above
  return row?.mine === true;
}

/** What the next checkpoint follows. */
interface State {
  /** The number the next one gets. */
  readonly next: number;
  readonly previous: string;
  /** The next key was named to the record already: nothing that the current one signs counts any more. */
  readonly namedNext: boolean;
  readonly heads: ChainHeads;
}

/** One time of being the signer. */
class Signer {
  readonly #options: SigningOptions;
  readonly #reader: Session;
  #state: State;
  #signedAt = 0;

  constructor(options: SigningOptions, reader: Session, state: State) {
    this.#options = options;
    this.#reader = reader;
    this.#state = state;
  }

  /** Signs if it is time to. */
  async look(everyMs: number, everyEvents: number): Promise<void> {
    const ends = await this.#ends();
    const { events, turn } = this.#state.heads.growth(ends);
    const due = turn || events >= everyEvents || performance.now() - this.#signedAt >= everyMs;
    if (due || this.#options.keys.next() !== null) await this.#sign(ends);
  }

  async sign(): Promise<void> {
    await this.#sign(await this.#ends());
  }

  #ends(): Promise<readonly ChainEnd[]> {
    const { heads } = this.#state;
    return chainEnds(this.#reader, heads.open(), heads.closed());
  }

  async #sign(ends: readonly ChainEnd[]): Promise<void> {
    const { keys } = this.#options;
    const next = keys.next();
    if (next === null) {
      await this.#put(ends, keys.current(), null);
      return;
    }
    if (!this.#state.namedNext) await this.#put(ends, keys.current(), next);
    // The new key vouches at once for what the old one signed: who has it alone can verify from here on. Only then is
    // the old one retired, or whoever ended in between would not know its own last checkpoint.
    await this.#put(ends, next, null);
    keys.change();
  }

  async #put(ends: readonly ChainEnd[], key: SigningKey, nextKey: SigningKey | null): Promise<void> {
    const { appendUrl, destinations } = this.#options;
    const heads = this.#state.heads.after(ends);
    const growth = this.#state.heads.growth(ends);
    const checkpoint = this.#checkpoint(heads, growth, nextKey?.verifier.text ?? null);
    const text = checkpointText(checkpoint);
    const stored = { number: checkpoint.number, note: signNote(text, key) };
    const appender = await openSession(appendUrl, 'ideogate-checkpoints', TIMEOUTS);
    try {
      await insertCheckpoint(appender, stored);
    } finally {
      await appender.end();
    }
    const previous = hashOfCheckpoint(text);
    this.#state = { next: checkpoint.number + 1, previous, namedNext: nextKey !== null, heads };
    this.#signedAt = performance.now();
    for (const destination of destinations) destination.send(stored.note);
  }

  #checkpoint(heads: ChainHeads, growth: Growth, nextKey: string | null): Checkpoint {
    const { next: number, previous } = this.#state;
    const { environment, now } = this.#options;
    return {
      environment,
      number,
      atMicros: now(),
      previous,
      chains: heads.count,
      digest: heads.digest(),
      nextKey,
      heads: listsAll(number) ? heads.heads() : growth.heads,
    };
  }
}

/**
 * Takes up where the last signer stopped. What the table holds may be anybody's: only what was signed with a key of
 * ours, or is vouched for by the hash in such a one, is followed. What isn't keeps its number, and is left to stand
 * beside the chain of checkpoints, where verification finds it.
 */
async function lastState(reader: Session, keys: CheckpointKeys): Promise<State> {
  const known = keys.inForce();
  const newest = (await newestVerified(reader, known))?.number ?? 0;
  // A record whose key was lost goes on after all that there is.
  const [highest] = newest > 0 ? [] : await checkpointsBefore(reader, END_OF_NUMBERS, 1);
  const next = await freeNumberAfter(reader, highest?.number ?? newest);
  let wanted: string | null = null;
  let previous = NO_PREVIOUS;
  let namedNext = false;
  const heads = new Map<string, Head>();
  for (const stored of await checkpointsBefore(reader, newest + 1, newest + 1 - lastListingAll(newest))) {
    const found = verifiedCheckpoint(stored, known, wanted);
    if (found === null) continue;
    if (wanted === null) previous = hashOfCheckpoint(found.text);
    if (keys.next()?.verifier.text === found.checkpoint.nextKey) namedNext = true;
    wanted = found.checkpoint.previous;
    for (const head of found.checkpoint.heads) if (!heads.has(head.writer)) heads.set(head.writer, head);
  }
  return { next, previous, namedNext, heads: new ChainHeads(heads.values()) };
}
