export { FolderInUseError, type FolderLock, lockFolder } from './folder-lock.ts';
export { LocalPostgresError } from './local-postgres-error.ts';
export {
  type LocalPostgres,
  type LocalPostgresOptions,
  startLocalPostgres,
  stopLeftoverPostgres,
} from './start-local-postgres.ts';
