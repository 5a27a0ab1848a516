import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { InterruptedError } from '../src/verify/index.ts';
import { refusal } from './events-under-test.ts';
import { openWriter } from './record-under-test.ts';
import {
  asSuperuser,
  event,
  exportOf,
  inDatabase,
  putBack,
  sample,
  tamper,
  useSample,
  verify,
} from './verify-sample.ts';

useSample();

describe('a verification that was stopped', () => {
  test('is gone on with, and finds what it would have found at once', async () => {
    await tamper(async (client) => {
      for (const writer of [sample.open, sample.closed])
        await client.query(`UPDATE ideogate.audit_event SET subject = 'nobody' WHERE ${event(writer, 5)}`);
    });
    const file = await exportOf(sample.whole);
    const sources = [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }];
    for (const source of sources) {
      const resume = join(sample.folder, 'state.json');
      const stopped = verify(source, { resume, signal: AbortSignal.abort() });
      await expect(stopped).rejects.toThrow(InterruptedError);
      expect(existsSync(resume)).toBe(true);
      const whole = await verify(source);
      const goneOn = await verify(source, { resume });
      expect(goneOn).toEqual(whole);
      expect(goneOn.faults).toHaveLength(2);
      expect(existsSync(resume)).toBe(false);
    }
  });

  test('is gone on with from the middle of a chain, and misses nothing on either side', async () => {
    onTestFinished(() => putBack(sample.whole));
    const record = openWriter(sample.urls);
    await Promise.all(Array.from({ length: 1_500 }, () => record.refuse(refusal())));
    await record.close(5_000);
    await asSuperuser(sample.whole, async (client) => {
      for (const seq of [3, 1_499])
        await client.query(
          `UPDATE ideogate.audit_event SET subject = 'nobody' WHERE ${event(record.writer, seq)}`,
        );
    });
    const file = await exportOf(sample.whole);
    for (const source of [inDatabase(sample.whole), { kind: 'files' as const, files: [file] }]) {
      const resume = join(sample.folder, 'state.json');
      const over = new AbortController();
      let read = 0;
      const onProgress = ({ events }: { events: number }) => {
        read = events;
        over.abort();
      };
      const stopped = verify(source, { resume, signal: over.signal, onProgress });
      await expect(stopped).rejects.toThrow(InterruptedError);
      expect(read).toBeLessThan(1_500);
      const goneOn = await verify(source, { resume });
      expect(goneOn).toEqual(await verify(source));
      expect(goneOn.faults.map(({ seq }) => seq)).toEqual([3, 1_499]);
    }
  });

  test('is not gone on with over something else, or by other checkpoints', async () => {
    const resume = join(sample.folder, 'other-state.json');
    const signal = AbortSignal.abort();
    await expect(verify(inDatabase(sample.whole), { resume, signal })).rejects.toThrow(InterruptedError);
    await expect(verify(inDatabase(sample.backup), { resume })).rejects.toThrow('something else');
    const otherwise = verify(inDatabase(sample.whole), { resume, kept: [sample.kept] });
    await expect(otherwise).rejects.toThrow('by other keys or checkpoints');
  });

  const OF_AN_OLDER_RELEASE = JSON.stringify({
    source: '',
    upTo: 1,
    now: 1,
    parts: 0,
    position: null,
    events: 1,
    lastAt: 1,
    faultCount: 0,
    chains: [['00000000-0000-4000-8000-00000000000f', { seq: 1, hash: '', suspects: [] }]],
    decisions: {},
    faults: [],
    months: [],
    archiveNotices: [],
  });
  test.each(['', 'null', '[]', '{"source":"x"}', '{"upTo":1,"parts":"a"}', OF_AN_OLDER_RELEASE])(
    'is not gone on with from a state that is none: %s',
    async (text) => {
      const resume = join(sample.folder, 'damaged-state.json');
      writeFileSync(resume, text);
      await expect(verify(inDatabase(sample.whole), { resume })).rejects.toThrow(
        `${resume} does not hold the state of a verification`,
      );
    },
  );
});
