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
export {
  type ConfiguredKey,
  configuredKeyId,
  type KnownConfiguredKey,
  readKeySources,
  writeKeySources,
} from './configured-key.ts';
export { IdentityFileError, readIdentityFile, readOrMakeIdentityFile } from './identity-file.ts';
export { ageOfKey, type AgeVerdict } from './key-age.ts';
export { faultOfKey, KeyError } from './key-fault.ts';
export { readKeyFile, watchKeyFile } from './key-file.ts';
export { bindKey, KeyBindingError, readKeyBindings } from './key-environment-binding.ts';
export { keyIdsIn } from './key-id.ts';
export { type KnownKeys, knownKeys } from './known-keys.ts';
export { addKey, readNewKey } from './rotation/add-key.ts';
export { RotationError } from './rotation/rotation-error.ts';
export {
  type IdleProof,
  waitForGateways,
  waitUntilIdle,
  waitUntilRevoked,
} from './rotation/safety-proofs.ts';
export { keysOfSlot, reload, transition, type Transitions, tryKey } from './rotation/transition.ts';
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
