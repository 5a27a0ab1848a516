import type { IncomingMessage } from 'node:http';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
import type { ReceivedEntry } from './received.ts';

/** A request body as far as the emulator keeps it: text in full, files by size only. */
export type Body =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: 'multipart'; readonly fields: ReadonlyMap<string, readonly Part[]> }
  /** Cannot be read: answer `status` and say why. */
  | { readonly kind: 'bad'; readonly status: 400 | 413; readonly why: string };

/** One text part of a multipart body. A class, so that no JSON can look like one. */
export class TextPart {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** One file of a multipart body. */
export class FilePart {
  readonly bytes: number;
  constructor(bytes: number) {
    this.bytes = bytes;
  }
}

/** One part of a form (RFC 7578): text, or a file. */
export type Part = TextPart | FilePart;

const MEGABYTE = 1_000_000;
const MAX_BODY = 60 * MEGABYTE;
const MAX_JSON = 10 * MEGABYTE;
const MAX_TEXT_FIELD = 64 * 1024;

/**
 * Reads a body to its end in flat memory, and tells the log every byte of it.
 * @throws when the caller leaves before the body is whole.
 */
export async function readBody(request: IncomingMessage, entry: ReceivedEntry): Promise<Body> {
  const type = (request.headers['content-type'] ?? '').toLowerCase().split(';')[0]?.trim() ?? '';
  const reader = readerFor(type, request);
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    // as: no encoding is set, so chunks are Buffers
    entry.body(chunk);
    bytes += chunk.length;
    if (bytes <= MAX_BODY) await reader.write(chunk);
  }
  entry.complete();
  if (bytes > MAX_BODY) return bad(413, 'the request is too large');
  return bytes === 0 ? { kind: 'none' } : reader.end();
}

interface BodyReader {
  /** Settles when more can be taken. */
  write(chunk: Buffer): Promise<void>;
  end(): Promise<Body>;
}

function readerFor(type: string, request: IncomingMessage): BodyReader {
  if (type === 'application/json') return jsonReader();
  if (type === 'multipart/form-data') return multipartReader(request);
  return {
    write: async () => {},
    end: async () => bad(400, `the content type ${type === '' ? '(none)' : type} is not supported`),
  };
}

function jsonReader(): BodyReader {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return {
    async write(chunk) {
      bytes += chunk.length;
      if (bytes <= MAX_JSON) chunks.push(chunk);
    },
    async end() {
      if (bytes > MAX_JSON) return bad(413, 'the JSON is too large');
      const value = parseObject(Buffer.concat(chunks).toString());
      return value === undefined ? bad(400, 'the body is not a JSON object') : { kind: 'json', value };
    },
  };
}

function multipartReader(request: IncomingMessage): BodyReader {
  const contentType = request.headers['content-type'] ?? '';
  const fields = new Map<string, Part[]>();
  const add = (name: string, part: Part) => fields.set(name, [...(fields.get(name) ?? []), part]);
  let fault: string | undefined;
  let parser: BusboyInstance;
  try {
    parser = new Busboy({
      headers: { 'content-type': contentType },
      limits: { fieldSize: MAX_TEXT_FIELD, parts: 200 },
    });
  } catch {
    return { write: async () => {}, end: async () => bad(400, 'the multipart boundary is missing') };
  }
  const ended = new Promise<void>((resolve) => {
    parser.once('finish', resolve);
    parser.on('error', (error: unknown) => {
      fault ??= error instanceof Error ? error.message : 'malformed multipart';
      resolve();
    });
  });
  parser.on('partsLimit', () => {
    fault ??= 'too many parts';
  });
  parser.on('field', (name: string, value: string, _nameCut: boolean, valueCut: boolean) => {
    if (valueCut) fault ??= `${name} is too long`;
    add(name, new TextPart(value));
  });
  parser.on('file', (name: string, stream: NodeJS.ReadableStream) => {
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    stream.on('error', () => {
      fault ??= `${name} ended too soon`;
    });
    stream.on('end', () => add(name, new FilePart(bytes)));
  });
  return {
    async write(chunk) {
      if (fault !== undefined || parser.write(chunk)) return;
      const drained = new Promise<void>((resolve) => {
        parser.once('drain', resolve);
      });
      await Promise.race([drained, ended]);
    },
    async end() {
      if (fault === undefined) {
        parser.end();
        await ended;
      }
      return fault === undefined ? { kind: 'multipart', fields } : bad(400, fault);
    },
  };
}

/** The JSON object a text spells, or undefined. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined; // as: just checked
  } catch {
    return undefined;
  }
}

function bad(status: 400 | 413, why: string): Body {
  return { kind: 'bad', status, why };
}
