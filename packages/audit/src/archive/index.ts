export { ArchiveError, type ArchiveFault } from './archive-error.ts';
export { type ArchivedMonth, type ArchiveStep, archiveMonth, noticeOf } from './archive-month.ts';
export { dropImported, importArchive } from './import-archive.ts';
export { type RegisteredArchive } from './registered.ts';
export { dueMonths, removeArchive } from './retention.ts';
