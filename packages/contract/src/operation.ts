import type { ScopeName } from './scopes.ts';

/** Which of the environment's keys an operation uses. `none`: Ideogram wants no credential there, so none is sent. */
export type Capability = 'read' | 'write' | 'none';

/** The methods that operations of Ideogram have. */
export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** The media types whose fields can be read (RFC 8259, RFC 7578). */
export type ContentType = 'application/json' | 'multipart/form-data';

/** A field of a body, or a query parameter, as Ideogram's API document declares it. */
export interface Field {
  readonly name: string;
  readonly type:
    | 'string'
    | 'integer'
    | 'number'
    | 'boolean'
    | 'object'
    | 'string[]'
    | 'object[]'
    | 'file'
    | 'file[]';
  readonly required?: true;
  /** Accepts JSON null. */
  readonly nullable?: true;
  readonly enum?: readonly string[];
  readonly default?: string | number | boolean;
  readonly min?: number;
  readonly max?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly pattern?: string;
  /** In multipart this field is one part that holds JSON text. */
  readonly jsonPart?: true;
  /** Members of an `object` field, where they are known (`image_request`). */
  readonly fields?: readonly Field[];
}

/**
 * One *limited* bound on one request field. `field` is a path of member names, e.g. `image_request.num_images`.
 * A field that is absent counts as `absent`; with no `absent` it must be sent. `forbidden` fields may not be sent.
 */
export type Bound =
  | { readonly field: string; readonly max: number; readonly absent?: number }
  | { readonly field: string; readonly oneOf: readonly string[]; readonly absent?: string }
  | { readonly field: string; readonly forbidden: true };

/**
 * How a call is priced, in USD micros (1 USD = 1,000,000). Tables map the value of `by` (a request field) to a
 * price per unit. Sources: the API reference's price section; indicative, prices are per account.
 */
export type PriceRule =
  | { readonly kind: 'free' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'per-call'; readonly usdMicros: number }
  | { readonly kind: 'per-image'; readonly usdMicros: number }
  | {
      readonly kind: 'per-image-by-field';
      /** Request field whose value selects the price, e.g. `rendering_speed`. */
      readonly by: string;
      readonly usdMicros: Readonly<Record<string, number>>;
      /** Used when the field was not sent. */
      readonly absent?: string;
      /** Prices when any of these request fields is present (a character reference costs more). */
      readonly surcharge?: {
        readonly fields: readonly string[];
        readonly usdMicros: Readonly<Record<string, number>>;
      };
      /** A second selecting field (`upscale_factor`): its value selects the whole table. */
      readonly tables?: {
        readonly by: string;
        readonly absent: string;
        readonly usdMicros: Readonly<Record<string, Readonly<Record<string, number>>>>;
      };
    };

/** One thing Ideogram can do. */
export interface Operation {
  /** e.g. `v3.generate`, `v2.image.generate.ideogram-4`, `legacy.remix`. */
  readonly id: string;
  readonly method: Method;
  /** Path template with `{name}` segments, exactly as Ideogram spells it. */
  readonly path: string;
  readonly summary: string;
  /** Content types the operation takes; empty where it takes no body. */
  readonly contentTypes: readonly ContentType[];
  /** Body fields; null where Ideogram does not say. */
  readonly fields: readonly Field[] | null;
  /** Query parameters the operation declares. */
  readonly query: readonly Field[];
  /** Scope a call needs; null only on a closed operation. */
  readonly scope: ScopeName | null;
  /** Why no scope opens this operation, or null when one does. */
  readonly closed: string | null;
  readonly capability: Capability;
  readonly asynchronous: 'never' | 'optional' | 'always';
  /** Declares `?dry_run=true`: such a call needs `read:quote` instead of `scope`, and uses the read key. */
  readonly dryRun: boolean;
  readonly price: PriceRule;
  /** Upstream statuses that mean "your key is bad" on this operation. */
  readonly keyRefusedStatus: readonly number[];
  /** Bounds of `write:limited`; null: `write:limited` does not cover the operation. Empty: covered, nothing to bound. */
  readonly limited: readonly Bound[] | null;
  /** What is dangerous about the operation, in one sentence, or null. */
  readonly danger: string | null;
}
