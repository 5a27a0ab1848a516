import type { SessionTimeouts } from '@ideogate/postgres';

/** What the store is given to answer: a gateway that hears nothing tries again soon. */
export const STORE_TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 4_000, graceMs: 500 };
