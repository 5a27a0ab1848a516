import { generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { configFor } from './fake-issuer.ts';
import { goodClaims, header, makeClock, makeKey, sign } from './signed-tokens.ts';
import { createTokenVerifier } from '../src/index.ts';

const bundled = getCACertificates('default');

afterEach(() => {
  setDefaultCACertificates(bundled);
  delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
});

/** One DER element (X.690): tag, length, content. */
function der(tag: number, ...content: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(
    content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part)),
  );
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

/** A certificate (RFC 5280 section 4.1) for one DNS name or IP address, signed by its own key. */
function selfSigned(
  name: string,
  years: readonly [from: string, to: string],
): { key: KeyObject; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaSha256 = der(0x30, der(0x06, '2a8648ce3d040302'));
  const subject = der(0x30, der(0x31, der(0x30, der(0x06, '550403'), der(0x0c, Buffer.from('a test')))));
  const [from, to] = years.map((year) => der(0x17, Buffer.from(`${year}0101000000Z`)));
  const isAddress = /^[\d.]+$/.test(name);
  const general = isAddress
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
  const signature = der(0x03, '00', signBytes('sha256', body, privateKey));
  const bytes = der(0x30, body, ecdsaSha256, signature).toString('base64');
  return { key: privateKey, cert: `-----BEGIN CERTIFICATE-----\n${bytes}\n-----END CERTIFICATE-----\n` };
}

const VALID = ['20', '49'] as const;

describe('key sets over TLS (A.18)', () => {
  it.each([
    ['a certificate we trust is accepted', '127.0.0.1', VALID, true, true],
    ['a self-signed one is refused', '127.0.0.1', VALID, false, false],
    ['an expired one is refused', '127.0.0.1', ['20', '21'] as const, true, false],
    ['one for another name is refused', 'other.test', VALID, true, false],
  ])('%s', async (_, name, years, trusted, accepted) => {
    const { key, cert } = selfSigned(name, years);
    if (trusted) setDefaultCACertificates([...bundled, cert]);
    // Not even this makes an unverified key set good enough.
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const signer = await makeKey('k1');
    let asked = 0;
    const server = createServer(
      { key: key.export({ type: 'pkcs8', format: 'pem' }), cert },
      (_, response) => {
        asked += 1;
        response.end(JSON.stringify({ keys: [signer.publicJwk] }));
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo; // as: it listens on TCP
    const url = `https://127.0.0.1:${port}`;
    const verifier = createTokenVerifier(configFor(url), makeClock());
    const verdict = await verifier.verify(await sign(signer, header(signer), goodClaims(url)));
    verifier.close();
    server.close();
    expect(verdict).toMatchObject(accepted ? { ok: true } : { ok: false, kind: 'unavailable' });
    expect(asked).toBe(accepted ? 1 : 0);
  });
});
