import { type Month, parseMonth, topUpPartitions } from '../src/index.ts';
import { decision, outcome } from './events-under-test.ts';
import { openWriter, type RecordDatabase } from './record-under-test.ts';

export const at = (time: string): bigint => BigInt(Date.parse(time)) * 1_000n;

export function month(text: string): Month {
  const parsed = parseMonth(text);
  if (parsed === undefined) throw new Error(`${text} is no month`);
  return parsed;
}

/** Writes two calls at each of these times, in their order, as one writer; four events a time, and two of its own. */
export async function writeCalls(database: RecordDatabase, times: readonly string[]): Promise<string> {
  let now = at(times[0] ?? '');
  const record = openWriter(database, { now: () => now });
  for (const time of times) {
    now = at(time);
    for (const subject of ['service-a', 'service-b']) {
      const call = decision({ atMicros: now, subject });
      if ((await record.decide(call)) !== 'committed') throw new Error('not committed');
      record.outcome(outcome({ callId: call.callId, atMicros: now, subject }));
    }
    await record.flush(5_000);
  }
  await record.close(5_000);
  return record.writer;
}

/** January to March 2030, three writers: one before a month's change, one across it, one after; and checkpoints. */
export async function quarterOfCalls(database: RecordDatabase): Promise<void> {
  await topUpPartitions(database.ownerUrl, at('2030-02-01T00:00:00Z'));
  await writeCalls(database, ['2030-01-05T10:00:00Z', '2030-01-31T23:59:59.999Z']);
  await writeCalls(database, ['2030-01-20T08:00:00Z', '2030-02-01T00:00:00Z', '2030-03-02T00:00:00Z']);
  await writeCalls(database, ['2030-02-10T10:00:00Z']);
  for (const [number, time] of [
    '2029-12-31T23:59:59.999999Z',
    '2030-01-01T00:00:00.000000Z',
    '2030-01-31T23:59:59.999999Z',
    '2030-02-01T00:00:29.000000Z',
    '2030-02-01T00:00:59.000000Z',
  ].entries()) {
    await database.owner.query('INSERT INTO ideogate.checkpoint (number, note) VALUES ($1, $2)', [
      number + 1,
      `ideogate checkpoint\nenvironment staging\nnumber ${number + 1}\ntime ${time}\nfake\n`,
    ]);
  }
}
