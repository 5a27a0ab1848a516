import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseScope,
  type ScopeName,
} from '@ideogate/contract';
import type { CheckedClaim, TokenFault } from './token-fault.ts';

/** The claims of an access token (RFC 9068 section 2.2), right in type and form. Times in seconds since 1970. */
export interface AccessTokenClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly clientId: string;
  readonly tokenId: string;
  readonly audience: readonly string[];
  readonly expiresAt: number;
  readonly issuedAt: number;
  readonly notBefore: number | null;
  /** The known plain scopes. */
  readonly scopes: ReadonlySet<ScopeName>;
  /** The `scope` claim as it stands, for the record; empty when there is none. */
  readonly scopeText: string;
  /** Subject of the outermost `act` (RFC 8693 section 4.1), for the record. */
  readonly actor: string | null;
}

interface ClaimRules {
  readonly audience: string;
  readonly maxLifetimeSeconds: number;
}

interface TimeRules {
  readonly skewSeconds: number;
}

/** Names longer than this could not be told apart in a record, and come from no sane issuer. */
const MAX_NAME_LENGTH = 256;
/** 2001-09-09 and 2100-01-01: dates outside are mistakes (milliseconds, zero, 1e999) or a token for ever. */
const EARLIEST = 1_000_000_000;
const LATEST = 4_102_444_800;

const CONTROL = /[\p{Cc}\u2028\u2029]/u;
/** RFC 6749 section 3.3. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/;

/**
 * The strict claims step that jose lacks: it accepts `exp: 1e999`, an object as `sub` and an empty `jti`.
 * Reads what is there; `ruleFault` and `timeFault` say whether it may be used. Pure.
 */
export function readClaims(claims: JsonObject): AccessTokenClaims | TokenFault {
  const issuer = name(claims, 'iss', 'iss');
  if (!issuer.ok) return issuer.fault;
  const expiresAt = date(claims, 'exp', 'exp');
  if (!expiresAt.ok) return expiresAt.fault;
  const audience = readAudience(claims['aud']);
  if (!audience.ok) return audience.fault;
  const subject = name(claims, 'sub', 'sub');
  if (!subject.ok) return subject.fault;
  const clientId = name(claims, 'client_id', 'client-id');
  if (!clientId.ok) return clientId.fault;
  const issuedAt = date(claims, 'iat', 'iat');
  if (!issuedAt.ok) return issuedAt.fault;
  const tokenId = name(claims, 'jti', 'jti');
  if (!tokenId.ok) return tokenId.fault;
  const notBefore = 'nbf' in claims ? date(claims, 'nbf', 'nbf') : null;
  if (notBefore?.ok === false) return notBefore.fault;
  const scope = claims['scope'] ?? '';
  if (typeof scope !== 'string' || claims['scope'] === null) return 'token-scope-malformed';
  const actor = readActor(claims['act']);
  if (!actor.ok) return actor.fault;

  return {
    issuer: issuer.value,
    subject: subject.value,
    clientId: clientId.value,
    tokenId: tokenId.value,
    audience: audience.value,
    expiresAt: expiresAt.value,
    issuedAt: issuedAt.value,
    notBefore: notBefore?.value ?? null,
    scopes: readScopes(scope),
    scopeText: scope,
    actor: actor.value,
  };
}

/**
 * What speaks against a token whenever it is used, or undefined.
 * @param claims as they came, for those that are no more than there
 */
export function ruleFault(
  { audience, expiresAt, issuedAt }: AccessTokenClaims,
  claims: JsonObject,
  rules: ClaimRules,
): TokenFault | undefined {
  // Bound to a key: worth nothing without a proof of it.
  if ('cnf' in claims) return 'token-bound-without-proof';
  if (!audience.includes(rules.audience)) return 'token-audience-mismatch';
  const lifetime = expiresAt - issuedAt;
  if (lifetime <= 0) return 'token-exp-malformed';
  return lifetime > rules.maxLifetimeSeconds ? 'token-lifetime-too-long' : undefined;
}

/** What the clock says against a token, or undefined (RFC 7519 sections 4.1.4 to 4.1.6). `nowSeconds` since 1970. */
export function timeFault(
  { expiresAt, issuedAt, notBefore }: Pick<AccessTokenClaims, 'expiresAt' | 'issuedAt' | 'notBefore'>,
  { skewSeconds }: TimeRules,
  nowSeconds: number,
): TokenFault | undefined {
  if (nowSeconds >= expiresAt + skewSeconds) return 'token-expired';
  if (notBefore !== null && nowSeconds < notBefore - skewSeconds) return 'token-not-yet-valid';
  if (nowSeconds < issuedAt - skewSeconds) return 'token-issued-in-future';
  return undefined;
}

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: TokenFault };

function name(claims: JsonObject, member: string, word: CheckedClaim): Read<string> {
  const value = claims[member];
  if (value === undefined) return { ok: false, fault: `token-${word}-missing` };
  return isName(value) ? { ok: true, value } : { ok: false, fault: `token-${word}-malformed` };
}

function isName(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH && !CONTROL.test(value);
}

function date(claims: JsonObject, member: string, word: CheckedClaim): Read<number> {
  const value = claims[member];
  if (value === undefined) return { ok: false, fault: `token-${word}-missing` };
  const sane = typeof value === 'number' && value >= EARLIEST && value <= LATEST;
  return sane ? { ok: true, value } : { ok: false, fault: `token-${word}-malformed` };
}

function readAudience(aud: JsonValue | undefined): Read<readonly string[]> {
  if (aud === undefined) return { ok: false, fault: 'token-aud-missing' };
  const list = Array.isArray(aud) ? aud : [aud];
  const audience = list.filter((entry) => typeof entry === 'string' && entry !== '');
  return audience.length === list.length && list.length > 0
    ? { ok: true, value: audience as string[] } // as: `filter` left strings only
    : { ok: false, fault: 'token-aud-malformed' };
}

function readActor(act: JsonValue | undefined): Read<string | null> {
  if (act === undefined) return { ok: true, value: null };
  const subject = isJsonObject(act) ? act['sub'] : undefined;
  return isName(subject) ? { ok: true, value: subject } : { ok: false, fault: 'token-act-malformed' };
}

/**
 * Only words that are exactly a plain scope grant anything. A text that isn't RFC 6749's list with single spaces
 * (tabs, doubled spaces) has no certain meaning, so nothing of it does.
 */
function readScopes(text: string): ReadonlySet<ScopeName> {
  const scopes = new Set<ScopeName>();
  if (!SCOPE.test(text)) return scopes;
  for (const word of text.split(' ')) {
    const scope = parseScope(word);
    if (scope !== undefined) scopes.add(scope);
  }
  return scopes;
}
