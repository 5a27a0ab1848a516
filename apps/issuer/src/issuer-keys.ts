import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { isJsonObject, type JsonObject, type JsonValue } from '@ideogate/contract';
import { createSecretFile, parseSecretJson, readSecretFile, SecretFileError } from './secret-file.ts';

/** One private signing key as a JWK (RFC 7517), with id and algorithm. */
interface IssuerKey {
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y?: string;
  readonly d: string;
  readonly kid: string;
  readonly alg: 'ES256' | 'EdDSA';
  readonly use: 'sig';
}

/** The issuer's private keys. The first one signs; all are published. */
export interface IssuerKeys {
  readonly jwks: readonly [IssuerKey, ...IssuerKey[]];
}

/**
 * The issuer's keys from a file, made there (ES256, mode 0600) when there is none. A file that is there is never
 * changed, so that tokens outlive a restart.
 * @throws SecretFileError when others may read the file, or it doesn't hold usable keys.
 */
export async function loadOrCreateIssuerKeys(file: string): Promise<IssuerKeys> {
  const text = await readSecretFile(file);
  if (text !== undefined) return parseIssuerKeys(file, text);
  const made = `${JSON.stringify({ keys: [makeKey()] }, undefined, 2)}\n`;
  if (await createSecretFile(file, made)) return parseIssuerKeys(file, made);
  return loadOrCreateIssuerKeys(file); // another start was quicker: its keys hold
}

/** What the issuer publishes at its `jwks_uri`: public members only, picked one by one. */
export function publicKeySet({ jwks }: IssuerKeys): { readonly keys: readonly object[] } {
  return { keys: jwks.map(({ kty, crv, x, y, kid, alg, use }) => ({ kty, crv, x, y, kid, alg, use })) };
}

function makeKey(): JsonObject {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty = '', crv = '', x = '', y = '', d = '' } = privateKey.export({ format: 'jwk' });
  // RFC 7638: the members in this order, nothing else.
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  return { kty, crv, x, y, d, kid, alg: 'ES256', use: 'sig' };
}

function parseIssuerKeys(file: string, text: string): IssuerKeys {
  const value = parseSecretJson(file, text);
  const list = isJsonObject(value) && Array.isArray(value['keys']) ? value['keys'] : [];
  const [first, ...others] = list.map((jwk, index) => {
    const key = readKey(jwk);
    if (key === undefined)
      throw new SecretFileError(`${file}: key ${index + 1} is no private ES256 or EdDSA key with a kid`);
    return key;
  });
  if (first === undefined)
    throw new SecretFileError(`${file}: holds no keys; delete it to have new ones made`);
  const jwks = [first, ...others] as const;
  if (new Set(jwks.map(({ kid }) => kid)).size !== jwks.length) {
    throw new SecretFileError(`${file}: two keys have one kid`);
  }
  return { jwks };
}

function readKey(jwk: JsonValue): IssuerKey | undefined {
  if (!isJsonObject(jwk)) return undefined;
  const { kty, crv, x, y, d, kid } = jwk;
  const texts = [kty, crv, x, d, kid];
  if (!texts.every((text) => typeof text === 'string' && text !== '')) return undefined;
  const alg = crv === 'P-256' ? 'ES256' : crv === 'Ed25519' ? 'EdDSA' : undefined;
  if (alg === undefined || (jwk['alg'] ?? alg) !== alg) return undefined;
  try {
    createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  } catch {
    return undefined;
  }
  const [kind, curve, point, secret, id] = texts as string[]; // as: checked just above
  const key = { kty: kind, crv: curve, x: point, d: secret, kid: id, alg, use: 'sig' };
  return (typeof y === 'string' ? { ...key, y } : key) as IssuerKey; // as: every member was checked
}
