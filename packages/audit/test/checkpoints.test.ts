import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, DatabaseError } from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  fileDestination,
  httpDestination,
  openCheckpointKeys,
  prepareNextKey,
  signCheckpoints,
  watchCheckpoints,
} from '../src/checkpoints/index.ts';
import { readLine } from '../src/chain/ndjson.ts';
import {
  type Checkpoint,
  checkpointText,
  checkpointOf,
  digestOfHeads,
  hashOfCheckpoint,
  NO_PREVIOUS,
  parseCheckpoint,
} from '../src/checkpoints/checkpoint.ts';
import {
  makeSigningKey,
  parseSigningKey,
  parseVerifierKey,
  readNote,
  signNote,
  verifyNote,
} from '../src/checkpoints/note.ts';
import { decision, nowMicros } from './events-under-test.ts';
import { openWriter, type RecordDatabase, recordDatabase, until } from './record-under-test.ts';

const NAME = 'ideogate.test/staging';

describe('a signed note', () => {
  const key = makeSigningKey(NAME);
  const text = 'first\n\nthird\n';

  test('has the form of C2SP signed-note, by which others read it', () => {
    const note = signNote(text, key);
    const [, encoded = ''] = new RegExp(`^— ${NAME} (.+)$`, 'm').exec(note) ?? [];
    expect(note).toBe(`${text}\n— ${NAME} ${encoded}\n`);
    const raw = key.verifier.key.export({ format: 'der', type: 'spki' }).subarray(-32);
    const id = createHash('sha256')
      .update(Buffer.concat([Buffer.from(`${NAME}\n`), Buffer.of(1), raw]))
      .digest('hex')
      .slice(0, 8);
    expect(Buffer.from(encoded, 'base64').toString('hex', 0, 4)).toBe(id);
    expect(key.verifier.text).toBe(`${NAME}+${id}+${Buffer.concat([Buffer.of(1), raw]).toString('base64')}`);
  });

  test('verifies with its key and with the key’s text, and not once anything of it is changed', () => {
    const note = signNote(text, key);
    const again = signNote(text, parseSigningKey(key.text));
    expect(again).toBe(note);
    const known = [parseVerifierKey(key.verifier.text)];
    const opened = readNote(note);
    if (opened === null) throw new Error('not a note');
    expect(opened.text).toBe(text);
    expect(verifyNote(opened, known)).toBe('signed');
    expect(verifyNote({ ...opened, text: 'first\n\nfourth\n' }, known)).toBe('forged');
    expect(verifyNote(opened, [makeSigningKey(NAME).verifier])).toBe('unknown-key');
    expect(verifyNote({ ...opened, signatures: [] }, known)).toBe('unknown-key');
  });

  test('a second signature from elsewhere does no harm, a false one in the key’s name does', () => {
    const other = makeSigningKey('witness.test');
    const lines = signNote(text, other).split('\n');
    const both = readNote(`${signNote(text, key)}${lines.at(-2)}\n`);
    if (both === null) throw new Error('not a note');
    expect(both.signatures).toHaveLength(2);
    expect(verifyNote(both, [key.verifier])).toBe('signed');
    const [own] = both.signatures;
    if (own === undefined) throw new Error('no signature');
    const spoilt = { ...own, signature: Buffer.alloc(64) };
    expect(verifyNote({ ...both, signatures: [...both.signatures, spoilt] }, [key.verifier])).toBe('forged');
  });

  test.each([
    '',
    'no blank line\n',
    'a\n\nno em dash\n',
    'a\r\n\n— b AAAAAAAA\n',
    'a\n\n— b AA\n',
    'a\n\n— b AAAAAAAA',
  ])('what isn’t one isn’t read as one: %j', (note) => {
    expect(readNote(note)).toBeNull();
  });

  test.each([
    '',
    'x',
    `${NAME}+00000000+AQ==`,
    key.verifier.text.replace(/\+.{8}\+/, '+00000000+'),
    key.text,
  ])('a public key that is none is refused: %#', (notKey) => {
    expect(() => parseVerifierKey(notKey)).toThrow('public key');
  });
});

