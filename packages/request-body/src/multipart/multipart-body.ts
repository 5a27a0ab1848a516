import type { Field, Operation } from '@ideogate/contract';
import type { BodyOptions, BodyReader } from '../body-reader.ts';
import { namesDryRun, namesWebhookUrl } from '../guarded-names.ts';
import { JsonText, jsonTooLargeFault } from '../json/json-body.ts';
import { JsonFields } from '../json/json-fields.ts';
import { LooseJson } from '../json/loose-json.ts';
import { fieldsOf, type LimitedFields, repeatedFieldFault } from '../limited-fields.ts';
import { isJsonType, type MediaType } from '../media-type.ts';
import { dryRunInBodyFault, fieldFault, type RequestFault, webhookFault } from '../request-fault.ts';
import { type Charset, TextValidator } from '../text-validator.ts';
import { MAX_WATCHED_BYTES, type WatchedFields } from '../watched-fields.ts';
import { longestUrlBytes, WEBHOOK_URL, type WebhookUrls } from '../webhook-urls.ts';
import {
  type BufferRule,
  type ContentPlan,
  type ContentReader,
  MultipartScanner,
  type PartHandler,
} from './multipart-scanner.ts';
import type { MultipartType } from './multipart-type.ts';
import { partFault } from './part-fault.ts';
import type { AmbiguousHead, PartHead } from './part-head.ts';

/** What a part's content is read as. */
type ContentKind =
  /** A field of type object: JSON, or the body is refused. */
  | 'json'
  /** A field nobody declared: JSON if it looks like it. */
  | 'maybe-json'
  /** `webhook_url`: compared with the gateway's own endpoints. */
  | 'webhook'
  | 'text'
  | 'opaque';

/** Reads a multipart/form-data body (RFC 7578) as it streams. `limits` is null for a caller with the full grant. */
export function readMultipart(
  operation: Operation,
  { boundary, charset }: MultipartType,
  limits: LimitedFields | null,
  watched: WatchedFields,
  options: Options,
): BodyReader {
  const handler = new FormHandler(operation, charset, limits, watched, options);
  const scanner = new MultipartScanner(boundary, handler, {
    maxParts: options.maxParts,
    maxNameBytes: options.maxFieldNameBytes,
  });
  return {
    kind: 'multipart',
    push: (chunk) => scanner.push(chunk),
    end: () => scanner.end() ?? limits?.end() ?? null,
    fields: () => watched.values,
  };
}

type Options = BodyOptions & { readonly webhookUrls: WebhookUrls };

/** Holds each part of a form against what the operation declares, and against the caller's bounds. */
class FormHandler implements PartHandler {
  readonly #fields: ReadonlyMap<string, Field>;
  readonly #charset: Charset | null;
  readonly #limits: LimitedFields | null;
  readonly #watched: WatchedFields;
  readonly #options: Options;
  /** Of the part in progress. */
  #kind: ContentKind = 'opaque';
  /** How many parts could mean `webhook_url`. */
  #webhooks = 0;
  /** Names of declared fields, but for lists, that were begun. */
  readonly #begun = new Set<string>();

  constructor(
    operation: Operation,
    charset: Charset | null,
    limits: LimitedFields | null,
    watched: WatchedFields,
    options: Options,
  ) {
    this.#fields = fieldsOf(operation);
    this.#charset = charset;
    this.#limits = limits;
    this.#watched = watched;
    this.#options = options;
  }

  begin(head: PartHead): ContentPlan | RequestFault {
    const field = this.#fields.get(head.name);
    const kind = namesWebhookUrl(head.name) ? 'webhook' : contentKindOf(head, field);
    this.#kind = kind;
    return (
      (kind === 'webhook' ? this.#webhook(head) : null) ??
      partTypeFault(head, kind, field) ??
      (this.#options.quote && namesDryRun(head.name) ? dryRunInBodyFault() : null) ??
      this.#repeated(head.name, field) ??
      this.#limits?.begin(head.name, head.file !== 'none') ?? {
        keep: this.#bufferRule(head, kind),
        text: this.#textValidator(head, kind),
        reader: this.#contentReader(head.name, kind),
      }
    );
  }

  ambiguous({ fault: found, lenientName }: AmbiguousHead): RequestFault {
    if (lenientName === null) return found;
    if (namesWebhookUrl(lenientName)) return webhookFault(this.#options.webhookUrls);
    return this.#options.quote && namesDryRun(lenientName) ? dryRunInBodyFault() : found;
  }

  /** Readers keep the first, the last or all of equal names: only what the catalogue calls a list may come again. */
  #repeated(name: string, field: Field | undefined): RequestFault | null {
    if (field === undefined || field.type.endsWith('[]')) return null;
    if (this.#begun.has(name)) return repeatedFieldFault(name);
    this.#begun.add(name);
    return null;
  }

  #bufferRule(head: PartHead, kind: ContentKind): BufferRule | null {
    if (kind === 'webhook') {
      const { webhookUrls: urls } = this.#options;
      return { limit: longestUrlBytes(urls), overflow: webhookFault(urls) };
    }
    if (kind === 'opaque') {
      this.#watched.file(head.name);
      return null;
    }
    if (kind === 'json') return null;
    if (this.#limits !== null) {
      return { limit: this.#options.maxFieldBytes, overflow: this.#tooLong(head.name) };
    }
    return this.#watched.wants(head.name) ? { limit: MAX_WATCHED_BYTES, overflow: null } : null;
  }

  /** JSON is read as it comes, so that its end costs no more than any other piece of it. */
  #contentReader(name: string, kind: ContentKind): ContentReader | null {
    if (kind === 'json') return this.#json(name);
    return kind === 'maybe-json'
      ? new LooseJson(this.#json(name), webhookFault(this.#options.webhookUrls))
      : null;
  }

  #json(name: string): JsonText {
    const fields = JsonFields.ofField(name, this.#fields.get(name) ?? null, {
      limits: this.#limits,
      watched: this.#watched,
      webhookUrls: this.#options.webhookUrls,
      quote: false,
    });
    const { maxJsonBytes, maxFieldBytes } = this.#options;
    const limited = this.#limits !== null;
    return new JsonText(fields, {
      field: name,
      canonicalNumbers: limited,
      maxBytes: limited ? maxFieldBytes : maxJsonBytes,
      tooLong: limited ? this.#tooLong(name) : jsonTooLargeFault(maxJsonBytes),
      ...this.#options,
    });
  }

