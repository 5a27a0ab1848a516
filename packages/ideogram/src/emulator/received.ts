import { createHash, type Hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** What the emulator remembers of one request, as `GET /-/received` shows it. */
export interface ReceivedRequest {
  /** ISO 8601, when the head of the request had arrived. */
  readonly time: string;
  readonly method: string;
  readonly target: string;
  /** Name and value of each field line, exactly as sent. */
  readonly headers: readonly (readonly [string, string])[];
  readonly bodyBytes: number;
  /** Of the bytes that arrived, in hex. */
  readonly bodySha256: string;
  /** Whether the whole body arrived. */
  readonly complete: boolean;
  /** Status answered, or null while there is none. */
  readonly status: number | null;
}

/** The requests since the start, or since it was last cleared. */
export interface ReceivedLog {
  begin(request: IncomingMessage): ReceivedEntry;
  list(): readonly ReceivedRequest[];
  clear(): void;
}

/** One request while it is under way. */
export interface ReceivedEntry {
  body(chunk: Buffer): void;
  /** The whole body is here. */
  complete(): void;
  answered(status: number): void;
}

/** The oldest are forgotten first, so that a product left running stays small. */
const KEPT = 50_000;

/** @param now milliseconds since the epoch */
export function createReceivedLog(now: () => number): ReceivedLog {
  let entries: Entry[] = [];
  return {
    begin(request) {
      const entry = new Entry(request, new Date(now()).toISOString());
      entries.push(entry);
      if (entries.length > KEPT + KEPT / 10) entries = entries.slice(-KEPT);
      return entry;
    },
    list: () => entries.map((entry) => entry.show()),
    clear() {
      entries = [];
    },
  };
}

class Entry implements ReceivedEntry {
  readonly #head: Pick<ReceivedRequest, 'time' | 'method' | 'target' | 'headers'>;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;
  #complete = false;
  #status: number | null = null;

  constructor(request: IncomingMessage, time: string) {
    const { rawHeaders } = request;
    const headers: (readonly [string, string])[] = [];
    for (let at = 0; at < rawHeaders.length; at += 2) {
      headers.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
    }
    this.#head = { time, method: request.method ?? '', target: request.url ?? '', headers };
  }

  body(chunk: Buffer): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  complete(): void {
    this.#complete = true;
  }

  answered(status: number): void {
    this.#status = status;
  }

  show(): ReceivedRequest {
    return {
      ...this.#head,
      bodyBytes: this.#bytes,
      bodySha256: this.#hash.copy().digest('hex'),
      complete: this.#complete,
      status: this.#status,
    };
  }
}
