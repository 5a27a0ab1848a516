export {
  type Call,
  type CallFilter,
  type CallPage,
  listCalls,
  type RecordedEvent,
  showCall,
  tailCalls,
} from './calls.ts';
export { type ChainedEvent, type ChainFault, hashEvent, verifyChain } from './chain.ts';
export { createLogins, type Login, LoginError, type LoginFault } from './logins.ts';
export { MigrationError, type MigrationFault, migrate } from './migrate.ts';
export { partitionsAheadDays, topUpPartitions } from './partitions.ts';
export { openReadPool } from './read-pool.ts';
export { type AuditRecord, openRecord, type RecordOptions } from './record.ts';
export { MAX_TEXT_BYTES, originalText, storableText } from './storable.ts';
export { claimDatabase, DatabaseClaimError, ensureDatabase } from './database.ts';
