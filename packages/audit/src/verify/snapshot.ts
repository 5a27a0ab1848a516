import { StringDecoder } from 'node:string_decoder';
import { openSession, type Session, type SessionTimeouts } from '@ideogate/postgres';
import type { ChainRange } from '../archive/archive-file.ts';
import { FORM_COLUMNS, memberOfText } from '../chain/chain.ts';
import { type EventOfLine, LINE_TEXTS } from '../chain/ndjson.ts';
import { ownText } from '../chain/own-text.ts';
import type { StoredCheckpoint } from '../checkpoints/checkpoint-store.ts';
import type { Month } from '../month.ts';

/** A place in the order in which events are read: writers, and `seq` in each. */
export interface Position {
  readonly writer: string;
  readonly seq: number;
}

/** A month that the database knows to be in a file. */
export interface ArchivedMonth {
  readonly month: Month;
  readonly file: string;
  /** Over the file, hex. */
  readonly sha256: string;
  readonly ranges: readonly ChainRange[];
}

/** The largest record is read to its end, however long that takes. */
const TIMEOUTS: SessionTimeouts = { connectMs: 10_000, statementMs: 0, graceMs: 0 };

/** One consistent view of the record, whatever is written meanwhile. All throw what Postgres or the network says. */
export class Snapshot {
  readonly #session: Session;

  private constructor(session: Session) {
    this.#session = session;
  }

  /** @param readUrl the read login, or any that may select */
  static async open(readUrl: string): Promise<Snapshot> {
    const session = await openSession(readUrl, 'ideogate-verify', TIMEOUTS);
    // Ten million rows are read in the order of an index, never sorted: a sort would take as much disk as the record.
    await session.query({
      text: `SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
        SET enable_sort = off; SET enable_incremental_sort = off; SET enable_seqscan = off; SET jit = off;
        SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0;
        BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`,
    });
    return new Snapshot(session);
  }

  close(): Promise<void> {
    return this.#session.end();
  }

  /** In the order of their numbers. */
  async *checkpoints(): AsyncGenerator<StoredCheckpoint> {
    const select = 'SELECT number::text AS place, note FROM ideogate.checkpoint ORDER BY number';
    for await (const batch of copyRows(this.#session, select)) {
      for (const row of batch) {
        const [number = '', note = ''] = row.split('\t');
        yield { number: Number(number), note: textOfField(note) ?? '' };
      }
    }
  }

  /** In the order of writers and `seq`, after `position`; in batches. */
  async *events(position: Position | null): AsyncGenerator<readonly EventOfLine[]> {
    // COPY takes no parameters; these two are a uuid and a number, or Postgres refuses them.
    const after =
      position === null
        ? ''
        : `WHERE (writer, seq) > ('${position.writer.replaceAll(/[^0-9a-f-]/g, '')}'::uuid, ${BigInt(position.seq)})`;
    const select = `SELECT ${LINE_TEXTS} FROM ideogate.audit_event ${after} ORDER BY writer, seq, at`;
    let writer = '';
    for await (const batch of copyRows(this.#session, select)) {
      yield batch.map((row) => {
        const event = eventOfRow(row, writer);
        ({ writer } = event);
        return event;
      });
    }
  }

  /** Months whose events are in a file and no longer here, oldest first. */
  archivedMonths(): Promise<readonly ArchivedMonth[]> {
    return this.#session.rows<ArchivedMonth>(
      `SELECT to_char(month, 'YYYY-MM') AS month, file, encode(sha256, 'hex') AS sha256, (
         SELECT coalesce(json_agg(json_build_object(
           'writer', writer, 'firstSeq', first_seq, 'firstPrevHash', encode(first_prev_hash, 'hex'),
           'lastSeq', last_seq, 'lastHash', encode(last_hash, 'hex')) ORDER BY writer), '[]')
         FROM ideogate.archive_chain c WHERE c.month = a.month) AS ranges
       FROM ideogate.archive a WHERE NOT EXISTS (
         SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'ideogate.audit_event'::regclass AND NOT i.inhdetachpending
           AND c.relname = 'audit_event_' || to_char(a.month, 'YYYY_MM'))
       ORDER BY month`,
    );
  }

  /** What the database says it is the record of; null when it doesn't, or this login may not know. */
  async environment(): Promise<string | null> {
    // Asked first: an error would end the transaction that holds the view.
    const rights = await this.#session.rows<{ may: boolean }>(
      `SELECT has_table_privilege('ideogate.deployment', 'SELECT') AS may`,
    );
    if (rights[0]?.may !== true) return null;
    const rows = await this.#session.rows<{ environment: string }>(
      'SELECT environment FROM ideogate.deployment',
    );
    return rows[0]?.environment ?? null;
  }

  /** About how many events there are. */
  async estimate(): Promise<number> {
    const rows = await this.#session.rows<{ events: string }>(
      `SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint::text AS events
       FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'ideogate.audit_event'::regclass`,
    );
    return Number(rows[0]?.events ?? 0);
  }
}

const column = (name: string) => FORM_COLUMNS.indexOf(name);
const [WRITER, SEQ, AT, KIND] = [column('writer'), column('seq'), column('at'), column('kind')];
const ENVIRONMENT = column('environment');
const [CALL_ID, RESULT, PREV_HASH] = [column('call_id'), column('result'), column('prev_hash')];
const HASH = FORM_COLUMNS.length;

/**
 * In one pass over the row: of what a verification costs, this is the larger part.
 * @param last the writer of the row before
 */
function eventOfRow(row: string, last: string): EventOfLine {
  let members = '';
  let [writer, kind, environment, result, prevHash, hash] = ['', '', '', '', '', ''];
  let callId: string | null = null;
  let [seq, at] = [Number.NaN, Number.NaN];
  let start = 0;
  for (let index = 0; index <= HASH; index++) {
    const tab = row.indexOf('\t', start);
    const end = tab === -1 ? row.length : tab;
    const text = textOfField(row.slice(start, end));
    start = end + 1;
    if (text === null) continue;
    if (index === HASH) hash = text;
    else members += memberOfText(index, text);
    if (index === WRITER) writer = text === last ? last : ownText(text);
    else if (index === SEQ) seq = Number(text);
    else if (index === AT) at = Number(text);
    else if (index === KIND) kind = text;
    else if (index === ENVIRONMENT) environment = text;
    else if (index === CALL_ID) callId = text;
    else if (index === RESULT) result = text;
    else if (index === PREV_HASH) prevHash = text;
  }
  return {
    writer,
    seq,
    at,
    kind,
    environment,
    callId: callId === null ? null : ownText(callId),
    result,
    prevHash,
    hash,
    form: `{${members.slice(1)}}`,
  };
}

/** The rows of a SELECT of texts, as COPY writes them: a cursor would cost more than the rest of the verification. */
async function* copyRows(session: Session, select: string): AsyncGenerator<readonly string[]> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of session.copyOut(select)) {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield lines;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** COPY's text format: `\N` is null; what would end a field or a row is escaped, as is the backslash. */
function textOfField(field: string): string | null {
  if (field === '\\N') return null;
  if (!field.includes('\\')) return field;
  return field.replace(/\\(.)/g, (_, character: string) => ESCAPES[character] ?? character);
}
