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
export { type Month, parseMonth } from './month.ts';
export { ForgetError, type ForgetFault, forgetMonth } from './prompt-encryption/forget-month.ts';
export { MonthKeyError, type MonthKeys, openMonthKeys } from './prompt-encryption/month-keys.ts';
export { type KeptPrompt, readKeptPrompt } from './prompt-encryption/read-kept-prompt.ts';
export { MAX_TEXT_BYTES, originalText, storableText } from './storable.ts';
export { claimDatabase, DatabaseClaimError, ensureDatabase } from './database/database.ts';
export { closeGaps, type ClosingOptions } from './gaps/close-gaps.ts';
export { type Gap, type GapPage, listGaps } from './gaps/list-gaps.ts';
