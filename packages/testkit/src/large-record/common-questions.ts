import { type Call, type CallFilter, listCalls, showCall } from '@ideogate/audit';
import { parseCallId } from '@ideogate/contract';
import type { Pool } from 'pg';
import { COMMON, RARE } from './large-record.ts';

/** Asks for the newest fifty calls that…; `example` is any allowed call in the middle of a record that `fillMonth` made. */
type Question = (pool: Pool, example: Call) => Promise<readonly unknown[]>;

const FEW = { limit: 50 };
const DAY_MS = 86_400_000;

/** What people ask of the record every day, and whether there is anything to find. */
export const COMMON_QUESTIONS: readonly (readonly [string, 'some' | 'none', Question])[] = [
  ['all calls', 'some', newest(() => ({}))],
  ['all calls, a page in the middle', 'some', older(() => ({}))],
  ['a caller with many calls', 'some', newest(() => ({ caller: COMMON.caller }))],
  ['a caller with many calls, a page in the middle', 'some', older(() => ({ caller: COMMON.caller }))],
  ['a caller with few calls', 'some', newest(() => ({ caller: RARE.caller }))],
  [
    'a caller with few calls since some day',
    'some',
    newest(({ decidedAt }) => ({
      caller: RARE.caller,
      since: new Date(Date.parse(decidedAt) - DAY_MS),
    })),
  ],
  ['a caller without calls', 'none', newest(() => ({ caller: 'service-unknown' }))],
  ['an operation with many calls', 'some', newest(() => ({ operation: COMMON.operation }))],
  ['an operation with few calls', 'some', newest(() => ({ operation: RARE.operation }))],
  ['refusals', 'some', newest(() => ({ state: 'refused' }))],
  ['refusals, a page in the middle', 'some', older(() => ({ state: 'refused' }))],
  ['refusals of a caller', 'some', newest(() => ({ state: 'refused', caller: COMMON.caller }))],
  ['one call', 'some', async (pool, { callId }) => [await showCall(pool, asCallId(callId))]],
  ['a key with many calls', 'some', newest(({ keyId }) => ({ key: keyId ?? '' }))],
  ['a key with few calls', 'some', newest(() => ({ key: RARE.key }))],
  ['a token', 'some', newest(({ tokenId }) => ({ token: tokenId ?? '' }))],
  ['a token without calls', 'none', newest(() => ({ token: 'jti-unknown' }))],
];

function newest(filter: (example: Call) => CallFilter): Question {
  return (pool, example) => listCalls(pool, { ...FEW, ...filter(example) });
}

function older(filter: (example: Call) => CallFilter): Question {
  return (pool, example) => listCalls(pool, { ...FEW, ...filter(example), before: example });
}

/** An allowed call from the middle of the record. */
export async function exampleCall(pool: Pool, middle: Date): Promise<Call> {
  const before = { decidedAt: middle.toISOString(), callId: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };
  const [call] = await listCalls(pool, { limit: 1, result: 'success', before });
  if (call === undefined) throw new Error('the record has no call before its middle');
  return call;
}

function asCallId(text: string) {
  const callId = parseCallId(text);
  if (callId === undefined) throw new Error(`${text} is no call id`);
  return callId;
}
