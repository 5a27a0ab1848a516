import { ByteBuffer } from '../byte-buffer.ts';
import { fault, type RequestFault } from '../request-fault.ts';
import type { TextValidator } from '../text-validator.ts';
import { BoundarySearch } from './boundary-search.ts';
import { partFault } from './part-fault.ts';
import { type AmbiguousHead, type PartHead, parsePartHead } from './part-head.ts';

/** How much of a part's content is kept until the part has ended. */
export interface BufferRule {
  /** Bytes. */
  readonly limit: number;
  /** Ends the body when the content is longer; null: the content is let go instead. */
  readonly overflow: RequestFault | null;
}

/** Reads a part's content as it comes, without the delimiter. */
export interface ContentReader {
  push(bytes: Uint8Array): RequestFault | null;
  end(): RequestFault | null;
}

/** What is done with a part's content. */
export interface ContentPlan {
  /** Null: it passes unseen. */
  readonly keep: BufferRule | null;
  readonly reader: ContentReader | null;
  /** For what is read as text; null: any bytes will do. */
  readonly text: TextValidator | null;
}

/** Told of each part as it is found. A fault ends the body there and then. */
export interface PartHandler {
  /** A part begins. */
  begin(head: PartHead): ContentPlan | RequestFault;
  /** A head that is refused, and why: the handler may know better. */
  ambiguous(head: AmbiguousHead): RequestFault;
  /** A part has ended. `content` is null when it was not kept. A view of bytes: not good after the call. */
  end(head: PartHead, content: Uint8Array | null): RequestFault | null;
}

/** Bounds of one body. */
export interface ScannerOptions {
  readonly maxParts: number;
  readonly maxNameBytes: number;
}

const CR = 0x0d;
const LF = 0x0a;
const DASH = 0x2d;
const MAX_HEAD = 8192;
const NOTHING = new Uint8Array(0);
const UNSEEN: ContentPlan = { keep: null, reader: null, text: null };

/** What comes next in the body (RFC 2046 section 5.1.1). */
type State =
  /** The first delimiter, at most a CRLF before it. */
  | 'opening'
  /** CRLF and a part, or two dashes and the end. */
  | 'after-delimiter'
  /** The header fields of a part. */
  | 'head'
  /** The content of a part, up to and with the delimiter behind it. */
  | 'content'
  /** Nothing but line ends. */
  | 'epilogue'
  /** Nothing counts any more: a fault was found. */
  | 'failed';

/**
 * Watches a multipart/form-data body go by in chunks of any size, and accepts only bodies that every reader takes
 * apart in the same way. The boundary may occur nowhere but in a delimiter that stands at the start of a line made by
 * CRLF and fills it; no preamble but one CRLF, no epilogue but two, as some clients send them. The verdict does not
 * depend on how the body was cut into chunks. Memory: one header block, and what the handler asks to keep of one part.
 */
export class MultipartScanner {
  readonly #delimiter: string;
  readonly #search: BoundarySearch;
  readonly #handler: PartHandler;
  readonly #options: ScannerOptions;
  #state: State = 'opening';
  #fault: RequestFault | null = null;
  #parts = 0;
  /** Bytes seen since the state began (opening, after-delimiter, epilogue, content). */
  #seen = 0;
  /** Bytes of the first delimiter matched so far. */
  #matched = 0;
  /** The byte after a delimiter. */
  #first = 0;
  #headBlock = new ByteBuffer(MAX_HEAD);
  /** Bytes matched of CRLF CRLF; a header block begins as if after a CRLF. */
  #headEnd = 2;
  #head: PartHead | null = null;
  /** What is done with the content, and what is kept of it. */
  #plan: ContentPlan = UNSEEN;
  #content: ByteBuffer | null = null;
  /** The last bytes of the content, which may be the delimiter that ends it. */
  #held: Uint8Array = NOTHING;

  constructor(boundary: string, handler: PartHandler, options: ScannerOptions) {
    this.#delimiter = `--${boundary}`;
    this.#search = new BoundarySearch(this.#delimiter);
    this.#handler = handler;
    this.#options = options;
  }

  /** The next bytes of the body, and the fault that was found up to their end. */
  push(chunk: Uint8Array): RequestFault | null {
    let at = 0;
    while (at < chunk.length && this.#state !== 'failed') {
      switch (this.#state) {
        case 'opening':
          at = this.#opening(chunk, at);
          break;
        case 'after-delimiter':
          at = this.#afterDelimiter(chunk, at);
          break;
        case 'head':
          at = this.#inHead(chunk, at);
          break;
        case 'content':
          at = this.#inContent(chunk, at);
          break;
        case 'epilogue':
          at = this.#epilogue(chunk, at);
          break;
      }
    }
    return this.#fault;
  }

