import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCredential } from '../src/index.ts';

const BEARER = ['Authorization', 'Bearer aaa.bbb.ccc'];
const API_KEY = ['Api-Key', 'aaa.bbb.ccc'];

describe('one credential (A.19)', () => {
  it.each([
    ['Authorization: Bearer', BEARER, 'bearer'],
    ['the scheme in any letter case', ['AUTHORIZATION', 'bEARER aaa.bbb.ccc'], 'bearer'],
    ['more than one space after the scheme', ['authorization', 'Bearer  aaa.bbb.ccc'], 'bearer'],
    ['Api-Key, as Ideogram clients send it', API_KEY, 'api-key'],
    ['api-key in lower case', ['host', 'x', 'api-key', 'aaa.bbb.ccc'], 'api-key'],
  ])('%s is taken', (_, headers, scheme) => {
    expect(readCredential(headers, 'dry_run=true')).toEqual({ ok: true, token: 'aaa.bbb.ccc', scheme });
  });

  it.each([
    ['nothing at all', [], 'missing', 'credential-missing'],
    ['a cookie', ['Cookie', 'access_token=aaa'], 'missing', 'credential-missing'],
    ['twins of Api-Key', ['api_key', 'aaa', 'Api.Key', 'aaa'], 'missing', 'credential-missing'],
    ['Proxy-Authorization', ['Proxy-Authorization', 'Bearer aaa'], 'missing', 'credential-missing'],
    ['Basic', ['Authorization', 'Basic YTpi'], 'missing', 'credential-scheme-unknown'],
    ['a bare token', ['Authorization', 'aaa.bbb.ccc'], 'missing', 'credential-scheme-unknown'],
    ['DPoP', ['Authorization', 'DPoP aaa.bbb.ccc'], 'malformed', 'credential-dpop-not-offered'],
    ['a scheme without token', ['Authorization', 'Bearer'], 'malformed', 'credential-malformed'],
    ['two tokens in one field', ['Authorization', 'Bearer aaa bbb'], 'malformed', 'credential-malformed'],
    [
      'a list of credentials',
      ['Authorization', 'Bearer aaa, Bearer bbb'],
      'malformed',
      'credential-malformed',
    ],
    ['a tab for a space', ['Authorization', 'Bearer\taaa'], 'malformed', 'credential-malformed'],
    ['an empty field', ['Api-Key', ''], 'malformed', 'credential-malformed'],
    ['an Api-Key with a scheme', ['Api-Key', 'Bearer aaa'], 'malformed', 'credential-malformed'],
    ['trap 18: Authorization twice', [...BEARER, ...BEARER], 'ambiguous', 'credential-repeated'],
    [
      'Authorization twice, once of another scheme',
      [...BEARER, 'authorization', 'Basic YTpi'],
      'ambiguous',
      'credential-repeated',
    ],
    ['Api-Key twice', [...API_KEY, 'API-KEY', 'aaa.bbb.ccc'], 'ambiguous', 'credential-repeated'],
    ['both fields', [...BEARER, ...API_KEY], 'ambiguous', 'credential-in-two-fields'],
    ['both fields, one of them empty', [...BEARER, 'Api-Key', ''], 'ambiguous', 'credential-in-two-fields'],
  ])('%s is not', (_, headers, kind, reason) => {
    expect(readCredential(headers, '')).toEqual({ ok: false, kind, reason });
  });
});

describe('a credential in the query is refused, whatever else is sent (A.19)', () => {
  it.each([
    'access_token=aaa',
    'a=1&ACCESS_TOKEN=aaa',
    'api_key=aaa',
    'api-key=aaa',
    'Api.Key=aaa',
    'apikey=aaa',
    'token',
    'a=1;token=aaa',
    'access_token[]=aaa',
    'access_token%5B0%5D=aaa',
    '%61ccess%5Ftoken=aaa',
    'access%5ftoken=aaa',
    'tok%65n=%ff',
    '%ff=1&token=aaa',
    'authorization=Bearer+aaa',
    'x-api-key=aaa',
  ])('%s', (query) => {
    const refused = { ok: false, kind: 'ambiguous', reason: 'credential-in-query' };
    expect(readCredential(BEARER, query)).toEqual(refused);
    expect(readCredential([], query)).toEqual(refused);
  });

  it.each([
    'dry_run=true',
    'tokens=3',
    'page_token=x',
    'prompt=my+token',
    'note=access_token',
    'api_key_id=1',
    '%zz=1',
    '',
  ])('but %s is no credential', (query) => {
    expect(readCredential(BEARER, query)).toMatchObject({ ok: true });
  });
});

it('never throws, and whatever it takes is a b64token of one field', () => {
  const field = fc.tuple(
    fc.constantFrom('Authorization', 'authorization', 'Api-Key', 'api_key', 'Host'),
    fc.oneof(
      fc.string(),
      fc.string().map((text) => `Bearer ${text}`),
    ),
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 4 }), fc.string(), (fields, query) => {
      const read = readCredential(fields.flat(), query);
      const carriers = fields.filter(([name]) => /^(authorization|api-key)$/i.test(name));
      if (!read.ok) return;
      expect(carriers).toHaveLength(1);
      expect(read.token).toMatch(/^[\w\-.~+/]+=*$/);
      expect(carriers[0]?.[1].slice(-read.token.length)).toBe(read.token);
    }),
  );
});
