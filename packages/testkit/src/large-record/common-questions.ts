import { type Call, type CallFilter, listCalls, showCall } from '@ideogate/audit/query';
import { parseCallId } from '@ideogate/contract';
import type { Pool } from 'pg';
import { COMMON, RARE } from './large-record.ts';

/** `example` is an allowed call in the middle of a record that `fillMonth` made. */
type Ask = (pool: Pool, example: Call) => Promise<readonly unknown[]>;

interface CommonQuestion {
  /** What is looked for: the newest fifty calls of a kind. */
  readonly name: string;
  /** Whether there is anything to find. */
  readonly found: 'some' | 'none';
  /** Columns of the index that finds it, as Postgres puts them into a partition's. */
  readonly index: string;
  readonly question: Ask;
}

const FEW = { limit: 50 };
const DAY_MS = 86_400_000;

/** What people ask of the record every day. */
export const COMMON_QUESTIONS: readonly CommonQuestion[] = [
  some(
    'all calls',
    'at_call_id',
    newest(() => ({})),
  ),
  some(
    'all calls, a page in the middle',
    'at_call_id',
    older(() => ({})),
  ),
  some(
    'a caller with many calls',
    'subject_at',
    newest(() => ({ caller: COMMON.caller })),
  ),
  some(
    'a caller with many calls, a page in the middle',
    'subject_at',
    older(() => ({ caller: COMMON.caller })),
  ),
  some(
    'a caller with few calls',
    'subject_at',
    newest(() => ({ caller: RARE.caller })),
  ),
  some(
    'a caller with few calls since some day',
    'subject_at',
    newest(({ decidedAt }) => ({ caller: RARE.caller, since: new Date(Date.parse(decidedAt) - DAY_MS) })),
  ),
  none(
    'a caller without calls',
    'subject_at',
    newest(() => ({ caller: 'service-unknown' })),
  ),
  some(
    'an operation with many calls',
    'operation_at',
    newest(() => ({ operation: COMMON.operation })),
  ),
  some(
    'an operation with few calls',
    'operation_at',
    newest(() => ({ operation: RARE.operation })),
  ),
  some(
    'refusals',
    'at',
    newest(() => ({ state: 'refused' })),
  ),
  some(
    'refusals, a page in the middle',
    'at',
    older(() => ({ state: 'refused' })),
  ),
  some(
    'refusals of a caller',
    // Either of the two serves.
    '(?:subject_)?at',
    newest(() => ({ state: 'refused', caller: COMMON.caller })),
  ),
  some('one call', 'call_id_at', async (pool, { callId }) => [await showCall(pool, asCallId(callId))]),
  some(
    'a key with many calls',
    'key_id_at',
    newest(({ keyId }) => ({ key: keyId ?? '' })),
  ),
  some(
    'a key with few calls',
    'key_id_at',
    newest(() => ({ key: RARE.key })),
  ),
  some(
    'a token',
    'token_id',
    newest(({ tokenId }) => ({ token: tokenId ?? '' })),
  ),
  none(
    'a token without calls',
    'token_id',
    newest(() => ({ token: 'jti-unknown' })),
  ),
];

function some(name: string, index: string, question: Ask): CommonQuestion {
  return { name, index, question, found: 'some' };
}

function none(name: string, index: string, question: Ask): CommonQuestion {
  return { name, index, question, found: 'none' };
}

function newest(filter: (example: Call) => CallFilter): Ask {
  return (pool, example) => listCalls(pool, { ...FEW, ...filter(example) });
}

function older(filter: (example: Call) => CallFilter): Ask {
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
