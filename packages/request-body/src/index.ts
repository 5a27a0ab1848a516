export type { BodyOptions, BodyReader } from './body-reader.ts';
export { ByteBuffer } from './byte-buffer.ts';
export { checkQuery, type Level } from './check-query.ts';
export { openBody } from './open-body.ts';
export type { WebhookUrls } from './webhook-urls.ts';
export type { RequestFault, RequestFaultReason } from './request-fault.ts';
export type { FieldValue } from './watched-fields.ts';
