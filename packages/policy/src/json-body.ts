import {
  isJsonObject,
  type JsonValue,
  NumberFormError,
  parseStrictJsonBytes,
  StrictJsonError,
} from '@ideogate/contract';
import type { BodyOptions, BodyReader } from './body-reader.ts';
import { ByteBuffer } from './byte-buffer.ts';
import { type LimitedFields, numberForm } from './limited-fields.ts';
import { dryRunInBody, fault, type RequestFault, webhookFault } from './request-fault.ts';
import { holdsForeignWebhookUrl, type WebhookUrls } from './own-webhook.ts';
import type { WatchedFields } from './watched-fields.ts';
import { namesDryRun } from './webhook-name.ts';

/** Reads a JSON body: kept whole, since nothing can be said of it before its end. */
export function readJsonBody(
  limits: LimitedFields | null,
  watched: WatchedFields,
  webhookUrls: WebhookUrls,
  { maxJsonBytes: maxBytes, quote }: Pick<BodyOptions, 'maxJsonBytes' | 'quote'>,
): BodyReader {
  const buffer = new ByteBuffer(maxBytes);
  let failed: RequestFault | null = null;
  let ended = false;
  return {
    kind: 'json',
    push(chunk) {
      if (failed === null && !buffer.add(chunk)) failed = jsonTooLarge(maxBytes);
      return failed;
    },
    end() {
      if (ended || failed !== null) return failed;
      ended = true;
      const read = readJson(buffer.bytes(), { canonicalNumbers: limits !== null, path: '' });
      failed = 'fault' in read ? read.fault : checkBody(read.value, limits, webhookUrls, quote);
      if ('value' in read) watched.body(read.value);
      return failed;
    },
    fields: () => watched.values,
  };
}

function checkBody(
  value: JsonValue,
  limits: LimitedFields | null,
  webhookUrls: WebhookUrls,
  quote: boolean,
): RequestFault | null {
  if (holdsForeignWebhookUrl(value, webhookUrls)) return webhookFault(webhookUrls);
  if (quote && isJsonObject(value) && Object.keys(value).some(namesDryRun)) return dryRunInBody();
  if (limits === null) return null;
  if (!isJsonObject(value)) {
    return fault('invalid-body', 'wrong-type', 'Under write:limited the JSON body must be an object.');
  }
  return limits.body(value) ?? limits.end();
}

/** JSON read strictly, or the fault that says where it is broken. `path` is the field that holds it, or empty. */
export function readJson(
  bytes: Uint8Array,
  options: { readonly canonicalNumbers: boolean; readonly path: string },
): { readonly value: JsonValue } | { readonly fault: RequestFault } {
  try {
    return { value: parseStrictJsonBytes(bytes, { canonicalNumbers: options.canonicalNumbers }) };
  } catch (error) {
    if (error instanceof NumberFormError) {
      const path = [options.path, ...error.path].filter((name) => name !== '').join('.');
      return { fault: numberForm(path) };
    }
    if (!(error instanceof StrictJsonError)) throw error;
    const where = options.path === '' ? 'The body' : `The field ${options.path}`;
    const detail = `${where} is not JSON with exactly one meaning: ${error.message}, at character ${error.offset}.`;
    return { fault: { ...fault('invalid-body', 'json-malformed', detail), field: options.path || null } };
  }
}

export function jsonTooLarge(maxBytes: number): RequestFault {
  return fault('body-too-large', 'json-too-large', `JSON may be at most ${maxBytes} bytes.`);
}
