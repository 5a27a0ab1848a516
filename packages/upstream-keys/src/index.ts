export {
  type AgeIdentity,
  ageIdentity,
  ageSealer,
  type KeyBinding,
  type KeyOpener,
  type KeySealer,
  newAgeIdentity,
  sealKey,
} from './sealing.ts';
export { type HeldKey, holdKey, keyIdOf, type UpstreamKey } from './held-key.ts';
export { ageOfKey, type AgeVerdict } from './key-age.ts';
export { faultOfKey, KeyError } from './key-fault.ts';
export { readKeyFile, watchKeyFile } from './key-file.ts';
export { readAtMost, readNamedFile, readNamedText } from './named-file.ts';
export { createKeyRing, KEY_SLOTS, type KeyRefusal, KeyRing, type KeySlot } from './key-ring.ts';
export type { LeakScan } from './leak-scan.ts';
export { KeyFollower, type KeyChange } from './store/follow-keys.ts';
export {
  type CheckAnswer,
  type FollowingGateway,
  type KeyState,
  type KeyStore,
  openKeyStore,
  type StoredKey,
  StoreError,
} from './store/key-store.ts';
export { resealStore } from './store/reseal-store.ts';