  /** The body is at its end: null when it is complete. */
  end(): RequestFault | null {
    if (this.#fault !== null) return this.#fault;
    if (this.#state === 'epilogue' && this.#seen % 2 === 0) return null;
    this.#fail(
      'multipart-ended-early',
      `The multipart body ends before its last delimiter, ${this.#where()}. Send it whole, with two dashes behind the last boundary.`,
    );
    return this.#fault;
  }

  #opening(chunk: Uint8Array, start: number): number {
    const byte = chunk[start] ?? 0;
    // An empty preamble (RFC 2046 section 5.1.1).
    if (this.#matched === 0 && this.#seen < 2) {
      if (byte === (this.#seen === 0 ? CR : LF)) {
        this.#seen++;
        return start + 1;
      }
    }
    // Half a line end, or anything but the delimiter, is a preamble.
    if (this.#seen === 1 || byte !== this.#search.pattern[this.#matched]) {
      this.#fail(
        'multipart-preamble',
        'The multipart body does not begin with two dashes and the boundary of its Content-Type. Send nothing before them.',
      );
      return start;
    }
    this.#matched++;
    if (this.#matched === this.#delimiter.length) this.#enter('after-delimiter');
    return start + 1;
  }

  #afterDelimiter(chunk: Uint8Array, start: number): number {
    const byte = chunk[start] ?? 0;
    if (this.#seen === 0) {
      this.#first = byte;
      this.#seen = 1;
      if (byte !== CR && byte !== DASH) this.#badDelimiter();
      return start + 1;
    }
    if (this.#first === CR && byte === LF) {
      this.#parts++;
      if (this.#parts > this.#options.maxParts) {
        this.#fail(
          'multipart-too-many-parts',
          `The multipart body has more than ${this.#options.maxParts} parts. Send fewer.`,
        );
      } else {
        this.#headBlock = new ByteBuffer(MAX_HEAD);
        this.#headEnd = 2;
        this.#enter('head');
      }
    } else if (this.#first === DASH && byte === DASH) {
      if (this.#parts === 0)
        this.#fail('multipart-ended-early', 'The multipart body has no part. Send at least one.');
      else this.#enter('epilogue');
    } else {
      this.#badDelimiter();
    }
    return start + 1;
  }

