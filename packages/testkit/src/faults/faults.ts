import type { Fault } from './fault.ts';
import { KILLS } from './kills.ts';

/** Everything that goes wrong in a fault run. */
export const FAULTS: readonly Fault[] = [...KILLS];
