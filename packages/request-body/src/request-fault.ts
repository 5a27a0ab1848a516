import type { ProblemCode } from '@ideogate/contract';

/** Why a query or a body was refused, finer than the problem the caller sees. */
export type RequestFaultReason =
  // for every caller
  | 'webhook-url'
  | 'query-malformed'
  | 'content-type-missing'
  | 'content-type-malformed'
  | 'content-type-not-taken'
  | 'content-encoding'
  | 'body-not-taken'
  | 'json-malformed'
  | 'json-too-large'
  | 'json-too-many-values'
  | 'json-too-deep'
  | 'unclear-name'
  | 'multipart-boundary'
  | 'multipart-preamble'
  | 'multipart-delimiter'
  | 'multipart-epilogue'
  | 'multipart-ended-early'
  | 'multipart-too-many-parts'
  | 'part-headers'
  | 'part-disposition'
  | 'part-length'
  | 'part-content-type'
  | 'part-charset'
  | 'part-transfer-encoding'
  | 'field-too-long'
  // for calls under bounds
  | 'not-limited'
  | 'over-bound'
  | 'must-be-sent'
  | 'forbidden-field'
  | 'unknown-field'
  | 'repeated-field'
  | 'wrong-type'
  | 'number-form'
  | 'text-as-file'
  | 'file-as-text'
  | 'unknown-parameter'
  | 'repeated-parameter'
  | 'dry-run-form';

/** A query or body that may not go on. Holds nothing of the body but names, and values of bounded fields. */
export interface RequestFault {
  readonly problem: Extract<
    ProblemCode,
    'bound-exceeded' | 'invalid-body' | 'invalid-target' | 'body-too-large' | 'unsupported-content-type'
  >;
  readonly reason: RequestFaultReason;
  /** Path of the field or name of the parameter, e.g. `image_request.num_images`; null when there is none to name. */
  readonly field: string | null;
  /** The bound in words, e.g. `at most 1`, `one of TURBO, FLASH`. */
  readonly bound: string | null;
  /** What was sent, only where it is a number, a boolean, or a word from the catalogue. */
  readonly value: string | null;
  /** A sentence for the caller. */
  readonly detail: string;
}

/** A fault that names no field. */
export function fault(
  problem: RequestFault['problem'],
  reason: RequestFaultReason,
  detail: string,
): RequestFault {
  return { problem, reason, field: null, bound: null, value: null, detail };
}

/** A fault of one field or parameter; a name that is not plain is left out of answer and record. */
export function fieldFault(
  reason: RequestFaultReason,
  field: string,
  detail: string,
  more: { readonly bound?: string; readonly value?: string | null } = {},
): RequestFault {
  return {
    problem: 'bound-exceeded',
    reason,
    field: plainName(field),
    bound: more.bound ?? null,
    value: more.value ?? null,
    detail,
  };
}

/** A name that can be told to anyone, or null. */
export function plainName(name: string): string | null {
  return /^[\w.[\]*-]{1,80}$/.test(name) ? name : null;
}

/**
 * A name that some readers take for a declared one, and others for one of its own: what is bounded, priced and put on
 * record is then not what every reader sees.
 */
export function otherSpellingFault(
  problem: 'invalid-body' | 'invalid-target',
  name: string,
  meant: string,
): RequestFault {
  const found = fieldFault('unclear-name', name, '');
  const what = found.field ?? 'A name';
  const detail = `${what} is ${meant} in another spelling, which some readers take for it and others don't. Send ${meant}.`;
  return { ...found, problem, bound: `spelled ${meant}`, detail };
}

/** Some servers read query and body as one list of parameters: a quote could be made to run, and be billed. */
export function dryRunInBodyFault(): RequestFault {
  const detail =
    'A call with ?dry_run=true is let through for its query alone, so its body may not name dry_run.';
  return fieldFault('dry-run-form', 'dry_run', detail, { bound: 'in the query only' });
}

/** The refusal that every caller gets, whatever its grant, for any address but an endpoint of the gateway's own. */
export function webhookFault(urls: ReadonlySet<string>): RequestFault {
  const why = 'webhook_url makes Ideogram send the result to an address outside the record, so';
  if (urls.size === 0) {
    const detail = `${why} it is refused here for every caller. Poll for the result instead.`;
    return fieldFault('webhook-url', 'webhook_url', detail, { bound: 'never' });
  }
  const bound = `once, and exactly one of ${[...urls].join(', ')}`;
  const detail = `${why} it may only name an endpoint of this gateway: ${bound}.`;
  return fieldFault('webhook-url', 'webhook_url', detail, { bound });
}
