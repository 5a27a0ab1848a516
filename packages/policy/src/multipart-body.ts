import type { Field, Operation } from '@ideogate/contract';
import type { BodyOptions, BodyReader } from './body-reader.ts';
import { jsonTooLarge, readJson } from './json-body.ts';
import { fieldsOf, type LimitedFields } from './limited-fields.ts';
import { isJsonType, type MediaType } from './media-type.ts';
import { type Keep, MultipartScanner, type PartHandler } from './multipart-scanner.ts';
import { isPlainWebhookPart, longestOf, type WebhookUrls } from './own-webhook.ts';
import type { PartHead } from './part-head.ts';
import { dryRunInBody, fault, fieldFault, type RequestFault, webhookFault } from './request-fault.ts';
import { MAX_WATCHED_BYTES, type WatchedFields } from './watched-fields.ts';
import { holdsWebhookUrl, mentionsWebhookUrl, namesDryRun, namesWebhookUrl } from './webhook-name.ts';

/** How a part's content is read. */
type Reading =
  /** A field of type object: JSON, or the body is refused. */
  | 'json'
  /** A field nobody declared: JSON if it looks like it. */
  | 'maybe-json'
  /** `webhook_url`: compared with the gateway's own endpoints. */
  | 'webhook'
  | 'text'
  | 'opaque';

/** Reads a multipart/form-data body as it streams. `limits` is null for a caller with the full grant. */
export function readMultipart(
  operation: Operation,
  boundary: string,
  limits: LimitedFields | null,
  watched: WatchedFields,
  options: Options,
): BodyReader {
  const parts = new Parts(operation, limits, watched, options);
  const scanner = new MultipartScanner(boundary, parts, {
    maxParts: options.maxParts,
    maxNameBytes: options.maxFieldNameBytes,
    allowLeadingCrlf: limits === null,
  });
  return {
    kind: 'multipart',
    push: (chunk) => scanner.push(chunk),
    end: () => scanner.end() ?? limits?.end() ?? null,
    fields: () => watched.values,
  };
}

type Options = BodyOptions & { readonly webhookUrls: WebhookUrls };

class Parts implements PartHandler {
  readonly #fields: ReadonlyMap<string, Field>;
  readonly #limits: LimitedFields | null;
  readonly #watched: WatchedFields;
  readonly #options: Options;
  #reading: Reading = 'opaque';
  #webhooks = 0;

  constructor(operation: Operation, limits: LimitedFields | null, watched: WatchedFields, options: Options) {
    this.#fields = fieldsOf(operation);
    this.#limits = limits;
    this.#watched = watched;
    this.#options = options;
  }

