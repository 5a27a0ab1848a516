export { NoCheckpointsError } from './checkpoints.ts';
export type { FaultName, Finding } from './findings.ts';
export { InterruptedError, type Progress } from './reading.ts';
export { ResumeError } from './resume.ts';
export type { VerifyOptions, VerifyReport } from './verification.ts';
export { verifyRecord } from './verify.ts';
