import { randomUUID } from 'node:crypto';
import { type CallId, type DecisionEvent, type OutcomeEvent, parseCallId } from '@ideogate/contract';

export const nowMicros = (): bigint => BigInt(Date.now()) * 1_000n;

export function newCallId(): CallId {
  const callId = parseCallId(randomUUID().replace(/^(.{14})4/, '$17'));
  if (callId === undefined) throw new Error('not a call id');
  return callId;
}

/** Whose call it is, and where: the same in a decision and in its outcome. */
const OF_SERVICE_A = {
  environment: 'staging',
  issuer: 'https://issuer.test',
  subject: 'service-a',
  clientId: 'service-a',
  tokenId: 'jti-1',
  actor: null,
} as const;

/** A decision that lets a call of service-a through, but for what `changes` says. */
export function decision(changes: Partial<DecisionEvent> = {}): DecisionEvent {
  return {
    kind: 'decision',
    callId: newCallId(),
    atMicros: nowMicros(),
    ...OF_SERVICE_A,
    result: 'allowed',
    problem: null,
    reason: null,
    status: null,
    address: '127.0.0.1',
    proxy: null,
    method: 'POST',
    resource: '/v1/ideogram-v3/generate',
    operation: 'v3.generate',
    scopeNeeded: 'write:generate',
    scopeHeld: 'read:models write:generate',
    level: 'limited',
    rule: 'grants.yaml:3 write:limited',
    release: 'sha256:fake',
    keyId: 'key-fake',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    ...changes,
  };
}

export function refusal(changes: Partial<DecisionEvent> = {}): DecisionEvent {
  return decision({
    result: 'refused',
    problem: 'invalid-token',
    reason: 'token-expired',
    status: 401,
    level: null,
    ...changes,
  });
}

export function outcome(changes: Partial<OutcomeEvent> = {}): OutcomeEvent {
  return {
    kind: 'outcome',
    callId: newCallId(),
    atMicros: nowMicros(),
    ...OF_SERVICE_A,
    operation: 'v3.generate',
    result: 'completed',
    problem: null,
    reason: null,
    status: 200,
    upstreamStatus: 200,
    bytesSent: 120,
    bytesReceived: 4_096,
    firstByteMs: 12,
    durationMs: 40,
    images: 1,
    costUsdMicros: 60_000,
    safe: true,
    made: ['generation:fake'],
    promptDigest: 'fake-digest',
    promptLength: 5,
    promptSealed: null,
    ...changes,
  };
}
