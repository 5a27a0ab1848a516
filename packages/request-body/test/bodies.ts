import type { Operation } from '@ideogate/contract';
import { SAMPLE_LIMITS } from '@ideogate/testkit/sample-operations';
import { type BodyReader, type Level, openBody, type RequestFault } from '../src/index.ts';

export const BOUNDARY = '----formdata-undici-012345678901';
export const OPTIONS = {
  ...SAMPLE_LIMITS,
  watch: ['prompt', 'num_images', 'image_request.num_images', 'image'],
  quote: false,
};

/** One part of a multipart body, as text with its own header lines. */
export interface Part {
  readonly name: string;
  readonly content?: string;
  readonly filename?: string;
  readonly type?: string;
  readonly headers?: readonly string[];
}

/** A multipart body as clients write it. */
export function multipart(parts: readonly Part[], boundary = BOUNDARY): string {
  const written = parts.map((part) => {
    const file = part.filename === undefined ? '' : `; filename="${part.filename}"`;
    const lines = [`Content-Disposition: form-data; name="${part.name}"${file}`];
    if (part.type !== undefined) lines.push(`Content-Type: ${part.type}`);
    return `--${boundary}\r\n${[...lines, ...(part.headers ?? [])].join('\r\n')}\r\n\r\n${part.content ?? ''}\r\n`;
  });
  return `${written.join('')}--${boundary}--\r\n`;
}

/** Text as bytes, one byte a character. */
export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function isReader(opened: BodyReader | RequestFault): opened is BodyReader {
  return 'kind' in opened;
}

/** The verdict on a whole body, given in chunks of `size` bytes. */
export function verdict(
  operation: Operation,
  level: Level,
  body: string | Uint8Array,
  more: {
    readonly type?: string;
    readonly encoding?: string;
    readonly size?: number;
    readonly quote?: boolean;
  } = {},
): RequestFault | null {
  const type = more.type ?? `multipart/form-data; boundary=${BOUNDARY}`;
  const opened = openBody(operation, level, type, more.encoding, { ...OPTIONS, quote: more.quote ?? false });
  if (!isReader(opened)) return opened;
  const all = typeof body === 'string' ? bytes(body) : body;
  const size = more.size ?? Math.max(1, all.length);
  for (let at = 0; at < all.length; at += size) {
    const found = opened.push(all.subarray(at, at + size));
    if (found !== null) return found;
  }
  return opened.end();
}
