import { generateKeyPairSync, sign } from 'node:crypto';

/** One DER element (X.690): tag, length, content. */
function der(tag: number, ...content: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(
    content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)),
  );
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/**
 * A certificate (RFC 5280 section 4.1) for one DNS name or IPv4 address, signed by its own new key; both as PEM.
 * Years have two digits: `['20', '49']`.
 */
export function selfSigned(
  name: string,
  years: readonly [from: string, to: string],
): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaSha256 = der(0x30, der(0x06, '2a8648ce3d040302'));
  const subject = der(0x30, der(0x31, der(0x30, der(0x06, '550403'), der(0x0c, Buffer.from('a test')))));
  const [from, to] = years.map((year) => der(0x17, Buffer.from(`${year}0101000000Z`)));
  const general = /^[\d.]+$/.test(name)
    ? der(0x87, Buffer.from(name.split('.').map(Number)))
    : der(0x82, Buffer.from(name));
  const alternative = der(0x30, der(0x06, '551d11'), der(0x04, der(0x30, general)));
  const body = der(
    0x30,
    der(0xa0, der(0x02, '02')),
    der(0x02, '01'),
    ecdsaSha256,
    subject,
    der(0x30, from ?? '', to ?? ''),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, alternative)),
  );
  const signature = der(0x03, '00', sign('sha256', body, privateKey));
  const bytes = der(0x30, body, ecdsaSha256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${bytes}\n-----END CERTIFICATE-----\n`,
  };
}
