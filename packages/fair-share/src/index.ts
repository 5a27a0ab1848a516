export { FairPool, type Claim, type Standing } from './fair-pool.ts';
export { FairQueue } from './fair-queue.ts';
