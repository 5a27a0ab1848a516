import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** One DER element (X.690): tag, length, content. */
function der(tag: number, ...content: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(
    content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)),
  );
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** A certificate and its private key, as PEM. */
export interface Certified {
  readonly key: string;
  readonly cert: string;
}

type Years = readonly [from: string, to: string];

/**
 * A certificate (RFC 5280 section 4.1) for one DNS name or IPv4 address, signed by its own new key; both as PEM.
 * Years have two digits: `['20', '49']`.
 */
export function selfSigned(name: string, years: Years): Certified {
  const { privateKey, publicKey } = newKey();
  return certificate(
    'a test',
    publicKey,
    alternative(name),
    years,
    { name: 'a test', key: privateKey },
    privateKey,
  );
}

/** An authority of a test's own: its certificate, and certificates that it signs. */
export function authority(): { readonly cert: string; sign(name: string, years: Years): Certified } {
  const { privateKey, publicKey } = newKey();
  const self = { name: 'a test authority', key: privateKey };
  // Basic Constraints (RFC 5280 section 4.2.1.9), critical: an authority.
  const isAuthority = der(0x30, der(0x06, '551d13'), der(0x01, 'ff'), der(0x04, der(0x30, der(0x01, 'ff'))));
  return {
    cert: certificate(self.name, publicKey, isAuthority, ['20', '49'], self, privateKey).cert,
    sign(name, years) {
      const own = newKey();
      return certificate('a test', own.publicKey, alternative(name), years, self, own.privateKey);
    },
  };
}

function newKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function named(commonName: string): Buffer {
  return der(0x30, der(0x31, der(0x30, der(0x06, '550403'), der(0x0c, Buffer.from(commonName)))));
}

/** Subject Alternative Name (RFC 5280 section 4.2.1.6). */
function alternative(name: string): Buffer {
  const general = /^[\d.]+$/.test(name)
    ? der(0x87, Buffer.from(name.split('.').map(Number)))
    : der(0x82, Buffer.from(name));
  return der(0x30, der(0x06, '551d11'), der(0x04, der(0x30, general)));
}

function certificate(
  subject: string,
  publicKey: KeyObject,
  extension: Buffer,
  years: Years,
  issuer: { readonly name: string; readonly key: KeyObject },
  privateKey: KeyObject,
): Certified {
  const ecdsaSha256 = der(0x30, der(0x06, '2a8648ce3d040302'));
  const [from, to] = years.map((year) => der(0x17, Buffer.from(`${year}0101000000Z`)));
  const body = der(
    0x30,
    der(0xa0, der(0x02, '02')),
    der(0x02, '01'),
    ecdsaSha256,
    named(issuer.name),
    der(0x30, from ?? '', to ?? ''),
    named(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, extension)),
  );
  const signature = der(0x03, '00', sign('sha256', body, issuer.key));
  const bytes = der(0x30, body, ecdsaSha256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${bytes}\n-----END CERTIFICATE-----\n`,
  };
}
