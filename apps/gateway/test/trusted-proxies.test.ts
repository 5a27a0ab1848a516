import { describe, expect, test } from 'vitest';
import { originOfRequest } from '../src/edge/caller-address.ts';
import { canonicalAddress } from '../src/ip-address.ts';
import { readProxyHeader } from '../src/edge/proxy-protocol.ts';
import { readTrustedProxies } from '../src/trusted-proxies.ts';
import { proxyV2 } from './proxy-header.ts';

function listed(text: string) {
  const faults: string[] = [];
  const proxies = readTrustedProxies(text, faults);
  expect(faults).toEqual([]);
  return proxies;
}

describe('one spelling of an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:C000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['::1', '::1'],
    ['fe80::1%eth0', null],
    ['192.0.2.01', null],
    ['192.0.2', null],
    ['0x7f.0.0.1', null],
    ['3221225985', null],
    ['192.0.2.1:80', null],
    ['[2001:db8::1]', null],
    [' 192.0.2.1', null],
    ['localhost', null],
    ['', null],
  ])('%j is %j', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });
});

describe('the list of proxies', () => {
  test.each([
    ['', '10.0.0.1', null],
    ['10.0.0.0/8=x-forwarded-for', '10.255.0.1', 'x-forwarded-for'],
    ['10.0.0.0/8=x-forwarded-for', '11.0.0.0', null],
    ['10.0.0.0/8=x-forwarded-for', '::a00:1', null],
    [' 10.0.0.0/8 = X-Forwarded-For , ', '10.0.0.1', 'x-forwarded-for'],
    ['10.0.0.0/8=x-forwarded-for,fd00::/8=forwarded,192.0.2.7/32=proxy-protocol', 'fd12::1', 'forwarded'],
    [
      '10.0.0.0/8=x-forwarded-for,fd00::/8=forwarded,192.0.2.7/32=proxy-protocol',
      '192.0.2.7',
      'proxy-protocol',
    ],
    ['10.0.0.0/8=x-forwarded-for,fd00::/8=forwarded,192.0.2.7/32=proxy-protocol', '192.0.2.8', null],
    ['10.0.0.0/8=forwarded,10.1.0.0/16=forwarded', '10.1.0.1', 'forwarded'],
    ['2001:db8::1/128=forwarded', '2001:db8::1', 'forwarded'],
  ])('%j says of %s: %s', (text, address, form) => {
    expect(listed(text).formOf(address)).toBe(form);
  });

  test.each([
    ['10.0.0.0/8', /10\.0\.0\.0\/8 must be a network and its form/],
    ['10.0.0.0/8=forwarded=x-forwarded-for', /must be a network and its form/],
    ['10.0.0.0/8=', /the form is one of forwarded, x-forwarded-for, proxy-protocol/],
    ['10.0.0.0/8=xff', /the form is one of/],
    ['10.0.0.0/8=forwarded+x-forwarded-for', /the form is one of/],
    ['=forwarded', /is no network of addresses/],
    ['proxy.internal=forwarded', /proxy\.internal is no network of addresses/],
    ['10.0.0/8=forwarded', /is no network of addresses/],
    ['010.0.0.0/8=forwarded', /is no network of addresses/],
    ['fe80::1%eth0/128=forwarded', /is no network of addresses/],
    ['10.0.0.0/8/8=forwarded', /is no network of addresses/],
    ['10.0.0.1=forwarded', /for this one address write 10\.0\.0\.1\/32/],
    ['2001:db8::1=forwarded', /write 2001:db8::1\/128/],
    ['::ffff:10.0.0.0/104=forwarded', /write what is mapped into IPv6 as IPv4/],
    ['10.0.0.0/33=forwarded', /a length from 1 to 32/],
    ['10.0.0.0/08=forwarded', /a length from 1 to 32/],
    ['10.0.0.0/=forwarded', /a length from 1 to 32/],
    ['fd00::/129=forwarded', /a length from 1 to 128/],
    ['0.0.0.0/0=forwarded', /everybody could say to be anybody/],
    ['::/0=x-forwarded-for', /everybody could say to be anybody/],
    ['10.0.0.1/8=forwarded', /bits behind the prefix: write 10\.0\.0\.0\/8, or 10\.0\.0\.1\/32/],
    ['fd00::1/8=forwarded', /bits behind the prefix: write fd00::\/8, or fd00::1\/128/],
    ['10.0.0.0/8=forwarded,10.0.0.0/8=forwarded', /10\.0\.0\.0\/8 is listed twice/],
    [
      '10.0.0.0/8=forwarded,10.1.0.0/16=x-forwarded-for',
      /10\.1\.0\.0\/16 is x-forwarded-for, and 10\.0\.0\.0\/8, which it overlaps, is forwarded/,
    ],
    ['10.1.0.0/16=proxy-protocol,10.0.0.0/8=forwarded', /which it overlaps/],
  ])('%s is a fault in words', (text, words) => {
    const faults: string[] = [];
    readTrustedProxies(text, faults);
    expect(faults).toEqual([expect.stringMatching(words)]);
    expect(faults[0]).toMatch(/^IDEOGATE_TRUSTED_PROXIES: /);
  });

  test('every fault is told at once', () => {
    const faults: string[] = [];
    readTrustedProxies('10.0.0.1/8=forwarded,192.0.2.0/24=xff,fd00::/8=forwarded,a', faults);
    expect(faults).toHaveLength(3);
  });
});