describe('the text of a checkpoint', () => {
  const head = (digit: string, seq: number) => ({
    writer: `${digit.repeat(8)}-0000-4000-8000-000000000000`,
    seq,
    hash: digit.repeat(64),
  });
  const checkpoint: Checkpoint = {
    environment: 'staging',
    number: 7,
    atMicros: 1_700_000_000_123_456n,
    previous: 'a'.repeat(64),
    chains: 2,
    digest: digestOfHeads([head('2', 3), head('1', 4)]),
    nextKey: null,
    heads: [head('1', 4), head('2', 3)],
  };

  test('comes back as it went in', () => {
    expect(parseCheckpoint(checkpointText(checkpoint))).toEqual(checkpoint);
    const changing = { ...checkpoint, nextKey: makeSigningKey(NAME).verifier.text, heads: [] };
    expect(parseCheckpoint(checkpointText(changing))).toEqual(changing);
  });

  test.each([
    ['another title', (text: string) => text.replace('ideogate', 'other')],
    ['a line more', (text: string) => `${text}more\n`],
    ['a number with a leading zero', (text: string) => text.replace('number 7', 'number 07')],
    ['heads out of their order', (text: string) => text.replace(/(head 1.*\n)(head 2.*\n)/, '$2$1')],
    ['a day that isn’t one', (text: string) => text.replace('2023-11-14', '2023-02-31')],
  ])('with %s it is refused: there is one spelling', (_, change) => {
    const changed = change(checkpointText(checkpoint));
    expect(changed).not.toBe(checkpointText(checkpoint));
    expect(parseCheckpoint(changed)).toBeNull();
  });
});