  begin(head: PartHead): Keep | RequestFault | null {
    const limited = this.#limits !== null;
    const field = this.#fields.get(head.name);
    this.#reading = namesWebhookUrl(head.name) ? 'webhook' : readingOf(head, field);
    const found =
      (this.#reading === 'webhook' ? this.#webhook(head) : null) ??
      checkForEveryone(head, this.#reading) ??
      (this.#options.quote && namesDryRun(head.name) ? dryRunInBody() : null) ??
      (limited ? checkHeadLimited(head, field) : null) ??
      this.#limits?.begin(head.name, head.file) ??
      null;
    if (found !== null) return found;
    if (this.#reading === 'webhook') {
      const { webhookUrls: urls } = this.#options;
      return { limit: longestOf(urls), overflow: webhookFault(urls) };
    }
    if (this.#reading === 'opaque') {
      this.#watched.file(head.name);
      return null;
    }
    if (limited) {
      const { maxFieldBytes: limit } = this.#options;
      const detail = `${head.name} may be at most ${limit} bytes under write:limited.`;
      const bound = `at most ${limit} bytes`;
      return {
        limit,
        overflow: fieldFault('field-too-long', head.name, detail, { bound }),
      };
    }
    if (this.#reading === 'text') {
      return this.#watched.wants(head.name) ? { limit: MAX_WATCHED_BYTES, overflow: null } : null;
    }
    const { maxJsonBytes: limit } = this.#options;
    return { limit, overflow: jsonTooLarge(limit) };
  }

  end(head: PartHead, content: Uint8Array | null): RequestFault | null {
    if (this.#reading === 'webhook') {
      const { webhookUrls: urls } = this.#options;
      // One character a byte, whatever the bytes: nothing is decoded into equality.
      const sent = content === null ? '' : new TextDecoder('latin1').decode(content);
      return urls.has(sent) ? null : webhookFault(urls);
    }
    if (content === null) return null;
    if (this.#reading === 'json') return this.#json(head.name, content);
    this.#watched.text(head.name, content);
    if (this.#reading === 'maybe-json')
      return looseWebhookUrl(content) ? webhookFault(this.#options.webhookUrls) : null;
    return this.#limits?.text(head.name, content) ?? null;
  }

  /** Once only: readers disagree which of two counts. */
  #webhook(head: PartHead): RequestFault | null {
    const { webhookUrls: urls } = this.#options;
    this.#webhooks += 1;
    return urls.size > 0 && this.#webhooks === 1 && isPlainWebhookPart(head) ? null : webhookFault(urls);
  }

  #json(name: string, content: Uint8Array): RequestFault | null {
    const read = readJson(content, { canonicalNumbers: this.#limits !== null, path: name });
    if ('fault' in read) return read.fault;
    if (holdsWebhookUrl(read.value)) return webhookFault(this.#options.webhookUrls);
    this.#watched.jsonField(name, read.value);
    return this.#limits?.jsonField(name, read.value) ?? null;
  }
}

/** By what the catalogue says of the field; a file name does not hide JSON that Ideogram would read. */
function readingOf(head: PartHead, field: Field | undefined): Reading {
  if (field === undefined) {
    const json = head.contentType !== null && isJsonType(head.contentType);
    return head.file === 'plain' && !json ? 'opaque' : 'maybe-json';
  }
  if (field.jsonPart === true || field.type === 'object' || field.type === 'object[]') return 'json';
  if (field.type === 'file' || field.type === 'file[]' || head.file === 'plain') return 'opaque';
  return 'text';
}

/** What would let a part mean one thing here and another upstream. */
function checkForEveryone(head: PartHead, reading: Reading): RequestFault | null {
  const type = head.contentType;
  if (type !== null && /^(?:multipart|message)\//.test(type.type)) {
    return broken('part-content-type', 'a part holds parts of its own');
  }
  // RFC 7578 section 4.6: a field of this name sets the charset of all the others.
  if (head.name.toLowerCase() === '_charset_')
    return broken('part-charset', 'a _charset_ field is not taken');
  const charset = type?.parameters.get('charset')?.toLowerCase();
  if (reading !== 'opaque' && charset !== undefined && !['utf-8', 'us-ascii'].includes(charset)) {
    return broken('part-charset', 'a text part is in another charset than UTF-8');
  }
  if (head.transferEncoding !== null && !['7bit', '8bit', 'binary'].includes(head.transferEncoding)) {
    return broken('part-transfer-encoding', 'a part has a Content-Transfer-Encoding');
  }
  return null;
}

/** Under bounds a part's header says no more than what, and of which plain type. */
function checkHeadLimited(head: PartHead, field: Field | undefined): RequestFault | null {
  if (head.transferEncoding !== null) {
    return broken('part-transfer-encoding', 'a part has a Content-Transfer-Encoding');
  }
  if (head.contentType?.parameters.has('charset') === true)
    return broken('part-charset', 'a part names a charset');
  if (head.unquoted) return broken('part-disposition', 'a part has a name without quotes');
  if (head.others) return broken('part-headers', 'a part has a header field that RFC 7578 does not know');
  if (field === undefined || field.type === 'file' || field.type === 'file[]') return null;
  return takesAsText(head.contentType, field)
    ? null
    : broken('part-content-type', `the part ${head.name} has a Content-Type that its field does not take`);
}

function takesAsText(type: MediaType | null, field: Field): boolean {
  if (type === null) return true;
  if (type.parameters.size > 0) return false;
  if (type.type === 'text/plain') return true;
  return type.type === 'application/json' && (field.jsonPart === true || field.type.startsWith('object'));
}

/**
 * A field nobody declared, for a caller with the full grant. Text that looks like JSON and reads as such is searched
 * by member names; text that does not is searched as it stands, because another reader may be more lenient.
 */
function looseWebhookUrl(content: Uint8Array): boolean {
  const text = new TextDecoder().decode(content);
  // NUL and replacement characters: JSON in UTF-16, which some readers recognise by itself.
  if (!/^[\s\ufeff\ufffd\0]*[{[]/.test(text)) return false;
  const read = readJson(content, { canonicalNumbers: false, path: '' });
  return 'value' in read ? holdsWebhookUrl(read.value) : mentionsWebhookUrl(text);
}

function broken(reason: RequestFault['reason'], what: string): RequestFault {
  return fault('invalid-body', reason, `In the multipart body ${what}.`);
}
