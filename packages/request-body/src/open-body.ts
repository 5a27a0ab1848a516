import type { ContentType, Operation } from '@ideogate/contract';
import type { BodyOptions, BodyReader } from './body-reader.ts';
import type { Level } from './check-query.ts';
import { readJsonBody } from './json/json-body.ts';
import { JsonFields } from './json/json-fields.ts';
import { fieldsOf, LimitedFields } from './limited-fields.ts';
import { type MediaType, parseMediaType } from './media-type.ts';
import { readMultipart } from './multipart/multipart-body.ts';
import { parseMultipartType } from './multipart/multipart-type.ts';
import { allowedWebhookUrls } from './webhook-urls.ts';
import { fault, type RequestFault } from './request-fault.ts';
import { WatchedFields } from './watched-fields.ts';

/**
 * Opens the reader for a body, or says why it cannot be read. `contentType` and `contentEncoding` are the field
 * values as sent, undefined when absent.
 */
export function openBody(
  operation: Operation,
  level: Level,
  contentType: string | undefined,
  contentEncoding: string | undefined,
  options: BodyOptions,
): BodyReader | RequestFault {
  if (level === 'limited' && operation.limited === null) {
    return fault('bound-exceeded', 'not-limited', 'write:limited does not cover this operation.');
  }
  if (contentEncoding !== undefined && contentEncoding.trim().toLowerCase() !== 'identity') {
    return fault('unsupported-content-type', 'content-encoding', 'Send the body without Content-Encoding.');
  }
  const limits = level === 'limited' ? new LimitedFields(operation) : null;
  // Without a body there is nothing that the field could describe, and some clients send it on every request.
  if (contentType === undefined || operation.contentTypes.length === 0) {
    return noBody(operation, limits);
  }
  const media = parseMediaType(contentType);
  if (media === null) {
    return unsupported('content-type-malformed', 'The Content-Type cannot be read with certainty.');
  }
  const taken = operation.contentTypes.find((known: ContentType) => known === media.type);
  const fields = fieldsOf(operation);
  const watched = new WatchedFields(options.watch, fields);
  const webhookUrls = allowedWebhookUrls(fields.values(), options.webhookUrls);
  if (taken === undefined) {
    return unsupported(
      'content-type-not-taken',
      `This operation takes ${operation.contentTypes.join(' or ')}.`,
    );
  }
  if (taken === 'application/json') {
    if (!plainJson(media)) {
      return unsupported('content-type-malformed', 'application/json takes no parameter but charset=utf-8.');
    }
    const rules = { limits, watched, webhookUrls, quote: options.quote };
    return readJsonBody(JsonFields.ofBody(operation.fields, rules), limits, watched, options);
  }
  const multipart = parseMultipartType(contentType);
  if ('problem' in multipart) return multipart;
  return readMultipart(operation, multipart, limits, watched, { ...options, webhookUrls });
}

function plainJson(media: MediaType): boolean {
  const others = [...media.parameters].filter(
    ([name, value]) => name !== 'charset' || value.toLowerCase() !== 'utf-8',
  );
  return others.length === 0;
}

function unsupported(reason: RequestFault['reason'], detail: string): RequestFault {
  return fault('unsupported-content-type', reason, detail);
}

/** A call that says it has no body: the first byte of one is a fault. */
function noBody(operation: Operation, limits: LimitedFields | null): BodyReader {
  let failed: RequestFault | null = null;
  return {
    kind: 'none',
    push(chunk) {
      if (failed === null && chunk.length > 0) {
        failed =
          operation.contentTypes.length === 0
            ? unsupported('body-not-taken', 'This operation takes no body.')
            : unsupported('content-type-missing', 'A request with a body needs a Content-Type.');
      }
      return failed;
    },
    end: () => failed ?? limits?.end() ?? null,
    fields: () => new Map(),
  };
}
