import type { WebhookUrls } from './webhook-urls.ts';
import type { RequestFault } from './request-fault.ts';
import type { FieldValue } from './watched-fields.ts';

/**
 * Follows one request body. Bytes are looked at, never changed and, but for small text fields, never kept.
 *
 * Synchronous, and linear: a slice of a body costs in proportion to its bytes, whatever they are and whatever came before
 * (16 KiB of the worst some half a millisecond), and the end costs nothing that grows with the body. So who pushes slices
 * in turn gives each caller its share of the time.
 */
export interface BodyReader {
  /** `json`: nothing may go on before `end()` said yes. `multipart`: may go on as it streams, its end held back. */
  readonly kind: 'json' | 'multipart' | 'none';
  /** The fault as soon as it is found, and the same one from then on; null while all is well. */
  push(chunk: Uint8Array): RequestFault | null;
  /** The last word: null when the body is complete and within its bounds. */
  end(): RequestFault | null;
  /** Watched fields seen so far: values of scalars, `true` for files and structures. */
  fields(): ReadonlyMap<string, FieldValue>;
}

/** How one body is read: the bounds that hold for every caller, and what is wanted of it. */
export interface BodyOptions {
  /** Largest JSON body, or JSON text in a part, in bytes. */
  readonly maxJsonBytes: number;
  /** Most values of a JSON body, or of JSON in a part; lists and objects count too. */
  readonly maxJsonValues: number;
  /** Most lists and objects within one another. */
  readonly maxJsonDepth: number;
  /** Most parts of a multipart body. */
  readonly maxParts: number;
  /** Longest field name in a multipart body, in bytes. */
  readonly maxFieldNameBytes: number;
  /** Longest text field of a multipart body under bounds, in bytes: what is bounded is kept until it is read. */
  readonly maxFieldBytes: number;
  /** Paths of fields whose values are wanted (`image_request.num_images`): those that set the price, and the prompt. */
  readonly watch: readonly string[];
  /** The call is let through only because its query is exactly `dry_run=true`: the body may not say otherwise. */
  readonly quote: boolean;
  /** What `webhook_url` may name, where the operation declares it in the body; left out: nothing. */
  readonly webhookUrls?: WebhookUrls;
}
