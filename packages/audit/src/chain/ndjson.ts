import { FORM_TEXTS, formOfTexts } from './chain.ts';

/**
 * The record as lines, for exports and archives: NDJSON, UTF-8, each line ending in one line feed.
 *
 * - An event is its RFC 8785 form (see chain.ts) with one member more at its end: `"hash"`. Who drops that member has
 *   the very bytes that were hashed. Each writer's events stand in the order of `seq`; writers may be mixed.
 * - A checkpoint is `{"checkpoint":"…"}`: the whole signed note. It may stand anywhere.
 * - `{"export":{…}}` or `{"archive":{…}}`, an object of texts, is the first line if it is there, and tells what the
 *   file is. `at` is when its content was read, in microseconds since the Unix epoch: what the record got after that
 *   isn't missed in it. An archive's `month` (`2026-01`) is all that it holds, so its chains may begin and end
 *   outside of it.
 */

/** The select list for `eventLine`: an event's columns as texts, its hash last. */
export const LINE_TEXTS = `${FORM_TEXTS}, encode(hash, 'hex')`;

/** One event as a line, without the line feed. `texts`: a row selected with `LINE_TEXTS`. */
export function eventLine(texts: readonly (string | null)[]): string {
  return `${formOfTexts(texts).slice(0, -1)},"hash":"${texts.at(-1) ?? ''}"}`;
}

/** A checkpoint as a line, without the line feed. */
export function checkpointLine(note: string): string {
  return `{"checkpoint":${JSON.stringify(note)}}`;
}

/** An export is what was read of the record; an archive is all of a month. */
export type FileKind = 'export' | 'archive';

/** The first line of a file, without the line feed. */
export function headerLine(kind: FileKind, about: FileHeader): string {
  return JSON.stringify({ [kind]: about });
}

/** What the first line says of the file. */
export interface FileHeader {
  /** When the content was read, microseconds since the Unix epoch in decimal. */
  readonly at: string;
  readonly environment: string;
  readonly [more: string]: string;
}

/** An event as verification needs it. */
export interface EventOfLine {
  readonly writer: string;
  readonly seq: number;
  /** Microseconds since the Unix epoch; a double holds them exactly until the year 2255. */
  readonly at: number;
  readonly kind: string;
  readonly environment: string;
  readonly callId: string | null;
  readonly result: string;
  readonly prevHash: string;
  readonly hash: string;
  /** What `hash` must be the SHA-256 of. */
  readonly form: string;
}

/** One line of a file, parsed. */
export type Line =
  | { readonly kind: 'event'; readonly event: EventOfLine }
  | { readonly kind: 'checkpoint'; readonly note: string }
  | { readonly kind: FileKind; readonly about: Readonly<Record<string, unknown>> }
  /** Neither: cut, or written by something else. */
  | { readonly kind: 'unreadable' };

const UNREADABLE: Line = { kind: 'unreadable' };
const HASH_MEMBER = /,"hash":"([0-9a-f]{64})"\}$/;
const HASH_MEMBER_LENGTH = `,"hash":"${'0'.repeat(64)}"}`.length;

/** Reads one line, given without its line feed. Never throws. */
export function readLine(line: string): Line {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return UNREADABLE;
  }
  if (typeof parsed !== 'object' || parsed === null) return UNREADABLE;
  const members = parsed as Readonly<Record<string, unknown>>; // as: an object, whose members are looked at below
  const { checkpoint, archive, export: exported } = members;
  if (typeof checkpoint === 'string') return { kind: 'checkpoint', note: checkpoint };
  if (typeof archive === 'object' && archive !== null) return { kind: 'archive', about: { ...archive } };
  if (typeof exported === 'object' && exported !== null) return { kind: 'export', about: { ...exported } };
  return eventOf(line, members);
}

function eventOf(line: string, members: Readonly<Record<string, unknown>>): Line {
  const { writer, seq, at, kind, environment, call_id: callId, result, prev_hash: prevHash } = members;
  const [, hash] = HASH_MEMBER.exec(line) ?? [];
  if (
    hash === undefined ||
    typeof writer !== 'string' ||
    typeof kind !== 'string' ||
    typeof environment !== 'string' ||
    typeof result !== 'string' ||
    typeof prevHash !== 'string' ||
    typeof at !== 'string' ||
    !/^[0-9]{1,16}$/.test(at) ||
    (callId !== undefined && typeof callId !== 'string')
  ) {
    return UNREADABLE;
  }
  return {
    kind: 'event',
    event: {
      writer,
      seq: Number(seq),
      at: Number(at),
      kind,
      environment,
      callId: callId ?? null,
      result,
      prevHash,
      hash,
      form: `${line.slice(0, -HASH_MEMBER_LENGTH)}}`,
    },
  };
}
