import { expect, test } from 'vitest';
import { networkReason, REASONS } from '../src/index.ts';

test('every reason is one word that can be a label, and says in a sentence what was seen', () => {
  for (const [reason, meaning] of Object.entries(REASONS)) {
    expect(reason).toMatch(/^[a-z0-9]+(?:[-.][a-z0-9]+)*$/);
    expect(meaning).toMatch(/\.$/);
  }
});

test.each([
  ['ECONNREFUSED', '', 'econnrefused'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', '', 'err-tls-cert-altname-invalid'],
  ['ENOTFOUND', 'proxy-', 'proxy-enotfound'],
  [null, '', 'unknown'],
] as const)('a connection that failed with %s, of %j, has the reason %s', (code, of, reason) => {
  expect(networkReason(code, of)).toBe(reason);
});
