import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { InterruptedError, NoCheckpointsError } from '../src/verify/index.ts';
import {
  asSuperuser,
  changed,
  event,
  exportOf,
  inDatabase,
  putBack,
  rehash,
  sample,
  short,
  signedAt,
  tamper,
  useSample,
  verify,
} from './verify-sample.ts';

useSample();

describe('checkpoints kept elsewhere, of about when an export was made, whose clock it is not:', () => {
  const seconds = (count: number) => BigInt(count) * 1_000_000n;
  const kept = () => ({ kept: [sample.kept] });
  const inExport = async (name: string, at: bigint) =>
    verify({ kind: 'files', files: [await exportOf(name, at)] }, kept());
  /** Takes away what was written and signed after a place of the open chain and a checkpoint. */
  const endAt = (seq: number, checkpoint: number) => async (client: Client) => {
    await client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.open}' AND seq > ${seq}`);
    await client.query('DELETE FROM ideogate.checkpoint WHERE number > $1', [checkpoint]);
  };

  test.each([0, 1, 4, 5, 6, 3_600])(
    'what one fixes that was signed %i seconds before is missed, if it is not there',
    async (after) => {
      const { faults } = await inExport(sample.backup, (await signedAt(11)) + seconds(after));
      expect(faults.map(short)).toEqual([['rolled-back', null, 11]]);
    },
  );

  test('what a younger one fixes must be as it is there, and may not be there yet', async () => {
    onTestFinished(() => putBack(sample.whole));
    const at = await signedAt(10);
    await asSuperuser(sample.whole, endAt(17, 10));
    expect(await inExport(sample.whole, at)).toMatchObject({ ok: true, checkpoints: 10 });
    await asSuperuser(sample.whole, async (client) => {
      await changed(`subject = 'nobody' WHERE ${event(sample.open, 15)}`)(client);
      await rehash(client, sample.open, 15);
    });
    const { faults } = await inExport(sample.whole, at);
    expect(faults.map(short)).toEqual([['changed', sample.open, 17]]);
    await asSuperuser(sample.whole, endAt(16, 10));
    expect(await inExport(sample.whole, at)).toMatchObject({ ok: true, reported: { tail: 7 } });
  });

  test('a younger one proves no export that has none itself', async () => {
    await tamper(endAt(0, 0));
    const { faults, checkpoints } = await inExport(sample.whole, (await signedAt(1)) - 1n);
    expect([checkpoints, faults.map(short)]).toEqual([0, [['removed', null, null]]]);
  });

  test('one that was signed while it was made is not missed where all that it fixes is there, and one of before is', async () => {
    await tamper(endAt(17, 11));
    const meanwhile = await inExport(sample.whole, (await signedAt(12)) + seconds(4));
    expect(meanwhile).toMatchObject({
      ok: true,
      reported: {
        notes: [
          'checkpoint 12, kept elsewhere: signed while the export was being made or just before, and not in it; all that was fixed by then is',
        ],
      },
    });
    const later = await inExport(sample.whole, (await signedAt(12)) + seconds(6));
    expect(later.faults.map(short)).toEqual([['removed', null, 12]]);
  });

  test('a verification that was stopped knows younger ones still', async () => {
    await tamper(async (client) => {
      await endAt(17, 10)(client);
      await changed(`subject = 'nobody' WHERE ${event(sample.open, 15)}`)(client);
      await rehash(client, sample.open, 15);
    });
    const source = { kind: 'files', files: [await exportOf(sample.whole, await signedAt(10))] } as const;
    const resume = join(sample.folder, 'state-with-younger.json');
    const stopped = verify(source, { ...kept(), resume, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(InterruptedError);
    const goneOn = await verify(source, { ...kept(), resume });
    expect(goneOn.faults.map(short)).toEqual([['changed', sample.open, 17]]);
    expect(goneOn).toEqual(await verify(source, kept()));
  });
});

describe('a single checkpoint that somebody kept', () => {
  const onlyLast = () => {
    const file = join(sample.folder, 'one.ndjson');
    writeFileSync(file, `${readFileSync(sample.kept, 'utf8').trimEnd().split('\n').at(-1)}\n`);
    return file;
  };
  const forget = (client: Client) => client.query('DELETE FROM ideogate.checkpoint');

  test('fixes every chain, those that it does not list too (E.53)', async () => {
    await tamper(async (client) => {
      await forget(client);
      await client.query(`DELETE FROM ideogate.audit_event WHERE writer = '${sample.closed}'`);
    });
    const { faults } = await verify(inDatabase(sample.whole), { kept: [onlyLast()] });
    expect(faults.map(({ fault }) => fault)).toContain('cut-off');
  });

  test('is not needed to see that all of them were taken away', async () => {
    await tamper(forget);
    const { ok, faults } = await verify(inDatabase(sample.whole), { kept: [] });
    expect({ ok, faults: faults.map(({ fault }) => fault) }).toEqual({ ok: false, faults: ['removed'] });
  });
});

describe('checkpoints that somebody else kept', () => {
  const forms: readonly (readonly [string, (text: string) => string])[] = [
    ['as they were sent', (text) => text],
    ['without a line feed at the end', (text) => text.trimEnd()],
    [
      'with what a collector of logs puts before each',
      (text) => text.replaceAll(/^/gm, '2026-11-29 gateway | '),
    ],
    ['as a text file of Windows', (text) => `\uFEFF${text.replaceAll('\n', '\r\n')}`],
    ['among other lines', (text) => `started\n${text}stopped\n`],
  ];
  test.each(forms)('are read %s', async (_, form) => {
    const file = join(sample.folder, 'kept-in-a-form.ndjson');
    writeFileSync(file, form(readFileSync(sample.kept, 'utf8')));
    const { faults } = await verify(inDatabase(sample.backup), { kept: [file] });
    expect(faults.map(short)).toEqual([['rolled-back', null, 11]]);
  });

  test('are read from a pipe', async () => {
    const pipe = join(sample.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const written = writeFile(pipe, readFileSync(sample.kept));
    const { faults } = await verify(inDatabase(sample.backup), { kept: [pipe] });
    await written;
    expect(faults.map(short)).toEqual([['rolled-back', null, 11]]);
  });

  test.each([
    ['an empty file', ''],
    ['a file of something else', 'root:x:0:0\n'],
    ['a bare signed note', 'ideogate checkpoint\nenvironment staging\n'],
  ])('are missed in %s', async (_, text) => {
    const file = join(sample.folder, 'no-checkpoints');
    writeFileSync(file, text);
    await expect(verify(inDatabase(sample.whole), { kept: [file] })).rejects.toThrow(NoCheckpointsError);
  });
});
