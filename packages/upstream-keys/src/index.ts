export { createKeyRing, faultOfKey, KeyError, type KeyRing, type KeySource } from './key-ring.ts';
export type { LeakScan } from './leak-scan.ts';
