import {
  bigint,
  boolean,
  customType,
  integer,
  pgSchema,
  text,
  timestamp,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';

/**
 * The record's table and view as `migrations/` makes them. The append statement, the canonical form that is hashed
 * and the queries all take their columns from here.
 */
const ideogate = pgSchema('ideogate');

/** Bytes as `\x` hex text. */
const bytea = customType<{ data: string; driverData: string }>({ dataType: () => 'bytea' });

/** Who called what, and by which right: the same in an event and in a call. */
const WHO_AND_WHAT = {
  environment: text('environment').notNull(),
  issuer: text('issuer'),
  subject: text('subject'),
  clientId: text('client_id'),
  tokenId: text('token_id'),
  address: text('address'),
  method: text('method'),
  resource: text('resource'),
  operation: text('operation'),
  scopeNeeded: text('scope_needed'),
  scopeHeld: text('scope_held'),
  level: text('level'),
  rule: text('rule'),
  release: text('release'),
  keyId: text('key_id'),
  traceId: text('trace_id'),
};

/** The record: every column of an event. */
export const auditEvent = ideogate.table(
  'audit_event',
  {
    writer: uuid('writer').notNull(),
    seq: bigint('seq', { mode: 'bigint' }).notNull(),
    at: timestamp('at', { withTimezone: true, precision: 6, mode: 'string' }).notNull(),
    kind: text('kind', { enum: ['decision', 'outcome', 'notice'] }).notNull(),
    /** Null in a notice. */
    callId: uuid('call_id'),
    ...WHO_AND_WHAT,
    result: text('result').notNull(),
    problem: text('problem'),
    reason: text('reason'),
    status: integer('status'),
    upstreamStatus: integer('upstream_status'),
    bytesSent: bigint('bytes_sent', { mode: 'bigint' }),
    bytesReceived: bigint('bytes_received', { mode: 'bigint' }),
    firstByteMs: integer('first_byte_ms'),
    durationMs: integer('duration_ms'),
    images: integer('images'),
    costUsdMicros: bigint('cost_usd_micros', { mode: 'bigint' }),
    safe: boolean('safe'),
    made: text('made').array(),
    promptDigest: text('prompt_digest'),
    promptLength: integer('prompt_length'),
    prevHash: bytea('prev_hash').notNull(),
    hash: bytea('hash').notNull(),
    actor: text('actor'),
    detail: text('detail'),
    promptSealed: text('prompt_sealed'),
    proxy: text('proxy'),
  },
  (table) => [unique('audit_event_writer_seq_at_key').on(table.writer, table.seq, table.at)],
);

/** One row a call: decision and outcome side by side. */
export const auditCall = ideogate
  .view('audit_call', {
    callId: uuid('call_id').notNull(),
    state: text('state', { enum: ['refused', 'open', 'gap', 'done'] }).notNull(),
    result: text('result', { enum: ['success', 'failure'] }).notNull(),
    decidedAt: timestamp('decided_at', { withTimezone: true, precision: 6, mode: 'string' }).notNull(),
    endedAt: timestamp('ended_at', { withTimezone: true, precision: 6, mode: 'string' }),
    ...WHO_AND_WHAT,
    decision: text('decision', { enum: ['allowed', 'refused'] }).notNull(),
    outcome: text('outcome'),
    problem: text('problem'),
    reason: text('reason'),
    status: integer('status'),
    upstreamStatus: integer('upstream_status'),
    // Counts are stored up to 2^53 - 1 only, so a number holds them exactly.
    bytesSent: bigint('bytes_sent', { mode: 'number' }),
    bytesReceived: bigint('bytes_received', { mode: 'number' }),
    firstByteMs: integer('first_byte_ms'),
    durationMs: integer('duration_ms'),
    images: integer('images'),
    costUsdMicros: bigint('cost_usd_micros', { mode: 'number' }),
    safe: boolean('safe'),
    made: text('made').array(),
    promptDigest: text('prompt_digest'),
    promptLength: integer('prompt_length'),
    decisionWriter: uuid('decision_writer').notNull(),
    decisionSeq: bigint('decision_seq', { mode: 'number' }).notNull(),
    outcomeWriter: uuid('outcome_writer'),
    outcomeSeq: bigint('outcome_seq', { mode: 'number' }),
    actor: text('actor'),
    proxy: text('proxy'),
  })
  .existing();
