/** Claims that RFC 9068 section 2.2 demands, and those whose form is checked when present. */
export type CheckedClaim =
  | 'iss'
  | 'exp'
  | 'aud'
  | 'sub'
  | 'client-id'
  | 'iat'
  | 'jti'
  | 'nbf'
  | 'scope'
  | 'act';

/**
 * Why a token was not accepted. Closed set; goes to the record. The caller learns which it was only where the signature
 * is genuine, so that its holder could know it, or where no token was sent at all (RFC 6750 section 3 wants one answer
 * for all others, so that no forger learns which check failed).
 */
export type TokenFault =
  | 'token-too-long'
  /** Not three base64url parts with dots between: JSON serialisation, encrypted tokens, spaces, garbage. */
  | 'token-not-compact'
  /** Padding, the wrong alphabet, or bits that decode to nothing: a second spelling of a token. */
  | 'token-not-canonical'
  | 'token-header-malformed'
  | 'token-header-critical'
  | 'token-header-unencoded-payload'
  /** The header brings or points to a key: `jwk`, `jku`, `x5u`, `x5c`. */
  | 'token-header-carries-key'
  | 'token-algorithm-not-allowed'
  | 'token-type-wrong'
  | 'token-key-id-malformed'
  /** No `kid`, and the issuer has several keys that it could mean. */
  | 'token-key-id-missing'
  | 'token-claims-malformed'
  | 'token-issuer-unknown'
  | 'token-key-unknown'
  /** The header's `alg` isn't the one algorithm that the key serves. */
  | 'token-key-algorithm-mismatch'
  | 'token-signature-invalid'
  | `token-${CheckedClaim}-missing`
  | `token-${CheckedClaim}-malformed`
  | 'token-audience-mismatch'
  | 'token-expired'
  | 'token-not-yet-valid'
  | 'token-issued-in-future'
  | 'token-lifetime-too-long'
  /** The token is bound to a key (`cnf`) and no proof of that key can be taken (RFC 9449 7.2, RFC 8705 3). */
  | 'token-bound-without-proof'
  /** Kind `unavailable`: the issuer's keys are not known, or not known well enough to say no. */
  | 'key-set-unavailable';
