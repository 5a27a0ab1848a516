import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';

/** The one environment of the bench. */
export const ISSUER = 'http://127.0.0.1:9';
export const AUDIENCE = 'http://127.0.0.1:8';

export const POLICY = `
environments:
  staging: { ceiling: ["read:*", "write:limited"] }
callers:
  - subject: bench
    grants: { staging: ["read:*", "write:limited"] }
`;

/** A small JSON call inside the limited bounds. */
export const SMALL_CALL = {
  path: '/v1/ideogram-v3/generate',
  contentType: 'application/json',
  body: JSON.stringify({ prompt: 'a lighthouse at dawn', rendering_speed: 'TURBO', num_images: 1 }),
} as const;

const BOUNDARY = 'bench-boundary-0123456789';

/** Head and tail of a multipart upload inside the limited bounds; the file's bytes go between. */
export const UPLOAD = {
  path: '/v1/ideogram-v3/remix',
  contentType: `multipart/form-data; boundary=${BOUNDARY}`,
  head: Buffer.from(
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n` +
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="rendering_speed"\r\n\r\nTURBO\r\n` +
      `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\nContent-Type: image/png\r\n\r\n`,
  ),
  tail: Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
} as const;

/** An issuer of the bench's own: its public key set (RFC 7517), and tokens of five minutes (RFC 9068). */
export function createMint(): { keySet: string; tokens(count: number): string[] } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' };
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'bench' });
  const mint = (): string => {
    const iat = Math.floor(Date.now() / 1000);
    const claims = {
      iss: ISSUER,
      aud: AUDIENCE,
      sub: 'bench',
      client_id: 'bench',
      iat,
      exp: iat + 300,
      jti: randomUUID(),
      scope: 'read:models write:generate write:remix',
    };
    const text = `${header}.${encode(claims)}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };
  return { keySet: JSON.stringify({ keys: [jwk] }), tokens: (count) => Array.from({ length: count }, mint) };
}
