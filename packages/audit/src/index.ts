export {
  type Call,
  type CallFilter,
  type CallPage,
  listCalls,
  type RecordedEvent,
  showCall,
  tailCalls,
} from './reading/calls.ts';
export { type KeyUse, keyUse, lastUseOf } from './reading/key-use.ts';
export { type EventTexts, recordTexts } from './reading/texts.ts';
export { findNotice } from './reading/notices.ts';
export { type GrantedScope, recordBegins, scopesUsed } from './reading/scope-use.ts';
export { type ChainedEvent, type ChainFault, hashEvent, verifyChain } from './chain/chain.ts';
export { createLogins, type Login, LoginError, type LoginFault } from './database/logins.ts';
export { MigrationError, type MigrationFault, migrate } from './database/migrate.ts';
export { partitionsAheadDays, topUpPartitions } from './database/partitions.ts';
export { openReadPool } from './database/read-pool.ts';
export {
  DATABASE_FAULTS,
  type DatabaseFault,
  databaseSafety,
  type DatabaseSafety,
  type DatabaseUser,
  isDatabaseFault,
} from './database/settings.ts';
export { ArchiveError, type ArchiveFault } from './archive/archive-error.ts';
export { type ArchivedMonth, type ArchiveStep, archiveMonth, noticeOf } from './archive/archive-month.ts';
export { dropImported, importArchive } from './archive/import-archive.ts';
export { type RegisteredArchive } from './archive/registered.ts';
export { dueMonths, removeArchive } from './archive/retention.ts';
export { type Month, parseMonth } from './month.ts';
export { ForgetError, type ForgetFault, forgetMonth } from './month-keys/forget-month.ts';
export { MonthKeyError, type MonthKeys, openMonthKeys } from './month-keys/month-keys.ts';
export { type KeptPrompt, readKeptPrompt } from './month-keys/read-kept-prompt.ts';
export { MAX_TEXT_BYTES, originalText, storableText } from './storable.ts';
export { claimDatabase, DatabaseClaimError, ensureDatabase } from './database/database.ts';
export { closeGaps, type ClosingOptions } from './gaps/close-gaps.ts';
export { type Gap, type GapPage, listGaps } from './gaps/list-gaps.ts';
export { type Missing } from './out/batches.ts';
export { fileTarget } from './out/file-target.ts';
export { forgetExport } from './out/forget-export.ts';
export { EXPORT_URL_RULE, exportName, httpTarget, isExportUrl } from './out/http-target.ts';
export { type ExportLag, sendOut, sendOutOnce, sendOutUntil, type SendingOptions } from './out/send-out.ts';
export { streamTarget } from './out/stream-target.ts';
export { type ExportTarget, TargetError } from './out/target.ts';
