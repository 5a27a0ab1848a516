declare const brand: unique symbol;

/** A UUIDv7 (RFC 9562 section 5.7) that names one call everywhere: answer, log, record. */
export type CallId = string & { readonly [brand]: 'CallId' };

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The id, if it is a UUIDv7 (RFC 9562 section 5.7), or undefined. */
export function parseCallId(text: string): CallId | undefined {
  return UUID_V7.test(text) ? (text as CallId) : undefined; // as: just checked
}
