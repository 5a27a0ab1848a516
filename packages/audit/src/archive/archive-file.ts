import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { EMPTY_CHAIN } from '../chain/chain.ts';
import { type EventOfLine, readLine } from '../chain/ndjson.ts';
import { type Month, monthOf } from '../month.ts';
import { linesOf, UnreadableFileError } from '../chain/file-lines.ts';
import { ArchiveError } from './archive-error.ts';

/** The part of one writer's chain that an archive holds. */
export interface ChainRange {
  readonly writer: string;
  readonly firstSeq: number;
  /** The hash that the first event hangs on. */
  readonly firstPrevHash: string;
  readonly lastSeq: number;
  readonly lastHash: string;
}

/** Over the pieces of all chains, hex: with it, the record itself says which events left. */
export function digestOfRanges(ranges: readonly ChainRange[]): string {
  const list = ranges
    .map(({ writer, firstSeq, firstPrevHash, lastSeq, lastHash }) =>
      [writer, firstSeq, firstPrevHash, lastSeq, lastHash].join(' '),
    )
    .toSorted();
  return createHash('sha256').update(list.join('\n')).digest('hex');
}

/** What an archive file was found to hold. */
export interface ArchiveContent {
  readonly month: Month;
  readonly environment: string;
  /** Over the file as it is, hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** Over the lines of its events, hex: the same events give the same, whenever they are archived. */
  readonly eventsSha256: string;
  readonly events: number;
  readonly checkpoints: number;
  /** In the order of writers. */
  readonly ranges: readonly ChainRange[];
}

/**
 * Writes lines, compressed, so that after a crash the file is there whole or not at all.
 * @param lines without line feeds
 */
export async function writeArchive(file: string, lines: AsyncIterable<string>): Promise<void> {
  const partial = `${file}.partial`;
  // `flush`: fsync before it is closed.
  const out = createWriteStream(partial, { mode: 0o600, flush: true });
  await pipeline(inBlocks(lines), createGzip(), out);
  await rename(partial, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const BLOCK = 65_536;

/** Compressing line by line would cost more than the compression. */
async function* inBlocks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let block = '';
  for await (const line of lines) {
    block += `${line}\n`;
    if (block.length < BLOCK) continue;
    yield block;
    block = '';
  }
  yield block;
}

/**
 * Reads an archive from disk to its end and checks everything that can be checked by the file alone: that it is
 * whole, that each event is what its hash says and is dated into the month, and that each writer's events are one
 * piece of chain. Flat memory.
 * @param onEvent given each event's line as it is read
 * @throws ArchiveError `unproved`, saying where
 */
export async function readArchive(
  file: string,
  onEvent: (line: string) => Promise<void> | void = () => {},
): Promise<ArchiveContent> {
  const content = new ContentCheck(file);
  try {
    for await (const lines of linesOf(file)) {
      for (const line of lines) if (content.take(line)) await onEvent(line);
    }
  } catch (error) {
    throw error instanceof UnreadableFileError ? unproved(file, error.message) : error;
  }
  return { ...content.end(), ...(await digestOfFile(file)) };
}

/** Over a file as it is, hex, and its size. */
export async function digestOfFile(
  file: string,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { sha256: digest.digest('hex'), bytes };
}

/** Checks the lines of an archive one after the other. */
class ContentCheck {
  readonly #file: string;
  readonly #events = createHash('sha256');
  #about: { readonly month: string; readonly environment: string } | undefined;
  #line = 0;
  #count = 0;
  #checkpoints = 0;
  #range: ChainRange | undefined;
  readonly #ranges: ChainRange[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** True when the line is an event. */
  take(text: string): boolean {
    this.#line += 1;
    const line = readLine(text);
    switch (line.kind) {
      case 'archive': {
        const { month, environment } = line.about;
        if (this.#line > 1 || typeof month !== 'string' || typeof environment !== 'string')
          throw this.#fault('is no first line of an archive');
        this.#about = { month, environment };
        return false;
      }
      case 'checkpoint':
        this.#checkpoints += 1;
        return false;
      case 'event':
        this.#event(line.event);
        this.#events.update(text).update('\n');
        this.#count += 1;
        return true;
      case 'export':
      case 'unreadable':
        throw this.#fault('is no line of an archive');
    }
  }

  end(): Omit<ArchiveContent, 'sha256' | 'bytes'> {
    if (this.#about === undefined) throw unproved(this.#file, 'is empty');
    if (this.#range !== undefined) this.#ranges.push(this.#range);
    return {
      month: this.#about.month as Month, // as: each event's month was compared with it
      environment: this.#about.environment,
      eventsSha256: this.#events.digest('hex'),
      events: this.#count,
      checkpoints: this.#checkpoints,
      ranges: this.#ranges,
    };
  }

  #event({ writer, seq, at, prevHash, hash, form }: EventOfLine): void {
    if (createHash('sha256').update(form).digest('hex') !== hash)
      throw this.#fault(`(writer ${writer}, event ${seq}) is not what its hash says`);
    if (monthOf(BigInt(at)) !== this.#about?.month)
      throw this.#fault(`(writer ${writer}, event ${seq}) is of another month`);
    const before = this.#range;
    if (before?.writer === writer) {
      if (seq !== before.lastSeq + 1 || prevHash !== before.lastHash)
        throw this.#fault(`(writer ${writer}, event ${seq}) does not follow event ${before.lastSeq}`);
      this.#range = { ...before, lastSeq: seq, lastHash: hash };
      return;
    }
    if (before !== undefined) {
      if (before.writer > writer) throw this.#fault(`(writer ${writer}) is out of order`);
      this.#ranges.push(before);
    }
    if ((seq === 1) !== (prevHash === EMPTY_CHAIN.hash))
      throw this.#fault(`(writer ${writer}, event ${seq}) does not begin as a chain does`);
    this.#range = { writer, firstSeq: seq, firstPrevHash: prevHash, lastSeq: seq, lastHash: hash };
  }

  #fault(what: string): ArchiveError {
    return unproved(this.#file, `line ${this.#line} ${what}`);
  }
}

function unproved(file: string, what: string): ArchiveError {
  return new ArchiveError('unproved', `${file}: ${what}`);
}