  #inHead(chunk: Uint8Array, start: number): number {
    let at = start;
    while (at < chunk.length) {
      const byte = chunk[at] ?? 0;
      const wanted = this.#headEnd % 2 === 0 ? CR : LF;
      if (byte === wanted) this.#headEnd++;
      else if (byte === CR || byte === LF || wanted === LF) {
        // What came before is kept first, so that the same fault wins however the body was cut.
        if (this.#keepHead(chunk.subarray(start, at))) {
          this.#failPart(
            'part-headers',
            'has a header line that does not end in CRLF',
            'End each line with CR and LF, and the head with an empty line.',
          );
        }
        return at;
      } else this.#headEnd = 0;
      at++;
      if (this.#headEnd === 4) {
        if (this.#keepHead(chunk.subarray(start, at))) this.#beginPart();
        return at;
      }
    }
    this.#keepHead(chunk.subarray(start, at));
    return at;
  }

  #keepHead(bytes: Uint8Array): boolean {
    if (this.#headBlock.add(bytes)) return true;
    this.#failPart('part-headers', `has a head of more than ${MAX_HEAD} bytes`, 'Send a shorter one.');
    return false;
  }

  #beginPart(): void {
    const block = latin1(this.#headBlock.bytes(4));
    // Some readers look for the boundary alone, wherever it stands.
    if (block.includes(this.#delimiter)) return this.#badDelimiter();
    const head = parsePartHead(block, this.#parts, this.#options.maxNameBytes);
    if ('fault' in head) return this.#stop(this.#handler.ambiguous(head));
    const plan = this.#handler.begin(head);
    if ('problem' in plan) return this.#stop(plan);
    this.#plan = plan;
    this.#held = NOTHING;
    this.#head = head;
    // The delimiter that ends the content is kept with it, then cut off.
    this.#content = plan.keep === null ? null : new ByteBuffer(plan.keep.limit + 2 + this.#delimiter.length);
    this.#search.restart();
    this.#enter('content');
  }

  #inContent(chunk: Uint8Array, start: number): number {
    const at = this.#search.push(chunk, start);
    this.#seen += at - start;
    const piece = chunk.subarray(start, at);
    const kept = this.#content?.add(piece) ?? true;
    // The delimiter goes through the check too: it is ASCII, so it ends a character that was left unfinished. What comes
    // first counts, a wrong byte or one too many, so that the same fault wins however the body was cut.
    const wrong = this.#plan.text?.push(piece) ?? -1;
    const found = this.#passOn(wrong < 0 ? piece : piece.subarray(0, wrong));
    if (found !== null) {
      this.#stop(found);
      return at;
    }
    if (wrong >= 0 && (kept || wrong <= (this.#content?.room ?? 0))) {
      this.#failText();
      return at;
    }
    if (!kept) {
      this.#content = null;
      const overflow = this.#plan.keep?.overflow ?? null;
      if (overflow !== null) {
        this.#stop(overflow);
        return at;
      }
    }
    if (this.#search.found) this.#endPart();
    return at;
  }

  /** Gives on all but what may still turn out to be the delimiter. */
  #passOn(piece: Uint8Array): RequestFault | null {
    const { reader } = this.#plan;
    if (reader === null) return null;
    const held = this.#held;
    const room = this.#delimiter.length + 2;
    const surplus = held.length + piece.length - room;
    const fromHeld = Math.min(Math.max(surplus, 0), held.length);
    const fromPiece = Math.max(surplus - held.length, 0);
    const left = new Uint8Array(held.length - fromHeld + piece.length - fromPiece);
    left.set(held.subarray(fromHeld));
    left.set(piece.subarray(fromPiece), held.length - fromHeld);
    this.#held = left;
    return (
      (fromHeld > 0 ? reader.push(held.subarray(0, fromHeld)) : null) ??
      (fromPiece > 0 ? reader.push(piece.subarray(0, fromPiece)) : null)
    );
  }

  #endPart(): void {
    const head = this.#head;
    if (!this.#search.atLineStart || head === null) return this.#badDelimiter();
    const length = this.#seen - this.#delimiter.length - 2;
    if (head.contentLength !== null && head.contentLength !== length) {
      return this.#failPart(
        'part-length',
        'is not as long as its Content-Length says',
        'Leave the Content-Length out, or send the number of bytes.',
      );
    }
    const content = this.#content?.bytes(this.#delimiter.length + 2) ?? null;
    const found = this.#plan.reader?.end() ?? this.#handler.end(head, content);
    this.#content = null;
    this.#plan = UNSEEN;
    if (found !== null) this.#stop(found);
    else this.#enter('after-delimiter');
  }

  #epilogue(chunk: Uint8Array, start: number): number {
    if (chunk[start] === (this.#seen % 2 === 0 ? CR : LF) && this.#seen < 4) this.#seen++;
    else {
      this.#fail(
        'multipart-epilogue',
        'The multipart body goes on after its last delimiter. Send nothing behind it but line breaks, at most two.',
      );
    }
    return start + 1;
  }

  #enter(state: State): void {
    this.#state = state;
    this.#seen = 0;
    this.#matched = 0;
  }

  #badDelimiter(): void {
    this.#fail(
      'multipart-delimiter',
      `The boundary of the multipart body occurs where it is no delimiter on a line of its own, ${this.#where()}. Choose one that no part holds, and end each delimiter and each part with CRLF.`,
    );
  }

  /** `in part 2 (prompt)`, or before the first one. */
  #where(): string {
    if (this.#parts === 0) return 'before its first part';
    const name = this.#head?.position === this.#parts ? ` (${this.#head.name})` : '';
    return `in part ${this.#parts}${name}`;
  }

  #failText(): void {
    this.#failPart(
      'part-charset',
      this.#plan.text?.charset === 'ascii'
        ? 'holds bytes that are no ASCII, under a charset or encoding that not every reader looks at'
        : 'holds text that is not UTF-8, or begins with a byte-order mark',
      'Send text as UTF-8 without one, and a file with a file name.',
    );
  }

  #failPart(reason: RequestFault['reason'], what: string, remedy: string): void {
    const name = this.#head?.position === this.#parts ? this.#head.name : null;
    this.#stop(partFault(reason, { position: this.#parts, name }, what, remedy));
  }

  #fail(reason: RequestFault['reason'], detail: string): void {
    this.#stop(fault('invalid-body', reason, detail));
  }

  #stop(found: RequestFault): void {
    this.#fault = found;
    this.#state = 'failed';
    this.#content = null;
    this.#plan = UNSEEN;
  }
}

/** Byte for byte: a header is split the same way whatever its file names are encoded in. */
function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