  #tooLong(name: string): RequestFault {
    const { maxFieldBytes } = this.#options;
    const detail = `${name} may be at most ${maxFieldBytes} bytes under write:limited.`;
    return fieldFault('field-too-long', name, detail, { bound: `at most ${maxFieldBytes} bytes` });
  }

  /**
   * Some readers look at the charset of the whole body, some at that of the part: text must mean the same under both. And
   * to formidable `binary` is Latin-1 where no Content-Type stands.
   */
  #textValidator(head: PartHead, kind: ContentKind): TextValidator | null {
    if (kind === 'opaque' && head.file !== 'none') return null;
    const latin1 = head.binary && head.contentType === null;
    const ascii = head.charset === 'ascii' || this.#charset === 'ascii' || latin1;
    return new TextValidator(ascii ? 'ascii' : 'utf-8');
  }

  end(head: PartHead, content: Uint8Array | null): RequestFault | null {
    if (this.#kind === 'webhook') {
      const { webhookUrls: urls } = this.#options;
      // One character a byte, whatever the bytes: nothing is decoded into equality.
      const sent = content === null ? '' : new TextDecoder('latin1').decode(content);
      return urls.has(sent) ? null : webhookFault(urls);
    }
    if (content === null) return null;
    this.#watched.text(head.name, content);
    return this.#limits?.text(head.name, content) ?? null;
  }

  /** Once only: readers disagree which of two counts. */
  #webhook(head: PartHead): RequestFault | null {
    const { webhookUrls: urls } = this.#options;
    this.#webhooks += 1;
    return urls.size > 0 && this.#webhooks === 1 && isPlainWebhookPart(head) ? null : webhookFault(urls);
  }
}

/** What a part is read as, by what the catalogue says of its field; a file name does not hide JSON that Ideogram would read. */
function contentKindOf(head: PartHead, field: Field | undefined): ContentKind {
  if (field === undefined) {
    const json = head.contentType !== null && isJsonType(head.contentType);
    return head.file === 'plain' && !json ? 'opaque' : 'maybe-json';
  }
  if (holdsJson(field)) return 'json';
  if (field.type === 'file' || field.type === 'file[]' || head.file === 'plain') return 'opaque';
  return 'text';
}

/** What makes a part a file to some readers and text to others, or text in another charset. */
function partTypeFault(head: PartHead, kind: ContentKind, field: Field | undefined): RequestFault | null {
  const type = head.contentType;
  if (head.file === 'extended' && field?.type.startsWith('file') !== true) {
    return partFault(
      'part-disposition',
      head,
      'has no file name but filename*, which is a file to some readers and text to others',
      'Send text without it, and a file with filename="…" beside it.',
    );
  }
  if (type === null) return null;
  if (/^(?:multipart|message)\//.test(type.type)) {
    return partFault('part-content-type', head, 'holds parts of its own', 'Send each part by itself.');
  }
  if (kind === 'opaque' && head.file !== 'none') return null;
  if (head.charset === 'other') {
    return partFault('part-charset', head, 'is text in another charset than UTF-8', 'Send it in UTF-8.');
  }
  if (!takesAsText(type, head, field)) {
    return partFault(
      'part-content-type',
      head,
      `has a Content-Type that its field does not take`,
      'Send text as text/plain or without a Content-Type, and a file with a file name.',
    );
  }
  return null;
}

function takesAsText(type: MediaType, head: PartHead, field: Field | undefined): boolean {
  // A file name says what the part is, whatever its type; without one, some readers take these bytes for a file.
  if (field === undefined) return head.file !== 'none' || type.type !== 'application/octet-stream';
  if ([...type.parameters.keys()].some((name) => name !== 'charset')) return false;
  return type.type === 'text/plain' || (type.type === 'application/json' && holdsJson(field));
}

/** Whether a part says no more of itself than that it is the text field `webhook_url`. */
function isPlainWebhookPart({ name, file, contentType, charset }: PartHead): boolean {
  const text = contentType === null || contentType.type === 'text/plain';
  return name === WEBHOOK_URL && file === 'none' && text && charset !== 'other';
}

function holdsJson(field: Field): boolean {
  return field.jsonPart === true || field.type === 'object' || field.type === 'object[]';
}
