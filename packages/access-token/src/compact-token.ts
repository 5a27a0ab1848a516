import { isJsonObject, type JsonObject, parseStrictJsonBytes } from '@ideogate/contract';
import type { TokenFault } from './token-fault.ts';

/** A token taken apart and read strictly, nothing of it verified yet. */
interface CompactToken {
  readonly algorithm: string;
  /** Null when the header names none (RFC 7515 section 4.1.4: it may). */
  readonly keyId: string | null;
  readonly claims: JsonObject;
}

const PART = /^[A-Za-z0-9_-]+$/;
/** Header members that bring a key or say where one is (RFC 7515 sections 4.1.2, 4.1.3, 4.1.5, 4.1.6). */
const KEY_MEMBERS = ['jwk', 'jku', 'x5u', 'x5c'] as const;
const ACCESS_TOKEN_TYPES = new Set(['at+jwt', 'application/at+jwt']);

/**
 * Reads the compact form (RFC 7515 section 7.1) in its one canonical spelling, and the header's rules that need no
 * key (RFC 8725 sections 3.1, 3.10, 3.11; RFC 9068 section 2.1). Pure; never throws.
 *
 * The text is canonical, but a token isn't known by it: an ES256 signature (r, s) can be turned into (r, n-s) by
 * anybody. Deny lists and replay stores must use `iss` + `jti`.
 */
export function readCompactToken(token: string): CompactToken | TokenFault {
  const parts = token.split('.', 4);
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || !header || !payload || !signature) return 'token-not-compact';
  if (![header, payload, signature].every(isCanonical)) return 'token-not-canonical';
  const head = readObject(header);
  if (head === undefined) return 'token-header-malformed';
  const fault = headerFault(head);
  if (fault !== undefined) return fault;
  const { kid } = head;
  if (kid !== undefined && (typeof kid !== 'string' || kid === '')) return 'token-key-id-malformed';
  if (typeof head['alg'] !== 'string') return 'token-algorithm-not-allowed';
  const claims = readObject(payload);
  if (claims === undefined) return 'token-claims-malformed';
  return { algorithm: head['alg'], keyId: kid ?? null, claims };
}

function headerFault(header: JsonObject): TokenFault | undefined {
  // No extension is implemented, so any list, empty ones included, is refused (RFC 7515 section 4.1.11).
  if ('crit' in header) return 'token-header-critical';
  if ('b64' in header && header['b64'] !== true) return 'token-header-unencoded-payload';
  if (KEY_MEMBERS.some((member) => member in header)) return 'token-header-carries-key';
  const { typ } = header;
  if (typeof typ !== 'string' || !ACCESS_TOKEN_TYPES.has(typ.toLowerCase())) return 'token-type-wrong';
  return undefined;
}

function readObject(part: string): JsonObject | undefined {
  try {
    const value = parseStrictJsonBytes(Buffer.from(part, 'base64url'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined; // only ever StrictJsonError; its text may quote the token, so it goes no further
  }
}

/** base64url without padding, spaces or other alphabets, and with the unused last bits zero (RFC 4648 section 3.5). */
export function isCanonical(part: string): boolean {
  if (!PART.test(part)) return false;
  const last = part.at(-1) ?? '';
  switch (part.length % 4) {
    case 0:
      return true;
    case 2:
      return 'AQgw'.includes(last);
    case 3:
      return 'AEIMQUYcgkosw048'.includes(last);
    default:
      return false;
  }
}
