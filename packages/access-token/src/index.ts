export {
  ALGORITHMS,
  type Algorithm,
  ConfigError,
  DEFAULT_VERIFIER,
  type TrustedIssuer,
  type VerifierConfig,
} from './config.ts';
export { type Credential, looksLikeApiKey, type NoCredential, readCredential } from './credential.ts';
export { lookAtIssuer } from './look-at-issuer.ts';
export { openSigningKeys, type SigningKeys } from './signing-keys.ts';
export type { TokenFault } from './token-fault.ts';
export {
  createTokenVerifier,
  type Genuine,
  type IssuerReadiness,
  type Rejected,
  type TokenVerifier,
  type Verified,
} from './verifier.ts';
