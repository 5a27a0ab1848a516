export { type Actor, auditAction, auditRead, UnauditedError } from './audit-action.ts';
export {
  type AuditWriter,
  type AuditWriterOptions,
  openAuditWriter,
  type WriterOpening,
} from './audit-writer.ts';
export { storedBytes } from './stored-bytes.ts';
export { NoticeError, type NoticeOptions, writeNotice } from './write-notice.ts';
