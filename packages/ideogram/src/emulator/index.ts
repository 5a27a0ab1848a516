export type { EmulatorKeys } from './credentials.ts';
export { createEmulator, type Emulator, type EmulatorOptions } from './emulator.ts';
export { type Fault, FAULT_NAMES, faultNames } from './faults.ts';
export type { ReceivedRequest } from './received.ts';
