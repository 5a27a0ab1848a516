import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { checkpointLine } from '../src/chain/ndjson.ts';
import { checkpointOf, checkpointText, hashOfCheckpoint } from '../src/checkpoints/checkpoint.ts';
import { openCheckpointKeys, prepareNextKey, signCheckpoints } from '../src/checkpoints/index.ts';
import { makeSigningKey, signNote } from '../src/checkpoints/note.ts';
import type { VerifyReport } from '../src/verify/index.ts';
import { decision, nowMicros } from './events-under-test.ts';
import { OPENING, openWriter, type RecordDatabase, recordDatabase } from './record-under-test.ts';
import {
  asSuperuser,
  event,
  exportOf,
  inDatabase,
  notesOf,
  putBack,
  rehash,
  sample,
  short,
  signNow,
  useSample,
  verify,
} from './verify-sample.ts';

useSample();

describe('of two environments that sign with one key', () => {
  let other: RecordDatabase;
  let kept: string;
  const other_ = { environment: 'production' } as const;

  beforeAll(async () => {
    other = await recordDatabase();
    const record = openWriter(other, { opening: { ...OPENING, ...other_ } });
    await record.decide(decision(other_));
    await record.close(5_000);
    await signCheckpoints({
      ...other,
      ...other_,
      keys: openCheckpointKeys(sample.keyFile),
      destinations: [],
      now: nowMicros,
    }).stop();
    kept = join(sample.folder, 'kept-of-production.ndjson');
    const notes = await asSuperuser(other.name, notesOf);
    writeFileSync(kept, notes.map((note) => `${checkpointLine(note)}\n`).join(''));
  });
  afterAll(() => other.close());

  const details = ({ faults }: VerifyReport) => faults.map(({ fault, detail }) => `${fault}: ${detail}`);

  test('each is whole by itself', async () => {
    expect(await verify(inDatabase(other.name), { kept: [kept], ...other_ })).toMatchObject({ ok: true });
    expect(await verify(inDatabase(sample.whole), { environment: 'staging' })).toMatchObject({ ok: true });
  });

  test('the checkpoints of one prove nothing of the other, and are named as such', async () => {
    const said = `forged-checkpoint: ${kept} has checkpoints of production, and this is the record of staging: they prove nothing here`;
    const file = await exportOf(sample.whole);
    for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }])
      expect(details(await verify(source, { kept: [kept] }))).toEqual([said]);
    expect(details(await verify(inDatabase(sample.whole), { kept: [kept, sample.kept] }))).toEqual([said]);
  });

  test('the record of one in the place of the other is named as such', async () => {
    const { faults, ok } = await verify(inDatabase(other.name), { environment: 'staging' });
    expect(ok).toBe(false);
    expect(faults[0]).toMatchObject({
      fault: 'forged-checkpoint',
      detail: expect.stringMatching(
        /^the database has checkpoints of production, and this is the record of staging/,
      ),
    });
    expect(faults[1]).toMatchObject({
      fault: 'inserted',
      seq: 1,
      detail: 'event 1 is of production, and this is the record of staging',
    });
    expect(faults).toHaveLength(2);
  });

  test('a checkpoint of one among those of the other is forged, though its signature is good', async () => {
    onTestFinished(() => putBack(sample.whole));
    const [note = ''] = await asSuperuser(other.name, notesOf);
    const stranger = checkpointText({
      ...(checkpointOf(note) ?? expect.fail('it is no checkpoint')),
      number: sample.checkpoints + 1,
    });
    await asSuperuser(sample.whole, (client) =>
      client.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        sample.checkpoints + 1,
        signNote(stranger, openCheckpointKeys(sample.keyFile).current()),
      ]),
    );
    for (const source of [
      inDatabase(sample.whole),
      { kind: 'files' as const, files: [await exportOf(sample.whole)] },
    ])
      expect((await verify(source)).faults.map(short)).toEqual([
        ['forged-checkpoint', null, sample.checkpoints + 1],
      ]);
  });

  test('a chain of one in the record of the other is slipped in, however sound it is', async () => {
    const file = join(sample.folder, 'mixed.ndjson');
    const chain = readFileSync(await exportOf(other.name), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"call_id"') || line.includes('"writer-'));
    writeFileSync(file, `${readFileSync(await exportOf(sample.whole), 'utf8')}${chain.join('\n')}\n`);
    const { faults } = await verify({ kind: 'files', files: [file] });
    expect(faults.map(({ fault, seq }) => [fault, seq])).toEqual([['inserted', 1]]);
  });

  test('and of two installations of one environment, too', async () => {
    const twin = await recordDatabase();
    onTestFinished(() => twin.close());
    await signNow(twin, sample.keyFile);
    const file = join(sample.folder, 'kept-of-a-twin.ndjson');
    const notes = await asSuperuser(twin.name, notesOf);
    writeFileSync(file, notes.map((note) => `${checkpointLine(note)}\n`).join(''));
    expect(details(await verify(inDatabase(sample.whole), { kept: [file] }))).toEqual([
      `forked: none of the checkpoints in ${file} is one of this record's: another installation signs with the same key, or this record was begun anew`,
    ]);
  });

  test('what the database says it is must be what was signed', async () => {
    onTestFinished(() =>
      asSuperuser(sample.whole, (client) => client.query('DELETE FROM ideogate.deployment')).then(() => {}),
    );
    await asSuperuser(sample.whole, (client) =>
      client.query(`INSERT INTO ideogate.deployment (environment) VALUES ('production')`),
    );
    expect(details(await verify(inDatabase(sample.whole)))).toEqual([
      'changed: the database says that it is of production, and this is the record of staging',
    ]);
  });
});

