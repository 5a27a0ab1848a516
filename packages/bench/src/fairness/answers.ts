/** An answer that has come whole, as far as a load generator looks at it. */
export interface Answer {
  readonly status: number;
  /** The server said that it closes the connection. */
  readonly closes: boolean;
}

/** Takes answers of HTTP/1.1 out of the bytes of one connection (RFC 9112 section 6): those that say how long they are. */
export class AnswerReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** The answers that are whole with these bytes, in their order; interim ones (1xx) are passed over. */
  take(chunk: Buffer): readonly Answer[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const answers: Answer[] = [];
    for (;;) {
      const found = firstAnswer(this.#bytes);
      if (found === null) return answers;
      this.#bytes = this.#bytes.subarray(found.length);
      if (found.status >= 200) answers.push({ status: found.status, closes: found.closes });
    }
  }
}

const HEAD_END = '\r\n\r\n';

function firstAnswer(bytes: Buffer): (Answer & { readonly length: number }) | null {
  const end = bytes.indexOf(HEAD_END);
  if (end < 0) return null;
  const head = bytes.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  const bodyAt = end + HEAD_END.length;
  const bodyEnd = endOfBody(bytes, bodyAt, status, head);
  if (bodyEnd === null) return null;
  return { status, closes: /^connection: *close/im.test(head), length: bodyEnd };
}

function endOfBody(bytes: Buffer, from: number, status: number, head: string): number | null {
  if (status < 200 || status === 204 || status === 304) return from;
  if (/^transfer-encoding: *chunked/im.test(head)) return endOfChunks(bytes, from);
  const end = from + Number(/^content-length: *([0-9]+)/im.exec(head)?.[1] ?? 0);
  return end <= bytes.length ? end : null;
}

function endOfChunks(bytes: Buffer, from: number): number | null {
  for (let at = from; ; ) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return null;
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    at = line + 2 + size + 2;
    if (at > bytes.length) return null;
    if (size === 0) return at;
  }
}
