import { createHash } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type Consumer, eventsIn, startConsumer } from '@ideogate/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuditWriter, AuditWriterOptions } from '../src/append/index.ts';
import {
  type ExportLag,
  exportName,
  fileTarget,
  httpTarget,
  exportEvents,
  type SendingOptions,
  exportEventsOnce,
  exportEventsUntil,
  streamTarget,
  TargetError,
} from '../src/export/index.ts';
import { type EventOfLine, readLine } from '../src/chain/ndjson.ts';

import { decision, nowMicros, outcome, refusal } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

let database: RecordDatabase;
let consumer: Consumer;
let folder: string;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ideogate-export-'));
  database = await recordDatabase();
});
afterAll(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await database.owner.query('TRUNCATE ideogate.audit_event, ideogate.checkpoint, ideogate.chain_position');
  consumer = await startConsumer();
});
afterEach(async () => {
  database.relay.restore();
  for (const stop of stops.splice(0).toReversed()) await stop();
  await consumer.stop();
});

function open(changes: Partial<AuditWriterOptions> = {}): AuditWriter {
  const record = openWriter(database, changes);
  stops.push(() => record.close(2_000));
  return record;
}

async function calls(record: AuditWriter, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      const event = decision();
      await record.decide(event);
      record.outcome(outcome({ callId: event.callId }));
    }),
  );
  await record.flush(5_000);
}

/** Sends over HTTP, with short waits. */
function send(changes: Partial<SendingOptions> = {}): { stop(): Promise<void> } {
  const { appendUrl, readUrl } = database;
  const target = httpTarget({ url: consumer.url, authorization: null, appendUrl });
  const sending = exportEvents({
    readUrl,
    target,
    name: exportName(consumer.url),
    now: nowMicros,
    pollMs: 20,
    firstBackoffMs: 20,
    ...changes,
  });
  stops.push(() => sending.stop());
  return sending;
}

function toFile(file: string, changes: Partial<SendingOptions> = {}): SendingOptions {
  return {
    readUrl: database.readUrl,
    target: fileTarget({ file }),
    name: `export ${file}`,
    now: nowMicros,
    ...changes,
  };
}

