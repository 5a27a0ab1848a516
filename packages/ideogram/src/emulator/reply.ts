/** What goes back to the caller, before any fault spoils it. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** An answer of JSON (RFC 8259). */
export function json(status: number, body: unknown): Answer {
  return { status, contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) };
}