describe('who called', () => {
  const PROXIES = listed(
    '10.0.0.0/24=x-forwarded-for,fd00::/8=x-forwarded-for,10.0.1.0/24=forwarded,10.0.2.0/24=proxy-protocol',
  );
  const [XFF, FORWARDED, PROXY, UNLISTED] = ['10.0.0.1', '10.0.1.1', '10.0.2.1', '198.51.100.9'];
  const x = (...values: string[]) => values.flatMap((value) => ['X-Forwarded-For', value]);
  const f = (...values: string[]) => values.flatMap((value) => ['Forwarded', value]);

  test.each<[string, string, string[], string, string | null]>([
    ['what an unlisted peer sends', UNLISTED, [...x('1.1.1.1'), ...f('for=1.1.1.1')], UNLISTED, null],
    ['a proxy that names nobody', XFF, [], XFF, null],
    ['one hop', XFF, x('203.0.113.9'), '203.0.113.9', XFF],
    ['one hop, in odd letter case', XFF, ['x-FORWARDED-for', '203.0.113.9'], '203.0.113.9', XFF],
    ['what a caller claimed before the proxy added it', XFF, x('1.1.1.1, 203.0.113.9'), '203.0.113.9', XFF],
    ['the same in two fields', XFF, x('1.1.1.1', '203.0.113.9'), '203.0.113.9', XFF],
    ['a chain of listed proxies', XFF, x('1.1.1.1, 203.0.113.9, 10.0.0.7,fd00::2'), '203.0.113.9', XFF],
    ['nobody but listed proxies', XFF, x('10.0.0.9, 10.0.0.7'), '10.0.0.9', XFF],
    ['who comes through 31 more of them', XFF, x(`203.0.113.9${',10.0.0.7'.repeat(31)}`), '203.0.113.9', XFF],
    ['who claims to come through 32', XFF, x(`203.0.113.9${',10.0.0.7'.repeat(32)}`), '10.0.0.7', XFF],
    ['a hop listed with another form', XFF, x('1.1.1.1, 10.0.1.1'), '10.0.1.1', XFF],
    ['the other form from there', XFF, f('for=1.1.1.1'), XFF, null],
    ['the other form beside its own', XFF, [...f('for=1.1.1.1'), ...x('203.0.113.9')], '203.0.113.9', XFF],
    ['IPv4 with a port', XFF, x('203.0.113.9:4711'), '203.0.113.9', XFF],
    ['IPv6', XFF, x('2001:DB8::9'), '2001:db8::9', XFF],
    ['IPv6 in brackets', XFF, x('[2001:db8::9]'), '2001:db8::9', XFF],
    ['IPv6 in brackets with a port', XFF, x('[2001:db8::9]:4711'), '2001:db8::9', XFF],
    ['IPv4 mapped into IPv6', XFF, x('::ffff:203.0.113.9'), '203.0.113.9', XFF],
    ['a listed proxy mapped into IPv6', XFF, x('203.0.113.9, ::ffff:10.0.0.7'), '203.0.113.9', XFF],
    ['unknown', XFF, x('1.1.1.1, unknown'), XFF, XFF],
    ['nothing at the end', XFF, x('1.1.1.1, '), XFF, XFF],
    ['an empty field', XFF, x(''), XFF, XFF],
    ['a name', XFF, x('localhost'), XFF, XFF],
    ['a zone', XFF, x('fe80::1%eth0'), XFF, XFF],
    ['a port past the last', XFF, x('203.0.113.9:65536'), XFF, XFF],
    ['IPv4 in brackets', XFF, x('[203.0.113.9]'), XFF, XFF],
    ['quotes', XFF, x('"203.0.113.9"'), XFF, XFF],
    ['a socket of the proxy’s own machine', XFF, x('1.1.1.1, unix:'), XFF, XFF],
    ['unknown before a listed proxy', XFF, x('1.1.1.1, unknown, 10.0.0.7'), '10.0.0.7', XFF],
    ['names with an underscore', XFF, ['X_Forwarded_For', '1.1.1.1'], XFF, null],

    ['one hop', FORWARDED, f('for=203.0.113.9'), '203.0.113.9', FORWARDED],
    [
      'one hop with all else',
      FORWARDED,
      f('By=10.0.1.1; FOR=203.0.113.9;host="a.test:80";proto=https'),
      '203.0.113.9',
      FORWARDED,
    ],
    ['a port in quotes', FORWARDED, f('for="203.0.113.9:4711"'), '203.0.113.9', FORWARDED],
    ['an obfuscated port', FORWARDED, f('for="203.0.113.9:_a"'), '203.0.113.9', FORWARDED],
    ['IPv6', FORWARDED, f('for="[2001:db8::9]:4711"'), '2001:db8::9', FORWARDED],
    ['IPv6 without quotes', FORWARDED, f('for=[2001:db8::9]'), '2001:db8::9', FORWARDED],
    ['IPv6 without brackets', FORWARDED, f('for="2001:db8::9"'), FORWARDED, FORWARDED],
    ['what a caller claimed', FORWARDED, f('for=1.1.1.1', 'for=203.0.113.9'), '203.0.113.9', FORWARDED],
    ['a chain', FORWARDED, f('for=1.1.1.1, for=203.0.113.9, for=10.0.1.7'), '203.0.113.9', FORWARDED],
    ['unknown', FORWARDED, f('for=1.1.1.1, for=unknown'), FORWARDED, FORWARDED],
    ['an obfuscated hop', FORWARDED, f('for=1.1.1.1, for=_hidden'), FORWARDED, FORWARDED],
    ['no for', FORWARDED, f('for=1.1.1.1, proto=https'), FORWARDED, FORWARDED],
    ['for twice', FORWARDED, f('for=1.1.1.1;for=203.0.113.9'), FORWARDED, FORWARDED],
    ['X-Forwarded-For from there', FORWARDED, x('1.1.1.1'), FORWARDED, null],
    // A caller begins a quote that swallows what the proxy adds, or ends in it.
    ['a quote left open', FORWARDED, f('for="1.1.1.1, for=203.0.113.9'), '203.0.113.9', FORWARDED],
    [
      'a quote closed by the next hop',
      FORWARDED,
      f('for="a', 'for=203.0.113.9;host=",for=1.1.1.1;x="'),
      FORWARDED,
      FORWARDED,
    ],
    ['a host with a comma', FORWARDED, f('for=203.0.113.9;host=",for=1.1.1.1;x="'), FORWARDED, FORWARDED],
    ['a host with two commas', FORWARDED, f('for=203.0.113.9;host="a,for=1.1.1.1,b"'), FORWARDED, FORWARDED],
    ['a host before for', FORWARDED, f('host=",for=1.1.1.1;a=";for=203.0.113.9'), FORWARDED, FORWARDED],
    [
      'a host with an element',
      FORWARDED,
      f('for=203.0.113.9;host="a,for=1.1.1.1;x=b"'),
      FORWARDED,
      FORWARDED,
    ],
    ['an escape', FORWARDED, f('for="a\\", for=203.0.113.9'), '203.0.113.9', FORWARDED],
    [
      'junk of a caller before the hop that counts',
      FORWARDED,
      f('{}', 'for=203.0.113.9'),
      '203.0.113.9',
      FORWARDED,
    ],

    ['any field behind the PROXY protocol', PROXY, [...x('1.1.1.1'), ...f('for=1.1.1.1')], PROXY, null],
  ])('%s, from %s', (_, peer, headers, address, proxy) => {
    const connection = { address: peer, proxy: null };
    expect(originOfRequest(connection, headers, PROXIES)).toEqual({ address, proxy });
  });

  const FIELD = 15_000;
  const filled = (text: string) => text.repeat(Math.ceil(FIELD / text.length));
  test.each<[string, string, string[], string]>([
    ['addresses before the one that counts', XFF, x(`${filled('::1,')}203.0.113.9`), '203.0.113.9'],
    ['commas', XFF, x(`${filled(',')}203.0.113.9`), '203.0.113.9'],
    ['commas alone', XFF, x(filled(',')), XFF],
    [
      'many fields',
      XFF,
      x(...Array.from({ length: 90 }, () => '::1,'.repeat(40)), '203.0.113.9'),
      '203.0.113.9',
    ],
    ['listed proxies without end', XFF, x(filled('fd00::2,10.0.0.7,').slice(0, -1)), 'fd00::2'],
    ['one element', XFF, x(filled('1')), XFF],
    ['one element of colons', XFF, x(filled(':')), XFF],
    ['one element of blanks', XFF, x(`a${filled(' ')}a`), XFF],
    [
      'hops before the one that counts',
      FORWARDED,
      f(`${filled('for="[::1]",')}for=203.0.113.9`),
      '203.0.113.9',
    ],
    ['listed proxies without end', FORWARDED, f(filled('for=10.0.1.7,').slice(0, -1)), '10.0.1.7'],
    ['one element of semicolons', FORWARDED, f(filled(';')), FORWARDED],
    ['one element of pairs', FORWARDED, f(filled('a=b;')), FORWARDED],
    ['one element of blanks', FORWARDED, f(`for=a${filled(' ')}a`), FORWARDED],
  ])(
    'costs as much as is walked, however much a caller sends: %s, from %s (H.63)',
    (_, peer, headers, address) => {
      const connection = { address: peer, proxy: null };
      const costs = [1, 2, 3].map(() => {
        const begun = process.threadCpuUsage();
        for (let asked = 0; asked < 20; asked++) originOfRequest(connection, headers, PROXIES);
        const { user, system } = process.threadCpuUsage(begun);
        return (user + system) / 20;
      });
      expect(originOfRequest(connection, headers, PROXIES).address).toBe(address);
      // Microseconds: a tenth of it on a quiet machine, and thousands where all of the field is read.
      expect(Math.min(...costs)).toBeLessThan(600);
    },
  );

  test('behind the PROXY protocol a listed proxy names the one before it, and the nearest stays on record', () => {
    const connection = { address: XFF, proxy: PROXY };
    expect(originOfRequest(connection, x('1.1.1.1, 203.0.113.9'), PROXIES)).toEqual({
      address: '203.0.113.9',
      proxy: PROXY,
    });
  });
});