function linesIn(file: string): readonly string[] {
  // It is made with the first line.
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

/** Every event of the table, as `writer seq`, sorted. */
async function inTheTable(): Promise<readonly string[]> {
  return (await database.rows()).map(({ writer, seq }) => `${String(writer)} ${String(seq)}`).toSorted();
}

function readEvents(lines: readonly string[]): readonly EventOfLine[] {
  return lines.map(readLine).flatMap((line) => (line.kind === 'event' ? [line.event] : []));
}

const never = new AbortController().signal;

describe('to a file', () => {
  test('every event and checkpoint is there once, each chain in its order, and every hash is that of its line', async () => {
    const file = join(folder, 'whole.ndjson');
    const [one, two] = [open(), open()];
    await Promise.all([calls(one, 1_500), calls(two, 30)]);
    await database.owner.query(
      `INSERT INTO ideogate.checkpoint VALUES (1, 'fake note 1'), (2, 'fake note 2')`,
    );
    const header = { atMicros: 17n, environment: 'staging' };
    await exportEventsOnce(toFile(file, { target: fileTarget({ file, header }) }), never);
    const lines = linesIn(file);
    expect(lines[0]).toBe('{"export":{"at":"17","environment":"staging"}}');
    expect(eventsIn(lines).toSorted()).toEqual(await inTheTable());
    expect(lines.slice(-2)).toEqual(['{"checkpoint":"fake note 1"}', '{"checkpoint":"fake note 2"}']);
    for (const record of [one, two]) {
      const chain = readEvents(lines).filter(({ writer }) => writer === record.writer);
      expect(chain.map(({ seq }) => seq)).toEqual(chain.map((_, index) => index + 1));
      for (const { form, hash } of chain) expect(createHash('sha256').update(form).digest('hex')).toBe(hash);
    }
  });

  test('what an interrupted run left half-written is written again, and nothing is there twice', async () => {
    const file = join(folder, 'interrupted.ndjson');
    const record = open();
    await calls(record, 40);
    await exportEventsOnce(toFile(file), never);
    appendFileSync(file, '{"actor":"half a li');
    await calls(record, 40);
    await exportEventsOnce(toFile(file), never);
    expect(eventsIn(linesIn(file)).toSorted()).toEqual(await inTheTable());
  });

  test('it goes on as the record grows, and stops when it is told to', async () => {
    const file = join(folder, 'followed.ndjson');
    const over = new AbortController();
    const done = exportEventsUntil(toFile(file, { pollMs: 20 }), over.signal);
    const record = open();
    await calls(record, 10);
    await until('they are there', async () => linesIn(file).length === (await inTheTable()).length);
    await calls(record, 10);
    await until('these too', async () => linesIn(file).length === (await inTheTable()).length);
    over.abort();
    await done;
    expect(eventsIn(linesIn(file)).toSorted()).toEqual(await inTheTable());
  });

  test('lines whose cursor could not be written are not there twice', async () => {
    const file = join(folder, 'again.ndjson');
    await calls(open(), 4);
    // In the way of the cursor's next version.
    const inTheWay = `${file}.cursor.tmp`;
    const faults: unknown[] = [];
    await exportEventsOnce(toFile(file), never);
    await calls(open(), 4);
    mkdirSync(inTheWay);
    const onFault = (error: unknown) => {
      faults.push(error);
      if (faults.length === 3) rmdirSync(inTheWay);
    };
    await exportEventsOnce(toFile(file, { onFault, firstBackoffMs: 1 }), never);
    expect(faults).toHaveLength(3);
    expect(eventsIn(linesIn(file)).toSorted()).toEqual(await inTheTable());
  });

  test.each([
    ['of an export to a pipe', '{"bytes":null,"positions":[]}', 'an export to a pipe'],
    ['with a negative length', '{"bytes":-5,"positions":[]}', 'not a cursor'],
    ['with half a byte', '{"bytes":1.5,"positions":[]}', 'not a cursor'],
    ['with a writer that is none', '{"bytes":0,"positions":[["me",1,"1"]]}', 'not a cursor'],
    [
      'with half an event',
      '{"bytes":0,"positions":[["00000000-0000-4000-8000-000000000000",1.5,"1"]]}',
      'not a cursor',
    ],
  ])('a cursor %s is refused, and the file left as it is', async (_, cursor, said) => {
    const file = join(folder, 'kept.ndjson');
    writeFileSync(file, 'a line of before\n');
    writeFileSync(`${file}.cursor`, cursor);
    await expect(exportEventsOnce(toFile(file), never)).rejects.toThrow(said);
    expect(readFileSync(file, 'utf8')).toBe('a line of before\n');
  });

  test('a file that is not its own, or was cut, is left alone and named; so is one that is being written', async () => {
    const file = join(folder, 'others.txt');
    writeFileSync(file, '{"somebody":"else"}\n');
    await calls(open(), 5);
    await expect(exportEventsOnce(toFile(file), never)).rejects.toThrow(/others\.txt is there/);
    expect(readFileSync(file, 'utf8')).toBe('{"somebody":"else"}\n');
    const cut = join(folder, 'cut.ndjson');
    await exportEventsOnce(toFile(cut), never);
    truncateSync(cut, 100);
    await expect(exportEventsOnce(toFile(cut), never)).rejects.toThrow(/cut\.ndjson has 100 bytes/);
    const busy = join(folder, 'busy.ndjson');
    const over = new AbortController();
    const first = exportEventsUntil(toFile(busy, { pollMs: 20 }), over.signal);
    await until('it began', () => existsWith(busy));
    await expect(exportEventsOnce(toFile(busy), never)).rejects.toThrow(TargetError);
    over.abort();
    await first;
  });
});

function existsWith(file: string): boolean {
  try {
    return readFileSync(file).length > 0;
  } catch {
    return false;
  }
}

test('to a pipe, the cursor of a file is refused', async () => {
  const cursor = join(folder, 'of-a-file.cursor');
  writeFileSync(cursor, '{"bytes":0,"positions":[]}');
  const target = streamTarget(new PassThrough(), cursor);
  await expect(exportEventsOnce(toFile('', { target }), never)).rejects.toThrow('an export to a file');
});

test('to a pipe, the next run goes on behind what the pipe took', async () => {
  const cursor = join(folder, 'pipe.cursor');
  const { readUrl } = database;
  const record = open();
  const taken: string[] = [];
  const run = async () => {
    const pipe = new PassThrough();
    pipe.on('data', (chunk: Buffer) => taken.push(...chunk.toString().split('\n').slice(0, -1)));
    await exportEventsOnce(
      { readUrl, target: streamTarget(pipe, cursor), name: 'pipe', now: nowMicros },
      never,
    );
  };
  await calls(record, 20);
  await run();
  await calls(record, 20);
  await run();
  expect(eventsIn(taken).toSorted()).toEqual(await inTheTable());
});

describe('over HTTP', () => {
  test('a consumer that is down delays no call and loses nothing, and the lag tells how far it is behind', async () => {
    const lags: ExportLag[] = [];
    const record = open();
    await calls(record, 10);
    send({ onLag: (lag) => lags.push(lag) });
    await until('it keeps up', () => consumer.lines.length >= 21);
    await consumer.stop();
    const began = performance.now();
    let slowest = 0;
    let made = 0;
    while (performance.now() - began < 2_500) {
      const before = performance.now();
      await calls(record, 20);
      slowest = Math.max(slowest, performance.now() - before);
      made += 40;
    }
    await until(
      'the lag is seen',
      () => (lags.at(-1)?.events ?? 0) > made / 2 && (lags.at(-1)?.seconds ?? 0) > 1,
    );
    expect(record.notWritten().size).toBe(0);
    expect(slowest).toBeLessThan(1_500);
    consumer.behave('refuses');
    const asked = consumer.headers.length;
    await consumer.start();
    await until('it refuses', () => consumer.headers.length > asked);
    consumer.behave('takes');
    const table = await inTheTable();
    await until('it has caught up', () => new Set(eventsIn(consumer.lines)).size === table.length, 20_000);
    expect(eventsIn(consumer.lines).toSorted()).toEqual(table);
    await until('the lag is gone', () => lags.at(-1)?.events === 0 && lags.at(-1)?.seconds === 0);
  });

  test('what was taken over while the answer was lost comes again, and nothing is missing', async () => {
    const record = open();
    consumer.behave('loses-its-answer');
    await calls(record, 30);
    send();
    await until('it took it over twice', () => consumer.deliveries.length >= 2);
    consumer.behave('takes');
    await calls(record, 30);
    const table = await inTheTable();
    await until('all are there', () => new Set(eventsIn(consumer.lines)).size === table.length);
    expect([...new Set(eventsIn(consumer.lines))].toSorted()).toEqual(table);
    expect(consumer.lines.length).toBeGreaterThan(table.length);
  });

  test('after a restart it goes on where it stopped', async () => {
    const record = open();
    await calls(record, 50);
    const first = send();
    await until('they are there', async () => consumer.lines.length === (await inTheTable()).length);
    await first.stop();
    await calls(record, 50);
    send();
    await until('these too', async () => consumer.lines.length === (await inTheTable()).length);
    expect(eventsIn(consumer.lines).toSorted()).toEqual(await inTheTable());
  });

  test('a writer whose rows commit late is not passed over', async () => {
    const quick = open();
    const late = open({ appendUrl: database.relayedAppendUrl, commitTimeoutMs: 30_000 });
    await calls(quick, 5);
    await calls(late, 5);
    database.relay.cut();
    const waiting = calls(late, 20);
    // Dated earlier than what the others write, and committed after it was sent.
    const never = open({ appendUrl: database.relayedAppendUrl, commitTimeoutMs: 30_000 });
    const fresh = calls(never, 3);
    send();
    await calls(quick, 50);
    await until('the others are out', async () => consumer.lines.length === (await inTheTable()).length);
    database.relay.restore();
    await Promise.all([waiting, fresh]);
    const table = await inTheTable();
    await until('the late ones too', () => consumer.lines.length === table.length);
    expect(eventsIn(consumer.lines).toSorted()).toEqual(table);
  });

  test('a consumer that takes little at once gets it in small deliveries', async () => {
    consumer.behave(7);
    await calls(open(), 100);
    await database.owner.query(
      `INSERT INTO ideogate.checkpoint SELECT n, 'fake note ' || n FROM generate_series(1, 20) n`,
    );
    send();
    const table = await inTheTable();
    await until('all are there', () => consumer.lines.length === table.length + 20);
    expect(Math.max(...consumer.deliveries)).toBeLessThanOrEqual(7);
    expect(eventsIn(consumer.lines).toSorted()).toEqual(table);
  });

  test('of two gateways one sends, and the other goes on where it stops', async () => {
    const record = open();
    const one = send();
    send();
    await calls(record, 100);
    await until('they are there', async () => consumer.lines.length === (await inTheTable()).length);
    await one.stop();
    await calls(record, 100);
    await until('these too', async () => consumer.lines.length === (await inTheTable()).length);
    expect(eventsIn(consumer.lines).toSorted()).toEqual(await inTheTable());
  });

  test('a database that goes away in between changes nothing about it', async () => {
    const record = open();
    await calls(record, 10);
    send({ readUrl: database.readUrl.replace(/@[^/]+\//, `@127.0.0.1:${database.relay.port}/`) });
    await until('they are there', async () => consumer.lines.length === (await inTheTable()).length);
    database.relay.cut();
    await calls(record, 40);
    database.relay.restore();
    const table = await inTheTable();
    await until('these too', () => consumer.lines.length >= table.length);
    expect([...new Set(eventsIn(consumer.lines))].toSorted()).toEqual(table);
  });

  test('the credential for the address is sent, and only there', async () => {
    const { appendUrl } = database;
    await calls(open(), 1);
    send({ target: httpTarget({ url: consumer.url, authorization: 'Bearer fake-siem-token', appendUrl }) });
    await until('it is asked', () => consumer.headers.length > 0);
    expect(consumer.headers[0]).toMatchObject({
      authorization: 'Bearer fake-siem-token',
      'content-type': 'application/x-ndjson',
    });
    expect(consumer.lines.join('\n')).not.toContain('fake-siem-token');
  });
});

test('what left the database before it was sent is told, and holds up nothing', async () => {
  const record = open();
  await calls(record, 10);
  const missing: unknown[] = [];
  await database.owner.query('DELETE FROM ideogate.audit_event WHERE writer = $1 AND seq BETWEEN 3 AND 5', [
    record.writer,
  ]);
  send({ onMissing: (each) => missing.push(each) });
  await until('the rest is there', async () => consumer.lines.length === (await inTheTable()).length);
  expect(missing).toEqual([{ writer: record.writer, from: 3, to: 5 }]);
});

test('a chain whose beginning somebody took away goes out with what is left of it', async () => {
  const record = open();
  await calls(record, 4);
  const whole = open();
  await calls(whole, 2);
  await database.owner.query('DELETE FROM ideogate.audit_event WHERE writer = $1 AND seq < 3', [
    record.writer,
  ]);
  const missing: unknown[] = [];
  const file = join(folder, 'beheaded.ndjson');
  await exportEventsOnce(toFile(file, { onMissing: (each) => missing.push(each) }), never);
  expect(eventsIn(linesIn(file)).toSorted()).toEqual(await inTheTable());
  expect(missing).toEqual([{ writer: record.writer, from: 1, to: 2 }]);
});

test('refusals and notices go out too', async () => {
  const record = open();
  await record.refuse(refusal());
  await record.close(2_000);
  send();
  await until('they are there', () => consumer.lines.length === 3);
  expect(readEvents(consumer.lines).map(({ kind, result }) => [kind, result])).toEqual([
    ['notice', 'writer-opened'],
    ['decision', 'refused'],
    ['notice', 'writer-closed'],
  ]);
});
