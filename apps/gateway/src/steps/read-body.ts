import { recordedFields } from '@ideogate/ideogram';
import { type BodyReader, openBody, type RequestFault } from '@ideogate/request-body';
import { admit, callerKey, PARSING_LATE, whileUploading } from '../admission/admit.ts';
import { readPieces } from '../admission/read-pieces.ts';
import { Lease } from '../admission/shared-pool.ts';
import type { Authorized } from '../call.ts';
import type { Gateway } from '../context.ts';
import { sendContinue } from '../edge/send-continue.ts';
import { readWhole } from '../edge/read-whole.ts';
import { type Refusal, refusalOf } from '../refusal.ts';
import type { Check } from './pipeline.ts';
import { UpstreamProblem } from '../upstream/upstream-problem.ts';
import { InspectedBody } from '../upstream/inspected-body.ts';
import { killSwitchRefusal } from '../admission/kill-switch.ts';

/**
 * Step 7, second half: a JSON body is read whole and checked before the decision is written; a multipart body is
 * checked while it streams, after it.
 */
export const readBody: Check<Authorized> = async (call, gateway) => {
  const { operation, allowed, request } = call;
  takeContentType(call);
  if (!call.hasBody) return absentBody(call);
  const reader = openBody(
    operation,
    allowed.level,
    call.contentType ?? undefined,
    request.headers['content-encoding'],
    {
      ...gateway.config.limits,
      watch: recordedFields(operation),
      quote: call.quote,
      webhookUrls: gateway.webhookUrls,
    },
  );
  if ('problem' in reader) return refusalOf(reader, allowed);
  if (reader.kind === 'none')
    return { problem: 'invalid-body', reason: 'body-not-taken', detail: 'The operation takes no body.' };
  if (reader.kind === 'json') return readJson(call, reader, gateway);
  const lease = await reserveMemory(call, UPLOAD_BYTES, gateway);
  if (!(lease instanceof Lease)) return lease;
  call.body = new InspectedBody(
    call,
    (chunk) => readPieces(gateway.admission.parsing, callerKey(call), reader, chunk),
    reader,
    gateway.config.limits.maxBodyBytes,
    () => {
      const stopped = killSwitchRefusal(call, gateway);
      return stopped === null ? null : new UpstreamProblem(stopped.problem, stopped.reason);
    },
  );
  return null;
};

/** What a body that is checked as it streams has in memory at most: what waits for a connection, and what comes in. */
const UPLOAD_BYTES = 131_072;

/** Before the first byte is read, so that no two half-read bodies wait for each other's memory. */
function reserveMemory(
  call: Authorized,
  bytes: number,
  { admission, interrupt }: Gateway,
): Promise<Lease | Refusal> {
  const pool = admission.bodyMemory;
  return admit(call, pool, callerKey(call), bytes, whileUploading(call, pool, interrupt));
}

/** From here on it is read from the call: fastify would fail after the decision on a type that it can't read. */
function takeContentType(call: Authorized): void {
  call.contentType = call.request.headers['content-type'] ?? null;
  delete call.request.headers['content-type'];
}

/** Without a body nothing can be absent by default: a bounded call must show what it asks for. */
function absentBody(call: Authorized): Refusal | null {
  // Nothing is there that it could describe.
  call.contentType = null;
  const bounded = call.allowed.level === 'limited' && call.operation.contentTypes.length > 0;
  return bounded
    ? { problem: 'invalid-body', reason: 'body-missing', detail: 'The operation needs a body.' }
    : null;
}

async function readJson(call: Authorized, reader: BodyReader, gateway: Gateway): Promise<Refusal | null> {
  const { request } = call;
  const { maxJsonBytes } = gateway.config.limits;
  if ((call.bodyLength ?? 0) > maxJsonBytes) return tooLarge(maxJsonBytes);
  const lease = await reserveMemory(call, call.bodyLength ?? maxJsonBytes, gateway);
  if (!(lease instanceof Lease)) return lease;
  sendContinue(call);
  const { allowed } = call;
  const asRefusal = (found: RequestFault | 'late' | null) => {
    if (found === null) return null;
    return found === 'late' ? PARSING_LATE : refusalOf(found, allowed);
  };
  const { parsing } = gateway.admission;
  const body = await readWhole(request, maxJsonBytes, tooLarge(maxJsonBytes), (chunk) => {
    const found = readPieces(parsing, callerKey(call), reader, chunk);
    return found instanceof Promise ? found.then(asRefusal) : asRefusal(found);
  });
  if (!Buffer.isBuffer(body)) return body;
  lease.shrink(body.length);
  const fault = asRefusal(await parsing.run(callerKey(call), () => reader.end()));
  if (fault !== null) return fault;
  call.fields = reader.fields();
  call.bodyLength = body.length;
  call.body = body;
  return null;
}

function tooLarge(limit: number): Refusal {
  return { problem: 'body-too-large', reason: 'json-size', detail: `A JSON body may have ${limit} bytes.` };
}
