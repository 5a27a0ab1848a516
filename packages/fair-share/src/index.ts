export { boundConnections, type Connections } from './connections.ts';
export { FairPool, type Claim, type Standing } from './fair-pool.ts';
export { FairQueue } from './fair-queue.ts';
