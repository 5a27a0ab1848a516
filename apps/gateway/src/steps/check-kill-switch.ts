import { killSwitchRefusal } from '../admission/kill-switch.ts';
import type { Authenticated } from '../call.ts';
import type { Check } from './pipeline.ts';

/** After the key is picked and before the decision: what an order stops goes no further. */
export const checkKillSwitch: Check<Authenticated> = killSwitchRefusal;
