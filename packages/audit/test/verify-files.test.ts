import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { headerLine } from '../src/chain/ndjson.ts';
import type { VerifyReport } from '../src/verify/index.ts';
import { nowMicros } from './events-under-test.ts';
import { openWriter } from './record-under-test.ts';
import { event, exportOf, inDatabase, sample, short, tamper, useSample, verify } from './verify-sample.ts';

useSample();

describe('the first line of an export', () => {
  const edited = async (
    edit: (header: string) => string,
  ): Promise<VerifyReport & { readonly file: string }> => {
    const text = readFileSync(await exportOf(sample.whole), 'utf8');
    const end = text.indexOf('\n');
    const file = join(sample.folder, 'edited-header.ndjson');
    writeFileSync(file, edit(text.slice(0, end)) + text.slice(end));
    return { ...(await verify({ kind: 'files', files: [file] })), file };
  };

  test.each([
    [
      'another environment',
      (header: string) => header.replace('staging', 'production'),
      /says that it is of production, and this is the record of staging/,
    ],
    [
      'an archive of no month',
      (header: string) => header.replace('export', 'archive'),
      /an archive of no month/,
    ],
    [
      'the archive of a month that is under way',
      () =>
        `{"archive":{"at":"${nowMicros()}","environment":"staging","month":"${new Date().toISOString().slice(0, 7)}"}}`,
      /which isn't over long enough/,
    ],
    [
      'the archive of a month that none of its events is of',
      () => `{"archive":{"at":"${nowMicros()}","environment":"staging","month":"2020-01"}}`,
      /says that it is the archive of 2020-01, and line 2 is of another month/,
    ],
  ])('that names %s is found', async (_, edit, said) => {
    const { ok, faults, file } = await edited(edit);
    expect(ok).toBe(false);
    expect(faults).toEqual([
      { fault: 'changed', writer: null, seq: null, detail: expect.stringMatching(said) },
    ]);
    expect(faults[0]?.detail).toContain(file);
  });
});

describe('a file', () => {
  const lines = async () =>
    readFileSync(await exportOf(sample.whole), 'utf8')
      .trimEnd()
      .split('\n');

  async function verifyLines(all: readonly string[], name = 'changed.ndjson'): Promise<VerifyReport> {
    const file = join(sample.folder, name);
    const text = `${all.join('\n')}\n`;
    writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text);
    return verify({ kind: 'files', files: [file] });
  }

  test('whose lines came more than once, as they do at least once, is whole', async () => {
    const [header = '', ...rest] = await lines();
    const again = [...rest.slice(0, 9), ...rest.slice(4)];
    expect(await verifyLines([header, ...again, ...rest.slice(-3)])).toMatchObject({ ok: true });
    const twice = rest.flatMap((line) => [line, line]);
    expect(await verifyLines([header, ...twice])).toMatchObject({ ok: true, events: sample.events });
    expect(await verifyLines([header, ...rest], 'whole.ndjson.gz')).toMatchObject({ ok: true });
  });

  test('does not hide a gap by saying that it is of long ago', async () => {
    await tamper((client) =>
      client.query(`DELETE FROM ideogate.audit_event WHERE ${event(sample.open, 21)}`),
    );
    const later = openWriter(sample.urls);
    await later.close(5_000);
    const [header = '', ...rest] = await lines();
    const file = join(sample.folder, 'long-ago.ndjson');
    writeFileSync(file, `${[header.replace(/"at":"[0-9]+"/, '"at":"1"'), ...rest].join('\n')}\n`);
    const report = await verify({ kind: 'files', files: [file] }, { gapAfterMs: 0 });
    expect(report.faults.map(short)).toEqual([['gap', sample.open, 20]]);
  });

  test('whose writers are mixed is whole', async () => {
    const [header = '', ...rest] = await lines();
    // Every writer's first event, then every writer's second: by their times they might stand one after the other.
    const seq = (line: string) => Number(/"seq":"([0-9]+)"/.exec(line)?.[1] ?? Number.MAX_SAFE_INTEGER);
    const mixed = rest.toSorted((a, b) => seq(a) - seq(b));
    expect(mixed).not.toEqual(rest);
    expect(await verifyLines([header, ...mixed])).toMatchObject({ ok: true, events: sample.events });
  });

  test('with two lines exchanged is said to be reordered', async () => {
    const all = await lines();
    const index = all.findIndex((line) => line.includes('"seq":"5"'));
    const swapped = all.with(index, all[index + 1] ?? '').with(index + 1, all[index] ?? '');
    const { faults } = await verifyLines(swapped);
    expect(faults.map(({ fault, seq }) => [fault, seq])).toEqual([['reordered', 5]]);
  });

  test('with a byte changed in its packed form, cut off, or with a line that is none, is said to be changed', async () => {
    const text = `${(await lines()).join('\n')}\n`;
    const packed = gzipSync(text);
    packed.writeUInt8(packed.readUInt8(packed.length >> 1) ^ 1, packed.length >> 1);
    const cases: readonly (readonly [string, Buffer | string])[] = [
      ['byte.ndjson.gz', packed],
      ['cut.ndjson.gz', gzipSync(text).subarray(0, -100)],
      ['line.ndjson', `${text}what\n`],
      ['half.ndjson', text.slice(0, -20)],
    ];
    for (const [name, content] of cases) {
      const file = join(sample.folder, name);
      writeFileSync(file, content);
      const report = await verify({ kind: 'files', files: [file] });
      expect(report).toMatchObject({ ok: false });
      expect(report.faults).toContainEqual(
        expect.objectContaining({ fault: 'changed', writer: null, seq: null }),
      );
    }
  });
});

describe('where there is nothing', () => {
  const NOTHING = { ok: false, events: 0, checkpoints: 0, faults: [{ fault: 'removed', seq: null }] };

  test('nothing is proved: a database that was emptied, checkpoints too', async () => {
    await tamper((client) => client.query('TRUNCATE ideogate.audit_event, ideogate.checkpoint'));
    expect(await verify(inDatabase(sample.whole))).toMatchObject(NOTHING);
  });

  test.each([
    ['an empty file', ''],
    ['an export of nothing', `${headerLine('export', { at: '1', environment: 'staging' })}\n`],
  ])('nothing is proved: %s', async (_, text) => {
    const file = join(sample.folder, 'nothing.ndjson');
    writeFileSync(file, text);
    expect(await verify({ kind: 'files', files: [file] })).toMatchObject(NOTHING);
  });
});
