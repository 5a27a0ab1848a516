export { type Missing } from './batches.ts';
export { fileTarget } from './file-target.ts';
export { forgetExport } from './forget-export.ts';
export { EXPORT_URL_RULE, exportName, httpTarget, isExportUrl } from './http-target.ts';
export {
  type ExportLag,
  exportEvents,
  exportEventsOnce,
  exportEventsUntil,
  type SendingOptions,
} from './export-events.ts';
export { streamTarget } from './stream-target.ts';
export { type ExportTarget, TargetError } from './target.ts';
