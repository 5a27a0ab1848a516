export {
  type CheckpointDestination,
  fileDestination,
  httpDestination,
  streamDestination,
} from './destinations.ts';
export { type CheckpointKeys, KeyFileError, openCheckpointKeys, prepareNextKey } from './key-file.ts';
export { lastCheckpoint } from './last-checkpoint.ts';
export { KeyTextError, parseVerifierKey, type VerifierKey } from './note.ts';
export { signCheckpoints, type SigningOptions } from './sign-checkpoints.ts';
export { type CheckpointWatch, type LastCheckpoint, watchCheckpoints } from './watch-checkpoints.ts';
