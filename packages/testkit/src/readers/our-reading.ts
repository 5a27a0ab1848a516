import type { Operation } from '@ideogate/contract';
import { type BodyReader, openBody, type RequestFault } from '@ideogate/request-body';
import type { Frame } from './programs/frames.ts';

/** One part as the gateway's reader saw it. */
export interface SeenPart {
  readonly name: string;
  readonly base64: string;
  readonly file: 'none' | 'plain' | 'extended';
  /** Whether it has a Content-Type. */
  readonly typed: boolean;
}

const OPTIONS = {
  maxJsonBytes: 1_048_576,
  maxJsonValues: 20_000,
  maxJsonDepth: 128,
  maxParts: 256,
  maxFieldNameBytes: 128,
  maxFieldBytes: 65_536,
  quote: false,
};

/** What the gateway says of a body, in pieces of `size` bytes. */
export function verdictOf(
  operation: Operation,
  level: 'full' | 'limited',
  frame: Frame,
  size = frame.body.length,
): RequestFault | null {
  const reader = openBody(operation, level, frame.type, undefined, { ...OPTIONS, watch: [] });
  return 'problem' in reader ? reader : readThrough(reader, frame.body, size);
}

function readThrough(reader: BodyReader, body: Buffer, size: number): RequestFault | null {
  for (let at = 0; at < body.length; at += size) {
    const found = reader.push(body.subarray(at, at + size));
    if (found !== null) return found;
  }
  return reader.end();
}

/**
 * The parts of a body that passed. What passes is so plain that it can be split at its delimiters; the texts that the
 * gateway itself picks out of it must be the same. @throws when they are not.
 */
export function partsSeen(operation: Operation, frame: Frame): readonly SeenPart[] {
  const boundary = /boundary="?([^";]+)/.exec(frame.type)?.[1] ?? '';
  const pieces = `\r\n${frame.body.toString('latin1').replace(/^\r\n/, '')}`.split(`\r\n--${boundary}`);
  const parts = pieces.slice(1, -1).map((piece) => partOf(piece.slice(2)));
  const texts = (operation.fields ?? []).filter(({ type }) => type === 'string').map(({ name }) => name);
  const reader = openBody(operation, 'full', frame.type, undefined, { ...OPTIONS, watch: texts });
  if ('problem' in reader || readThrough(reader, frame.body, frame.body.length) !== null)
    throw new Error('what passed does not pass');
  for (const [name, value] of reader.fields()) {
    const part = parts.find((one) => one.name === name);
    const seen = part?.file === 'none' ? Buffer.from(part.base64, 'base64').toString() : part !== undefined;
    if (seen !== value) throw new Error(`${name} is seen in two ways: ${String(seen)} and ${String(value)}`);
  }
  return parts;
}

function partOf(piece: string): SeenPart {
  const end = piece.indexOf('\r\n\r\n');
  const head = piece.slice(0, end);
  return {
    name: /[; ]name="?([\w-]+)/.exec(head)?.[1] ?? '',
    base64: Buffer.from(piece.slice(end + 4), 'latin1').toString('base64'),
    file: /; filename=/.test(head) ? 'plain' : /; filename\*=/.test(head) ? 'extended' : 'none',
    typed: /^content-type:/im.test(head),
  };
}
