import { killSwitchRefusal } from '../admission/kill-switch.ts';
import type { Step } from '../step.ts';

/** After the key is picked and before the decision: what an order stops goes no further. */
export const checkKillSwitch: Step = killSwitchRefusal;
