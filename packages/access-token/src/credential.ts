/** The one credential of a request. `token` has not been looked at beyond its alphabet. */
export interface Credential {
  readonly ok: true;
  readonly token: string;
  readonly scheme: 'bearer' | 'api-key';
}

/**
 * - `missing`: 401 with `WWW-Authenticate: Bearer` and no `error` (RFC 6750 section 3.1: also for a scheme we don't know);
 * - `ambiguous`: 400 `invalid_request`;
 * - `malformed`: 401 `invalid_token`.
 */
export interface NoCredential {
  readonly ok: false;
  readonly kind: 'missing' | 'ambiguous' | 'malformed';
  readonly reason:
    | 'credential-missing'
    | 'credential-scheme-unknown'
    | 'credential-in-query'
    | 'credential-repeated'
    | 'credential-in-two-fields'
    | 'credential-malformed'
    | 'credential-dpop-not-offered';
}

/** RFC 6750 section 2.1, `b64token`. */
const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
/** RFC 9110 section 11.4: a scheme, at least one space, the credentials. */
const AUTHORIZATION = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?: +(.*))?$/;

/** Query names that carry a credential somewhere, letters and digits only, lower case. */
const CREDENTIAL_NAMES = new Set([
  'accesstoken',
  'apikey',
  'apitoken',
  'authorization',
  'authtoken',
  'bearer',
  'bearertoken',
  'idtoken',
  'jwt',
  'token',
  'xapikey',
]);

/**
 * Finds the one credential of a request: a single `Authorization: Bearer` (RFC 6750 section 2.1) or, for Ideogram
 * clients, a single `Api-Key`. Nothing in a query, body or cookie is ever a credential.
 *
 * @param rawHeaders names and values in turn, as node's `rawHeaders` (its `headers` keeps the first of two
 *   `Authorization` fields in silence).
 * @param rawQuery the query as received, without `?`; empty when there is none.
 */
export function readCredential(rawHeaders: readonly string[], rawQuery: string): Credential | NoCredential {
  if (hasCredentialParameter(rawQuery)) return none('ambiguous', 'credential-in-query');
  const authorization = fieldValues(rawHeaders, 'authorization');
  const apiKey = fieldValues(rawHeaders, 'api-key');
  if (authorization.length > 1 || apiKey.length > 1) return none('ambiguous', 'credential-repeated');
  const [bearer] = authorization;
  const [key] = apiKey;
  if (bearer !== undefined && key !== undefined) return none('ambiguous', 'credential-in-two-fields');
  if (bearer !== undefined) return readAuthorization(bearer);
  if (key !== undefined) return readToken(key, 'api-key');
  return none('missing', 'credential-missing');
}

function readAuthorization(value: string): Credential | NoCredential {
  const match = AUTHORIZATION.exec(value);
  if (match === null) return none('malformed', 'credential-malformed');
  const [, scheme = '', token = ''] = match;
  if (/^bearer$/i.test(scheme)) return readToken(token, 'bearer');
  // A proof of possession is meant, and can't be taken: the token must not pass as a plain one (RFC 9449 7.2).
  if (/^dpop$/i.test(scheme)) return none('malformed', 'credential-dpop-not-offered');
  return none('missing', 'credential-scheme-unknown');
}

function readToken(token: string, scheme: Credential['scheme']): Credential | NoCredential {
  return B64TOKEN.test(token) ? { ok: true, token, scheme } : none('malformed', 'credential-malformed');
}

function fieldValues(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const field = rawHeaders[at];
    // The length first: this runs for every field of every call.
    if (field?.length === name.length && field.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
  }
  return values;
}

function hasCredentialParameter(rawQuery: string): boolean {
  if (rawQuery === '') return false;
  // `;` parts parameters for some servers, and `name[…]` is `name` for some: both count.
  return rawQuery.split(/[&;]/).some((parameter) => {
    const name = decodeName(parameter.split('=', 1)[0] ?? '').split('[', 1)[0] ?? '';
    return CREDENTIAL_NAMES.has(name.replaceAll(/[^A-Za-z0-9]/g, '').toLowerCase());
  });
}

function decodeName(name: string): string {
  // Byte by byte, because decodeURIComponent throws on escapes that aren't UTF-8, and one bad escape mustn't
  // hide the name.
  return name.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function none(kind: NoCredential['kind'], reason: NoCredential['reason']): NoCredential {
  return { ok: false, kind, reason };
}

/**
 * Whether a credential is what Ideogram's API keys look like, and no token: one long random word without a full stop.
 * Somebody left the key where the token belongs.
 */
export function looksLikeApiKey(credential: string): boolean {
  return (
    /^[A-Za-z0-9_~+/-]{20,512}=*$/.test(credential) &&
    /[0-9]/.test(credential) &&
    /[A-Za-z]/.test(credential) &&
    new Set(credential).size >= 8
  );
}
