import { randomBytes, randomUUIDv7 } from 'node:crypto';
import type { CallId, DecisionEvent } from '@ideogate/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { storedBytes } from '../src/append/index.ts';
import { refusal } from './events-under-test.ts';
import { openWriter, recordDatabase, type RecordDatabase } from './record-under-test.ts';

let database: RecordDatabase;
beforeAll(async () => {
  database = await recordDatabase();
});
afterAll(() => database?.close());

/** Tables, indexes, and what is beside them. */
async function sizeOnDisk(): Promise<number> {
  const { rows } = await database.owner.query<{ bytes: string }>(
    `SELECT sum(pg_total_relation_size(inhrelid))::text AS bytes FROM pg_inherits
     WHERE inhparent = 'ideogate.audit_event'::regclass`,
  );
  return Number(rows[0]?.bytes);
}

const ANONYMOUS = {
  issuer: null,
  subject: null,
  clientId: null,
  tokenId: null,
  operation: null,
  scopeNeeded: null,
  scopeHeld: null,
  rule: null,
  keyId: null,
  release: `sha256:${'0123456789abcdef'.repeat(4)}`,
} satisfies Partial<DecisionEvent>;

const ROWS = 3_000;

// As gateways make them, in the order of time: an index of ids in no order has more room left in it.
const anonymous = (changes: Partial<DecisionEvent>) =>
  refusal({ ...ANONYMOUS, ...changes, callId: randomUUIDv7() as CallId }); // as: it makes what the brand says

test.each([
  ['short path', () => ({ resource: '/', traceId: null })],
  ['long path that can’t be compressed', () => ({ resource: `/${randomBytes(150).toString('base64url')}` })],
  ['path longer than is kept', () => ({ resource: `/${randomBytes(2_000).toString('base64url')}` })],
  [
    'far address behind a proxy',
    () => ({
      resource: '/models',
      address: '2001:db8:1111:2222:3333:4444:5555:6666',
      proxy: '10.111.222.333',
    }),
  ],
])(
  'a row with a %s takes no more of the disk than is counted for it, and not much less (H.64)',
  async (_, changes) => {
    // A busy machine takes longer for so many rows than a call waits.
    const record = openWriter(database, { commitTimeoutMs: 20_000 });
    const before = await sizeOnDisk();
    const events = Array.from({ length: ROWS }, () => anonymous(changes()));
    expect(new Set(await Promise.all(events.map((event) => record.refuse(event))))).toEqual(
      new Set(['committed']),
    );
    await record.close(5_000);
    const taken = (await sizeOnDisk()) - before;
    const counted = events.reduce((sum, event) => sum + storedBytes(event), 0);
    expect(counted).toBeGreaterThan(taken);
    expect(counted).toBeLessThan(1.5 * taken);
  },
);
