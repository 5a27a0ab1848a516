export { checkpointKeyFile, keptCheckpointsFile } from './checkpoint-files.ts';
export { type Client, clientsFile, readClients } from './clients-file.ts';
export { currentUser } from './current-user.ts';
export {
  controlDir,
  currentEnvironmentDir,
  dataDir,
  environmentDir,
  prepareEnvironmentDir,
} from './data-dir.ts';
export { DataDirError, type DataDirFault } from './data-dir-error.ts';
export {
  hasInstallationKeys,
  type InstallationKey,
  makeInstallationKeys,
  readInstallationKey,
} from './installation-keys.ts';
export { findLogin, type LoginName, readLogin, removeLogin, writeLogin } from './logins.ts';
export { readOldSecrets, removeOldSecrets } from './old-secrets.ts';
export { writePrivateFile } from './private-file.ts';
export {
  isRunning,
  readRuntimeFile,
  removeRuntimeFile,
  type RuntimeFile,
  writeRuntimeFile,
} from './runtime-file.ts';
