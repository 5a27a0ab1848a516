import { expect } from 'vitest';
import type { Level, RequestFault } from '../src/index.ts';
import { verdict } from './bodies.ts';
import { generate } from './sample-operations.ts';

export const LEVELS: readonly Level[] = ['limited', 'full'];

/** A form within its bounds, part by part as on the wire, and the verdict of each level on it. */
export function judged(
  parts: readonly (readonly [head: string, content: string])[],
  more: {
    readonly type?: string;
    readonly boundary?: string;
    readonly before?: string;
    readonly after?: string;
  } = {},
): Readonly<Record<Level, RequestFault | null>> {
  const { boundary = 'b0', before = '', after = '\r\n' } = more;
  const { type = `multipart/form-data; boundary=${boundary}` } = more;
  const written = parts.map(([head, content]) => `--${boundary}\r\n${head}\r\n\r\n${content}\r\n`).join('');
  const body = `${before}${written}--${boundary}--${after}`;
  const of = (level: Level) => {
    const whole = verdict(generate, level, body, { type });
    for (const size of [1, 7]) expect(verdict(generate, level, body, { type, size })).toEqual(whole);
    return whole;
  };
  return { limited: of('limited'), full: of('full') };
}

export const NAMED = 'Content-Disposition: form-data; name=';
export const SPEED = [`${NAMED}"rendering_speed"`, 'TURBO'] as const;
export const PROMPT = [`${NAMED}"prompt"`, 'a cat'] as const;
export const text = (type: string, content = 'a cat') =>
  [`${NAMED}"prompt"\r\nContent-Type: ${type}`, content] as const;
export const file = (parameters: string) =>
  [`Content-Disposition: form-data; ${parameters}\r\nContent-Type: image/png`, '\x89PNG\r\n\xff\0'] as const;
export const image = (filename: string) => file(`name="style_reference_images"; ${filename}`);
export const utf8 = (words: string) => Buffer.from(words).toString('latin1');