describe('the signing of checkpoints', () => {
  let database: RecordDatabase;
  beforeAll(async () => {
    database = await recordDatabase();
  });
  afterAll(async () => {
    await database.close();
  });

  function folder(): string {
    const made = mkdtempSync(join(tmpdir(), 'ideogate-checkpoints-'));
    onTestFinished(() => rmSync(made, { recursive: true }));
    return made;
  }

  async function stored(): Promise<readonly { readonly note: string; readonly checkpoint: Checkpoint }[]> {
    const { rows } = await database.owner.query<{ note: string }>(
      'SELECT note FROM ideogate.checkpoint ORDER BY number',
    );
    return rows.map(({ note }) => {
      const checkpoint = checkpointOf(note);
      if (checkpoint === null) throw new Error('not a checkpoint');
      return { note, checkpoint };
    });
  }

  const count = async () => (await stored()).length;

  function sign(file: string, changes: Partial<Parameters<typeof signCheckpoints>[0]> = {}) {
    const signing = signCheckpoints({
      appendUrl: database.appendUrl,
      readUrl: database.readUrl,
      environment: 'staging',
      keys: openCheckpointKeys(file, NAME),
      destinations: [],
      now: nowMicros,
      everyMs: 3_600_000,
      lookMs: 10,
      ...changes,
    });
    onTestFinished(() => signing.stop());
    return signing;
  }

  test('fixes every chain when it begins and ends, at the start, at the stop, and when quiet (E.53)', async () => {
    const key = join(folder(), 'checkpoint-key');
    const signing = sign(key);
    await until('the checkpoint of the start', async () => (await count()) === 1);
    const record = openWriter(database);
    await until('the checkpoint of the opened chain', async () => (await count()) >= 2);
    await record.decide(decision());
    const opened = await count();
    await record.close(5_000);
    await until('the checkpoint of the closed chain', async () => (await count()) > opened);
    const before = await count();
    await signing.stop();
    expect(await count()).toBe(before + 1);

    const quiet = sign(key, { everyMs: 20 });
    const then = await count();
    await until('checkpoints although nothing happens', async () => (await count()) >= then + 3);
    await quiet.stop();

    const checkpoints = await stored();
    let previous = NO_PREVIOUS;
    for (const [index, { note, checkpoint }] of checkpoints.entries()) {
      expect(checkpoint).toMatchObject({ number: index + 1, previous, environment: 'staging' });
      const opened = readNote(note);
      if (opened === null) throw new Error('not a note');
      expect(verifyNote(opened, openCheckpointKeys(key).publicKeys())).toBe('signed');
      previous = hashOfCheckpoint(opened.text);
    }
    const rows = await database.rows();
    const last = rows.findLast(({ writer }) => writer === record.writer);
    const hash = Buffer.from(last?.['hash'] as Uint8Array).toString('hex'); // as: a bytea column
    const head = { writer: record.writer, seq: Number(last?.['seq']), hash };
    expect(last).toMatchObject({ result: 'writer-closed' });
    expect(checkpoints.flatMap(({ checkpoint }) => checkpoint.heads)).toContainEqual(head);
    expect(checkpoints.at(-1)?.checkpoint).toMatchObject({
      chains: 1,
      digest: digestOfHeads([head]),
      heads: [],
    });
  });

  test('comes after so many events, whatever the time', async () => {
    const signing = sign(join(folder(), 'checkpoint-key'), { everyEvents: 5 });
    const record = openWriter(database);
    await record.decide(decision());
    const seqs = async () =>
      (await stored()).flatMap(({ checkpoint }) =>
        checkpoint.heads.filter(({ writer }) => writer === record.writer).map(({ seq }) => seq),
      );
    await until('the checkpoint of the opened chain', async () => (await seqs()).length > 0);
    const first = (await seqs())[0] ?? 0;
    for (let decided = 2; decided < first + 5; decided++) await record.decide(decision());
    await until('one after five more events', async () => (await seqs()).some((seq) => seq >= first + 5));
    expect((await seqs()).length).toBeGreaterThan(1);
    await record.close(5_000);
    await signing.stop();
  });

  function watch(file: string, changes: Partial<Parameters<typeof watchCheckpoints>[0]> = {}) {
    const watching = watchCheckpoints({
      readUrl: database.readUrl,
      keys: () => openCheckpointKeys(file, NAME).inForce(),
      now: nowMicros,
      everyMs: 20,
      ...changes,
    });
    onTestFinished(() => watching.stop());
    return watching;
  }

  test('is seen by every process, with its number and its age', async () => {
    const key = join(folder(), 'checkpoint-key');
    const watching = watch(key);
    expect([watching.last(), watching.ready()]).toEqual([null, { ok: true, detail: 'none yet' }]);
    const signing = sign(key);
    await until('it is seen', () => watching.last() !== null);
    await signing.stop();
    const newest = (await stored()).at(-1)?.checkpoint.number;
    await until('the last one is seen', () => watching.last()?.number === newest);
    expect(watching.last()?.ageSeconds).toBeLessThan(30);
    expect(watching.ready()).toMatchObject({ ok: true, detail: expect.stringMatching(/ s old$/) });
  });

  test('is missed where a session holds the signer’s lock and signs nothing', async () => {
    const key = join(folder(), 'checkpoint-key');
    const holder = new Client({ connectionString: database.readUrl });
    await holder.connect();
    onTestFinished(() => holder.end());
    await holder.query('SELECT pg_advisory_lock($1::int, $2::int)', [
      Buffer.from('ideo').readInt32BE(),
      Buffer.from('sign').readInt32BE(),
    ]);
    sign(key, { everyMs: 20 });
    const watching = watch(key, { oldAfterMs: 300 });
    await until('it is missed', () => !watching.ready().ok);
    expect(watching.ready().detail).toMatch(/no checkpoint was signed at all: .*signer's lock/);
    await holder.query('SELECT pg_advisory_unlock_all()');
    await until('it is signed again', () => watching.ready().ok);
  });

  test.each([
    ['the signer’s clock was an hour ahead', nowMicros() + 3_600_000_000n, null],
    ['somebody puts one in that no key of ours signed', nowMicros(), makeSigningKey(NAME)],
  ])('does not look younger than it is where %s', async (_, clock, stranger) => {
    const key = join(folder(), 'checkpoint-key');
    const signing = sign(key, { now: () => clock });
    const watching = watch(key, { oldAfterMs: 500 });
    await until('it is seen', () => watching.last() !== null);
    await signing.stop();
    const { checkpoint } = (await stored()).at(-1) ?? expect.fail('there is none');
    if (stranger !== null) {
      const forged = checkpointText({
        ...checkpoint,
        number: checkpoint.number + 5,
        atMicros: nowMicros() + 3_600_000_000n,
      });
      await database.owner.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        checkpoint.number + 5,
        signNote(forged, stranger),
      ]);
    }
    // On a slow machine it is old before the watch has seen the one that the stop signed.
    await until(
      'it is old, and the last one seen',
      () => !watching.ready().ok && watching.last()?.number === checkpoint.number,
    );
    if (stranger !== null)
      await database.owner.query('DELETE FROM ideogate.checkpoint WHERE number = $1', [
        checkpoint.number + 5,
      ]);
  });

  test('is done by one of those who could, and another takes over when it is cut off', async () => {
    const key = join(folder(), 'checkpoint-key');
    const start = await count();
    const signing = [sign(key, { everyMs: 50 }), sign(key, { everyMs: 50 }), sign(key, { everyMs: 50 })];
    await until('the first', async () => (await count()) > start + 2);
    for (let cut = 0; cut < 3; cut++) {
      const { rows } = await database.owner.query<{ pid: number }>(
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      expect(rows).toHaveLength(1);
      await database.owner.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
      const then = await count();
      await until('the next signer', async () => (await count()) > then + 1);
    }
    await Promise.all(signing.map((each) => each.stop()));
    let previous: string | undefined;
    for (const { note, checkpoint } of (await stored()).slice(start)) {
      if (previous !== undefined) expect(checkpoint.previous).toBe(previous);
      previous = hashOfCheckpoint(readNote(note)?.text ?? '');
    }
  });

  test.each([
    ['whose number leaves no other after it', () => 9_223_372_036_854_775_807n],
    ['with the last number that can be signed', () => 999_999_999_999_999n],
    ['a few thousand numbers ahead', (last: number) => BigInt(last + 5_000)],
  ])('goes on in order beside a checkpoint slipped in %s', async (_, numberAfter) => {
    const key = join(folder(), 'checkpoint-key');
    await sign(key).stop();
    const genuine = (await stored()).at(-1);
    if (genuine === undefined) throw new Error('no checkpoint');
    const { number } = genuine.checkpoint;
    const far = numberAfter(number).toString();
    // The append login may do this, and nobody can take it back: a genuine one, in another place.
    await database.owner.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [far, genuine.note]);
    await sign(key).stop();
    await database.owner.query('DELETE FROM ideogate.checkpoint WHERE number = $1', [far]);
    const [next] = (await stored()).filter(({ checkpoint }) => checkpoint.number > number);
    expect(next?.checkpoint.number).toBe(number + 1);
    expect(next?.checkpoint.previous).toBe(hashOfCheckpoint(readNote(genuine.note)?.text ?? ''));
  });

  test('goes on after the last genuine checkpoint, not after one that somebody slipped in', async () => {
    const key = join(folder(), 'checkpoint-key');
    await sign(key).stop();
    const genuine = (await stored()).at(-1);
    if (genuine === undefined) throw new Error('no checkpoint');
    const { number } = genuine.checkpoint;
    const forged = signNote(
      checkpointText({ ...genuine.checkpoint, number: number + 1 }),
      makeSigningKey(NAME),
    );
    await database.owner.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [number + 1, forged]);
    await sign(key).stop();
    await database.owner.query('DELETE FROM ideogate.checkpoint WHERE number = $1', [number + 1]);
    const next = (await stored()).find(({ checkpoint }) => checkpoint.number === number + 2);
    expect(next?.checkpoint.previous).toBe(hashOfCheckpoint(readNote(genuine.note)?.text ?? ''));
  });

  test('changes its key by a checkpoint that the old key signs and that names the new one', async () => {
    const key = join(folder(), 'checkpoint-key');
    const old = openCheckpointKeys(key, NAME).current().verifier;
    const start = await count();
    const signing = sign(key);
    await until('the first', async () => (await count()) > start);
    const next = prepareNextKey(key);
    await until('the change', () => openCheckpointKeys(key).current().verifier.text === next.text);
    await signing.stop();
    const verdicts = (await stored()).slice(start).map(({ note, checkpoint }) => {
      const opened = readNote(note);
      if (opened === null) throw new Error('not a note');
      return [checkpoint.nextKey, verifyNote(opened, [old]), verifyNote(opened, [next])];
    });
    expect(verdicts).toEqual([
      [null, 'signed', 'unknown-key'],
      [next.text, 'signed', 'unknown-key'],
      [null, 'unknown-key', 'signed'],
      [null, 'unknown-key', 'signed'],
    ]);
    expect(
      openCheckpointKeys(key)
        .publicKeys()
        .map(({ text }) => text),
    ).toEqual([next.text, old.text]);
    expect(statSync(key).mode & 0o077).toBe(0);
  });

  test('ends a change of its key that was cut off after the new one was named', async () => {
    const file = join(folder(), 'checkpoint-key');
    await sign(file).stop();
    const last = (await stored()).at(-1);
    if (last === undefined) throw new Error('no checkpoint');
    const [old, next] = [openCheckpointKeys(file).current(), prepareNextKey(file)];
    const { number } = last.checkpoint;
    const naming = checkpointText({
      ...last.checkpoint,
      number: number + 1,
      previous: hashOfCheckpoint(readNote(last.note)?.text ?? ''),
      nextKey: next.text,
      heads: [],
    });
    await database.owner.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
      number + 1,
      signNote(naming, old),
    ]);
    await sign(file).stop();
    const after = (await stored()).find(({ checkpoint }) => checkpoint.number === number + 2);
    expect(after?.checkpoint).toMatchObject({ previous: hashOfCheckpoint(naming), nextKey: null });
    const opened = readNote(after?.note ?? '');
    expect(opened && verifyNote(opened, [next])).toBe('signed');
    expect(openCheckpointKeys(file).current().verifier.text).toBe(next.text);
  });

  test('is sent to a file and to an address, in order, past failures of the address', async () => {
    const file = join(folder(), 'checkpoints.ndjson');
    const received: string[] = [];
    let asked = 0;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        asked++;
        if (asked % 3 !== 0) received.push(Buffer.concat(chunks).toString());
        response.writeHead(asked % 3 === 0 ? 503 : 204).end();
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number }; // as: it listens on a port
    const start = await count();
    const faults: unknown[] = [];
    const onFault = (error: unknown) => faults.push(error);
    const url = `http://127.0.0.1:${port}/`;
    const signing = sign(join(folder(), 'checkpoint-key'), {
      everyMs: 10,
      destinations: [fileDestination(file, onFault), httpDestination({ url, onFault, firstBackoffMs: 5 })],
    });
    await until('five', async () => (await count()) >= start + 5);
    await signing.stop();
    const notes = (await stored()).slice(start).map(({ note }) => note);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => readLine(line))).toEqual(notes.map((note) => ({ kind: 'checkpoint', note })));
    expect(received).toEqual(lines.map((line) => `${line}\n`));
    expect(faults).toEqual([]);
  });

  test('an address that is away holds up neither the signing nor the stop', async () => {
    const start = await count();
    const faults: unknown[] = [];
    const signing = sign(join(folder(), 'checkpoint-key'), {
      everyMs: 10,
      destinations: [
        httpDestination({
          url: 'http://127.0.0.1:1/',
          onFault: (error) => faults.push(error),
          firstBackoffMs: 1,
        }),
      ],
    });
    await until('five', async () => (await count()) >= start + 5);
    await signing.stop();
    expect(faults.length).toBeGreaterThan(0);
  });

  test.each([
    ['append', 'ok', `INSERT INTO ideogate.checkpoint VALUES (900000, 'fake')`],
    ['append', '42501', 'SELECT * FROM ideogate.checkpoint'],
    ['append', '42501', 'UPDATE ideogate.checkpoint SET note = note'],
    ['append', '42501', 'DELETE FROM ideogate.checkpoint'],
    ['read', 'ok', 'SELECT * FROM ideogate.checkpoint'],
    ['read', '42501', `INSERT INTO ideogate.checkpoint VALUES (900001, 'fake')`],
    ['read', '42501', 'UPDATE ideogate.checkpoint SET note = note'],
    ['read', '42501', 'DELETE FROM ideogate.checkpoint'],
    ['read', '42501', 'TRUNCATE ideogate.checkpoint'],
  ] as const)('the %s login gets %s for %s', async (login, expected, statement) => {
    const client = new Client({
      connectionString: login === 'append' ? database.appendUrl : database.readUrl,
      query_timeout: 5_000,
    });
    await client.connect();
    const got = await client.query(`BEGIN; ${statement}; ROLLBACK`).then(
      () => 'ok',
      (error: unknown) => (error instanceof DatabaseError ? error.code : String(error)),
    );
    await client.end();
    expect(got).toBe(expected);
  });
});
