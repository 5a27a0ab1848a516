import { ABORTS } from './aborts.ts';
import { CLOCKS } from './clocks.ts';
import { DATABASE } from './database.ts';
import { DISK_FULL } from './disk-full.ts';
import type { Fault } from './fault.ts';
import { KILLS } from './kills.ts';
import { NETWORK } from './network.ts';
import { STOPS } from './stops.ts';

/** Everything that goes wrong in a fault run. */
export const FAULTS: readonly Fault[] = [
  ...KILLS,
  ...NETWORK,
  ...DATABASE,
  DISK_FULL,
  ...CLOCKS,
  ...STOPS,
  ...ABORTS,
];
