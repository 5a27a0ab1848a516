import type { Call } from './call.ts';
import type { Gateway } from './context.ts';
import type { Refusal } from './refusal.ts';

/** A step lets the call go on, or says why not. */
export type Step = (call: Call, gateway: Gateway) => Refusal | null | Promise<Refusal | null>;