describe('the header of the PROXY protocol', () => {
  const six = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
  const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 9];
  const to6 = Array.from({ length: 16 }, () => 0);
  const four = proxyV2(0x21, 0x11, [203, 0, 113, 9, 10, 0, 0, 1, 0, 80, 0, 80]);

  test.each<[string, string | Buffer, string | null]>([
    ['version 1, IPv4', 'PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n', '203.0.113.9'],
    ['version 1, IPv6', 'PROXY TCP6 2001:DB8::9 ::1 0 65535\r\n', '2001:db8::9'],
    [
      'version 1, IPv4 mapped into IPv6',
      'PROXY TCP6 ::ffff:203.0.113.9 ::ffff:10.0.0.1 1 2\r\n',
      '203.0.113.9',
    ],
    ['version 1, unknown', 'PROXY UNKNOWN\r\n', null],
    ['version 1, unknown with what nobody looks at', 'PROXY UNKNOWN a b c d\r\n', null],
    ['version 2, IPv4', four, '203.0.113.9'],
    [
      'version 2, IPv4 with extensions',
      proxyV2(0x21, 0x11, [203, 0, 113, 9, 10, 0, 0, 1, 0, 80, 0, 80, 4, 0, 1, 0]),
      '203.0.113.9',
    ],
    ['version 2, IPv6', proxyV2(0x21, 0x21, [...six, ...to6, 0, 80, 0, 80]), '2001:db8::9'],
    [
      'version 2, IPv4 mapped into IPv6',
      proxyV2(0x21, 0x21, [...mapped, ...to6, 0, 80, 0, 80]),
      '203.0.113.9',
    ],
    ['version 2, LOCAL', proxyV2(0x20, 0x00, []), null],
    [
      'version 2, LOCAL with addresses',
      proxyV2(0x20, 0x11, [203, 0, 113, 9, 10, 0, 0, 1, 0, 80, 0, 80]),
      null,
    ],
    ['version 2, unspecified', proxyV2(0x21, 0x00, [1, 2, 3]), null],
    [
      'version 2, a UNIX socket',
      proxyV2(
        0x21,
        0x31,
        Array.from({ length: 216 }, () => 0),
      ),
      null,
    ],
  ])('%s is read, byte by byte too, and takes nothing of what follows', (_, text, source) => {
    const header = Buffer.from(text);
    const whole = Buffer.concat([header, Buffer.from('GET / HTTP/1.1\r\n')]);
    expect(readProxyHeader(whole)).toEqual({ kind: 'header', bytes: header.length, source });
    for (let length = 1; length < header.length; length++)
      expect(readProxyHeader(whole.subarray(0, length))).toEqual({ kind: 'incomplete' });
  });

  test.each<[string, string | Buffer, 'missing' | 'invalid']>([
    ['a request', 'GET / HTTP/1.1\r\n', 'missing'],
    ['a request that begins alike', 'PROPFIND / HTTP/1.1\r\n', 'missing'],
    ['TLS', Buffer.from([0x16, 3, 1, 0, 5]), 'missing'],
    ['an empty line', '\r\n\r\nGET', 'missing'],
    ['small letters', 'proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n', 'missing'],
    ['two spaces', 'PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n', 'invalid'],
    ['another protocol', 'PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n', 'invalid'],
    ['IPv6 called IPv4', 'PROXY TCP4 ::1 ::1 1 1\r\n', 'invalid'],
    ['IPv4 called IPv6', 'PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n', 'invalid'],
    ['an address that is none', 'PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n', 'invalid'],
    ['a leading zero', 'PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n', 'invalid'],
    ['a port past the last', 'PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n', 'invalid'],
    ['a port missing', 'PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n', 'invalid'],
    ['more at the end', 'PROXY TCP4 1.1.1.1 1.1.1.1 1 1 x\r\n', 'invalid'],
    ['LF alone', 'PROXY TCP4 1.1.1.1 1.1.1.1 1 1\nGET / HTTP/1.1\r\n', 'invalid'],
    ['UNKNOWN run on', 'PROXY UNKNOWNS\r\n', 'invalid'],
    ['a line too long', `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`, 'invalid'],
    ['version 3', proxyV2(0x31, 0x11, [1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1]), 'invalid'],
    ['an unknown command', proxyV2(0x22, 0x11, [1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1]), 'invalid'],
    ['UDP', proxyV2(0x21, 0x12, [1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1]), 'invalid'],
    ['too short for its addresses', proxyV2(0x21, 0x11, [1, 1, 1, 1]), 'invalid'],
    [
      'longer than anybody sends',
      proxyV2(
        0x21,
        0x11,
        Array.from({ length: 4081 }, () => 0),
      ),
      'invalid',
    ],
  ])('%s is no such header', (_, text, kind) => {
    expect(readProxyHeader(Buffer.from(text))).toEqual({ kind });
  });
});
