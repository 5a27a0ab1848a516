import {
  lockNamed,
  pause,
  runAsLeader,
  type Session,
  type SessionTimeouts,
  withSession,
} from '@ideogate/postgres';
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

/** What signs, for which record, how often, and who is told. */
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
const DESTINATION_TIMEOUT_MS = 2_000;

const SIGNER_LOCK = lockNamed('ideo', 'sign');

/**
 * Signs checkpoints for as long as it runs: at its start, whenever a writer came or went, after `everyEvents` events,
 * after `everyMs` in any case, and at its end. Of all that run on one database one signs, and another takes its place
 * when it stops, dies, or is cut off. Never throws; decisions never wait for it.
 */
export function signCheckpoints(options: SigningOptions): { stop(): Promise<void> } {
  const { everyMs = 30_000, everyEvents = 10_000, lookMs = 1_000, onFault = () => {} } = options;
  const leader = runAsLeader(
    {
      url: options.readUrl,
      name: 'ideogate-checkpoints',
      lock: SIGNER_LOCK,
      lookMs,
      statementMs: TIMEOUTS.statementMs,
      onFault,
    },
    async (reader, over) => {
      const signer = new Signer(options, reader, await lastState(reader, options.keys));
      await signer.sign();
      while (!over.aborted) {
        await pause(lookMs, over);
        await signer.look(everyMs, everyEvents);
      }
      await signer.sign();
    },
  );
  return {
    async stop() {
      // A database that is away does not hold up the stop; what was committed is complete without it.
      await leader.stop();
      await Promise.all(options.destinations.map((destination) => destination.close(DESTINATION_TIMEOUT_MS)));
    },
  };
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
    await withSession(appendUrl, 'ideogate-checkpoints', TIMEOUTS, (appender) =>
      insertCheckpoint(appender, stored),
    );
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
