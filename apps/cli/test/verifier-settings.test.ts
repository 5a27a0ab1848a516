import { createTokenVerifier, DEFAULT_VERIFIER, type VerifierConfig } from '@ideogate/access-token';
import { readSettings, SETTINGS } from '@ideogate/config';
import { expect, test } from 'vitest';
import { readProductConfig } from '@ideogate/standalone';

const verifierWith = (environment: Record<string, string>) =>
  readProductConfig(readSettings(environment)).verifier;

test('tokens are verified by the numbers of the table', () => {
  expect(
    verifierWith({
      IDEOGATE_TOKEN_MAX_LIFETIME_SECONDS: '301',
      IDEOGATE_TOKEN_SKEW_SECONDS: '2',
      IDEOGATE_MAX_TOKEN_BYTES: '1003',
      IDEOGATE_TOKEN_CACHE_SIZE: '4',
      IDEOGATE_KEY_SET_FRESH_SECONDS: '50',
      IDEOGATE_KEY_SET_TRUST_SECONDS: '7206',
      IDEOGATE_KEY_SET_COOLDOWN_SECONDS: '7',
      IDEOGATE_KEY_SET_TIMEOUT_MS: '1008',
      IDEOGATE_MAX_KEY_SET_BYTES: '1009',
    }),
  ).toEqual({
    maxLifetimeSeconds: 301,
    skewSeconds: 2,
    maxTokenLength: 1003,
    cacheSize: 4,
    keySetFreshSeconds: 50,
    keySetTrustSeconds: 7206,
    keySetCooldownSeconds: 7,
    fetchTimeoutMs: 1008,
    maxKeySetBytes: 1009,
  });
});

test('what is not set is as everywhere, but an issuer on this machine is asked again after a second', () => {
  expect(verifierWith({})).toEqual({ ...DEFAULT_VERIFIER, keySetCooldownSeconds: 1 });
});

test.each(['min', 'max'] as const)('the verifier takes every number at its %s', (bound) => {
  const numbers = Object.values(SETTINGS.accessTokens).map((setting) => [
    setting.variable,
    `${setting[bound]}`,
  ]);
  const issuers: VerifierConfig['issuers'] = [
    { issuer: 'https://issuer.invalid', algorithms: ['ES256'], keys: { discovery: true } },
  ];
  const config = {
    ...verifierWith(Object.fromEntries(numbers)),
    issuers,
    audience: 'https://gateway.invalid',
  };
  expect(() => createTokenVerifier(config, { now: Date.now }).close()).not.toThrow();
});
