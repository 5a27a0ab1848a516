export { type CheckpointTarget, signRecord } from './jobs/checkpoints.ts';
export { type RecordExports } from './jobs/export.ts';
export { startMaintenance } from './maintenance.ts';
export { readCheckpointTargets, readRecordExports } from './settings.ts';
