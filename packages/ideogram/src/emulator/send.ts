import type { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Fault } from './faults.ts';
import type { ReceivedEntry } from './received.ts';
import { type Answer, json } from './reply.ts';

const HUGE = { fields: 20, bytes: 4_000 };
const SPACE_EVERY_MS = 50;
/** So long the first half of an answer has to arrive before the connection is reset. */
const BEFORE_RESET_MS = 20;

/** Sends an answer, spoiled as the fault says. Returns when nothing more will be sent; never throws. */
export async function send(
  response: ServerResponse,
  answer: Answer,
  fault: Fault,
  key: string,
  entry: ReceivedEntry,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  if (response.destroyed) return;
  try {
    await sendUntil(gone.signal, response, answer, fault, key, entry);
  } catch (error) {
    // A pause ends with an AbortError when the caller leaves: that is no fault of the emulator.
    if (!gone.signal.aborted) throw error;
  }
}

async function sendUntil(
  gone: AbortSignal,
  response: ServerResponse,
  answer: Answer,
  fault: Fault,
  key: string,
  entry: ReceivedEntry,
): Promise<void> {
  if (fault.neverAnswer) return;
  if (fault.latencyMs !== undefined) await pause(fault.latencyMs, undefined, { signal: gone });
  if (fault.reset === 'before') return reset(response);
  const spoiled = spoil(answer, fault, key);
  const headers = headersOf(spoiled, fault, key);
  const whole =
    fault.drip === undefined &&
    fault.reset === undefined &&
    !fault.neverEnd &&
    fault.echoKey !== 'split-body';
  entry.answered(spoiled.status);
  response.writeHead(
    spoiled.status,
    whole ? [...headers, 'Content-Length', `${spoiled.body.length}`] : headers,
  );
  if (whole) {
    response.end(spoiled.body);
    return;
  }
  if (fault.reset === 'within') {
    response.write(spoiled.body.subarray(0, Math.ceil(spoiled.body.length / 2)));
    await pause(BEFORE_RESET_MS, undefined, { signal: gone });
    return reset(response);
  }
  for (const piece of piecesOf(spoiled.body, fault, key)) {
    response.write(piece);
    if (fault.drip !== undefined) await pause(fault.drip.everyMs, undefined, { signal: gone });
    // A pause of nothing at least sends each piece by itself.
    else await pause(1, undefined, { signal: gone });
  }
  while (fault.neverEnd) {
    response.write(' ');
    await pause(SPACE_EVERY_MS, undefined, { signal: gone });
  }
  response.end();
}

/** Answers a status before the body is read, and closes the connection. */
export function answerEarly(response: ServerResponse, status: number, entry: ReceivedEntry): void {
  const { body, contentType } = json(status, errorBody(status));
  entry.answered(status);
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': body.length,
    Connection: 'close',
  });
  // A pause first, so that the caller has a chance to read the status before the reset that unread bytes cause.
  response.end(body, () => setTimeout(() => response.socket?.destroy(), BEFORE_RESET_MS).unref());
}

function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}

function spoil(answer: Answer, fault: Fault, key: string): Answer {
  const status = fault.status ?? (fault.redirect === undefined ? answer.status : 302);
  const replaced =
    fault.body === undefined
      ? fault.status === undefined
        ? answer
        : json(status, errorBody(status))
      : bodyOf(status, fault.body);
  const echoed =
    fault.echoKey === 'body' || fault.echoKey === 'split-body' ? withEcho(replaced, key) : replaced;
  const body = fault.compress ? gzipSync(echoed.body) : echoed.body;
  return { status, contentType: echoed.contentType, body };
}

function bodyOf(status: number, body: unknown): Answer {
  return typeof body === 'string'
    ? { status, contentType: 'text/plain', body: Buffer.from(body) }
    : json(status, body);
}

/** The answer with the key in the middle of it. */
function withEcho(answer: Answer, key: string): Answer {
  const text = answer.body.toString();
  const at = text.startsWith('{') ? 1 : 0;
  const member = text === '{}' ? `"echo":"${key}"` : `"echo":"${key}",`;
  const body = Buffer.from(text.slice(0, at) + (at === 1 ? member : key) + text.slice(at));
  return { ...answer, body };
}

/** The error body that the API reference documents for a status, or a plain sentence where it documents none. */
function errorBody(status: number): unknown {
  if (status === 401) return { message: 'Access denied. Please verify your API Token is valid.' };
  if (status === 402) return { error: 'There are no credits left.', reject_reason: 'insufficient_funds' };
  if (status === 429) return { error: 'Too many requests.', reject_reason: 'inflight_limit' };
  return { error: `The emulator was asked to answer ${status}.` };
}

function headersOf(answer: Answer, fault: Fault, key: string): string[] {
  return [
    'Content-Type',
    answer.contentType,
    ...(fault.compress ? ['Content-Encoding', 'gzip'] : []),
    ...(fault.redirect === undefined ? [] : ['Location', fault.redirect]),
    ...(fault.setCookie ? ['Set-Cookie', 'emulated=1; Path=/'] : []),
    ...(fault.echoKey === 'header' ? ['X-Echo', key] : []),
    ...(fault.hugeHeaders
      ? Array.from({ length: HUGE.fields }, (_, at) => [`X-Huge-${at}`, 'x'.repeat(HUGE.bytes)]).flat()
      : []),
  ];
}

function piecesOf(body: Buffer, fault: Fault, key: string): readonly Buffer[] {
  if (fault.drip !== undefined) {
    const { bytes } = fault.drip;
    return Array.from({ length: Math.ceil(body.length / bytes) }, (_, at) =>
      body.subarray(at * bytes, (at + 1) * bytes),
    );
  }
  const at = fault.echoKey === 'split-body' && key !== '' ? body.indexOf(key) : -1;
  if (at < 0) return [body];
  const cut = at + Math.ceil(key.length / 2);
  return [body.subarray(0, cut), body.subarray(cut)];
}
