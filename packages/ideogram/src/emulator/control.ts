import type { IncomingMessage, ServerResponse } from 'node:http';
import { type EmulatorKeys, parseKeys } from './credentials.ts';
import { type FaultBox, isFault, NO_FAULT, parseFault } from './faults.ts';
import type { ReceivedLog } from './received.ts';

/** What a test or an operator can change while the emulator runs (`PUT /-/settings`). */
export interface Settings {
  inFlight: number;
  linkTtlSeconds: number;
  keys: EmulatorKeys;
}

/** What `/-/…` reads and changes. */
export interface Controls {
  readonly settings: Settings;
  readonly faults: FaultBox;
  readonly received: ReceivedLog;
}

const MAX_BODY = 64 * 1024;

/**
 * The emulator's own routes: `GET /-/health`, `PUT|GET|DELETE /-/faults`, `PUT /-/settings`,
 * `GET|DELETE /-/received`. Not part of Ideogram's API, and not in the log of what was received.
 */
export async function control(
  request: IncomingMessage,
  response: ServerResponse,
  { settings, faults, received }: Controls,
): Promise<void> {
  const reply = (status: number, body: unknown) => {
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
    });
    response.end(text);
  };
  const sent = await readText(request);
  switch (`${request.method} ${request.url}`) {
    case 'GET /-/health':
      return reply(200, { status: 'ok' });
    case 'GET /-/received':
      return reply(200, received.list());
    case 'DELETE /-/received':
      received.clear();
      return reply(200, {});
    case 'GET /-/faults':
      return reply(200, faults.show());
    case 'DELETE /-/faults':
      faults.set(NO_FAULT);
      return reply(200, {});
    case 'PUT /-/faults': {
      const fault = parseFault(parse(sent));
      if (!isFault(fault)) return reply(400, { error: `unknown or wrong: ${fault.join(', ')}` });
      faults.set(fault);
      return reply(200, fault);
    }
    case 'PUT /-/settings': {
      const wrong = change(settings, parse(sent));
      return wrong === undefined
        ? reply(200, { inFlight: settings.inFlight, linkTtlSeconds: settings.linkTtlSeconds })
        : reply(400, { error: `unknown or wrong: ${wrong}` });
    }
    default:
      return reply(404, { error: 'The emulator has no such page.' });
  }
}

/** Changes all of what was sent, or nothing; the name of what is wrong. */
function change(settings: Settings, wanted: unknown): string | undefined {
  if (typeof wanted !== 'object' || wanted === null) return '(not a JSON object)';
  const next = { ...settings };
  for (const [name, value] of Object.entries(wanted) as [string, unknown][]) {
    // as: entries of unknown JSON
    const keys = name === 'keys' ? parseKeys(value) : undefined;
    const number = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
    if (name === 'inFlight' && number !== undefined) next.inFlight = number;
    else if (name === 'linkTtlSeconds' && number !== undefined) next.linkTtlSeconds = number;
    else if (keys !== undefined) next.keys = keys;
    else return name;
  }
  Object.assign(settings, next);
  return undefined;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    // as: no encoding is set, so chunks are Buffers
    bytes += chunk.length;
    if (bytes <= MAX_BODY) chunks.push(chunk);
  }
  return bytes <= MAX_BODY ? Buffer.concat(chunks).toString() : '';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
