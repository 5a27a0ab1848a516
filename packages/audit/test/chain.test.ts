import { createHash } from 'node:crypto';
import type { CallId } from '@ideogate/contract';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ChainedEvent, hashEvent, verifyChain } from '../src/index.ts';
import canonicalize from 'canonicalize';
import { canonicalForm, chain, EMPTY_CHAIN } from '../src/chain/chain.ts';
import { eventColumns } from '../src/append/event-columns.ts';
import { decision, outcome } from './events-under-test.ts';

const WRITER = '00000000-0000-4000-8000-000000000001';
const CALL = '00000000-0000-7000-8000-000000000002' as CallId; // as: it is one

function chainOf(length: number): readonly ChainedEvent[] {
  const events = Array.from({ length }, (_, index) =>
    eventColumns(
      index % 2 === 0 ? decision({ atMicros: BigInt(index) }) : outcome({ atMicros: BigInt(index) }),
    ),
  );
  const timed = events.map((columns) => ({ columns, atMicros: columns.atMicros }));
  return chain(WRITER, EMPTY_CHAIN, timed).map(({ seq, hash, atMicros, prevHash }, index) => ({
    ...eventColumns(index % 2 === 0 ? decision({}) : outcome({})),
    ...events[index],
    seq,
    hash,
    atMicros,
    prevHash,
    writer: WRITER,
  }));
}

describe('the hash chain', () => {
  test('the hash of an event is SHA-256 over its columns as documented, so others can verify it', () => {
    const nothing = {
      issuer: null,
      subject: null,
      clientId: null,
      tokenId: null,
      actor: null,
      problem: null,
      operation: null,
      reason: null,
    };
    const columns = eventColumns(
      outcome({
        ...nothing,
        callId: CALL,
        atMicros: 1_700_000_000_000_001n,
        promptDigest: null,
        promptLength: null,
      }),
    );
    const [event] = chain(WRITER, EMPTY_CHAIN, [{ columns, atMicros: columns.atMicros }]);
    const form =
      `{"at":"1700000000000001","bytes_received":"4096","bytes_sent":"120","call_id":"${CALL}","cost_usd_micros":"60000",` +
      `"duration_ms":"40","environment":"staging","first_byte_ms":"12","images":"1","kind":"outcome",` +
      `"made":["generation:fake"],"prev_hash":"${'0'.repeat(64)}","result":"completed","safe":"true","seq":"1",` +
      `"status":"200","upstream_status":"200","writer":"${WRITER}"}`;
    expect(event?.hash).toBe(createHash('sha256').update(form).digest('hex'));
  });

  test('what a row has no value for is left out, so that rows from before a column keep their hash', () => {
    const place = { writer: WRITER, seq: 1n, atMicros: 1n, prevHash: '0'.repeat(64) };
    const event = decision();
    const form = (proxy: string | null) => canonicalForm(eventColumns({ ...event, proxy }), place);
    expect(form(null)).not.toContain('proxy');
    expect(form('192.0.2.7')).toBe(form(null).replace(',"release"', ',"proxy":"192.0.2.7","release"'));
  });

  test('the form that is hashed is the RFC 8785 form, as a library writes it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: 'binary' }),
        fc.maxSafeNat(),
        (one, other, count) => {
          const columns = eventColumns(
            outcome({ subject: one, operation: other, made: [one, other], bytesSent: count }),
          );
          const form = canonicalForm(columns, {
            writer: WRITER,
            seq: 7n,
            atMicros: 7n,
            prevHash: '0'.repeat(64),
          });
          expect(form).toBe(canonicalize(JSON.parse(form)));
        },
      ),
    );
  });

  test('an untouched chain verifies', () => {
    expect(verifyChain(chainOf(20))).toBeNull();
    expect(verifyChain([])).toBeNull();
  });

  test('a chain with an event removed, swapped, slipped in or altered in any column does not verify', () => {
    const columns = Object.keys(chainOf(1)[0] ?? {});
    const events = chainOf(12);
    fc.assert(
      fc.property(
        fc.nat({ max: 10 }),
        fc.constantFrom('remove', 'swap', 'repeat', 'alter', 'alter and hash again'),
        fc.constantFrom(...columns),
        (index, change, column) => {
          const [before, event, after] = [events.slice(0, index), events[index], events.slice(index + 1)];
          const next = after[0];
          if (event === undefined || next === undefined) return;
          const altered = { ...event, [column]: otherThan(event[column as keyof ChainedEvent]) }; // as: a column
          const again = { ...altered, hash: hashEvent(altered) };
          const changed = {
            remove: [...before, ...after],
            swap: [...before, next, event, ...after.slice(1)],
            repeat: [...before, event, event, ...after],
            alter: [...before, altered, ...after],
            'alter and hash again': [...before, column === 'hash' ? altered : again, ...after],
          }[change];
          expect(verifyChain(changed)).not.toBeNull();
        },
      ),
      { numRuns: 300 },
    );
  });
});

function otherThan(value: ChainedEvent[keyof ChainedEvent]): unknown {
  if (typeof value === 'bigint') return value + 1n;
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string') return `${value}0`;
  return value === null ? 'added' : [...value, 'added'];
}