describe('the keys', () => {
  test('the first public key is enough, and so is the newest, after the key was changed', async () => {
    onTestFinished(() => putBack(sample.whole));
    const [old] = openCheckpointKeys(sample.keyFile).publicKeys();
    const file = join(sample.folder, 'changing-key');
    copyFileSync(sample.keyFile, file);
    const next = prepareNextKey(file);
    await signNow(sample.urls, file);
    for (const key of [old, next]) {
      if (key === undefined) throw new Error('no key');
      expect(await verify(inDatabase(sample.whole), { keys: [key] })).toMatchObject({
        ok: true,
        checkpoints: sample.checkpoints + 3,
      });
    }
    const stranger = await verify(inDatabase(sample.whole), {
      keys: [makeSigningKey('ideogate.test/staging').verifier],
    });
    expect(new Set(stranger.faults.map(({ fault }) => fault))).toEqual(new Set(['forged-checkpoint']));
  });

  test('a key that was changed signs no more, whoever has it', async () => {
    onTestFinished(() => putBack(sample.whole));
    const file = join(sample.folder, 'stolen-key');
    copyFileSync(sample.keyFile, file);
    const stolen = openCheckpointKeys(file).current();
    prepareNextKey(file);
    await signNow(sample.urls, file);
    await asSuperuser(sample.whole, async (client) => {
      const note = (await notesOf(client)).at(-1) ?? '';
      const last = checkpointOf(note);
      if (last === null) throw new Error('no checkpoint');
      const text = checkpointText({
        ...last,
        number: last.number + 1,
        previous: hashOfCheckpoint(checkpointText(last)),
        heads: [],
      });
      await client.query('INSERT INTO ideogate.checkpoint VALUES ($1, $2)', [
        last.number + 1,
        signNote(text, stolen),
      ]);
    });
    const { faults } = await verify(inDatabase(sample.whole), {
      keys: openCheckpointKeys(file).publicKeys(),
    });
    expect(faults.map(short)).toEqual([['forged-checkpoint', null, 16]]);
  });
});

describe('a stolen key that was changed', () => {
  test('signs no other past, even where nothing is left of the change', async () => {
    onTestFinished(() => putBack(sample.whole));
    const [file, thiefs] = [join(sample.folder, 'left-key'), join(sample.folder, 'thiefs-key')];
    for (const copy of [file, thiefs]) copyFileSync(sample.keyFile, copy);
    prepareNextKey(file);
    await signNow(sample.urls, file);
    await asSuperuser(sample.whole, async (client) => {
      await client.query('DELETE FROM ideogate.checkpoint');
      await client.query(
        `UPDATE ideogate.audit_event SET subject = 'nobody' WHERE ${event(sample.closed, 5)}`,
      );
      await rehash(client, sample.closed, 5);
    });
    await signNow(sample.urls, thiefs);
    const keys = openCheckpointKeys(file);
    const forged = ['forged-checkpoint', null, 1];
    const before = await verify(inDatabase(sample.whole), { keys: keys.inForce() });
    expect(before.faults.map(short)).toContainEqual(forged);
    await signNow(sample.urls, file);
    const after = await verify(inDatabase(sample.whole), { keys: keys.inForce() });
    expect(after.faults.map(short)).toContainEqual(forged);
  });

  test('is not needed to know what was kept while it signed', async () => {
    onTestFinished(() => putBack(sample.whole));
    const file = join(sample.folder, 'later-key');
    copyFileSync(sample.keyFile, file);
    prepareNextKey(file);
    await signNow(sample.urls, file);
    const keys = openCheckpointKeys(file).inForce();
    expect(await verify(inDatabase(sample.whole), { keys, kept: [sample.kept] })).toMatchObject({ ok: true });
  });
});
