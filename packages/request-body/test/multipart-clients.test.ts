import { describe, expect, it } from 'vitest';
import { file, image, judged, NAMED, PROMPT, SPEED, text, utf8 } from './raw-forms.ts';

describe('what clients write passes for every caller (I.67)', () => {
  it.each<[client: string, parts: Parameters<typeof judged>[0], more?: Parameters<typeof judged>[1]]>([
    [
      'aiohttp, Symfony: text in UTF-8 that says so',
      [text('text/plain; charset=utf-8', utf8('zwei Kätzchen 猫'))],
    ],
    ['Spring: no space, capitals', [text('text/plain;charset=UTF-8')]],
    ["Python's email: quotes", [text('text/plain; charset="utf-8"')]],
    ['Apache HttpClient: ISO-8859-1 that is ASCII', [text('text/plain; charset=ISO-8859-1')]],
    ['an older one: US-ASCII', [text('text/plain; charset=US-ASCII')]],
    ['a Java on Windows: windows-1252 that is ASCII', [text('text/plain; charset=windows-1252')]],
    [
      'Apache HttpClient: 8bit',
      [[`${text('text/plain; charset=UTF-8')[0]}\r\nContent-Transfer-Encoding: 8bit`, 'a']],
    ],
    ['Symfony: 7bit', [[`${PROMPT[0]}\r\nContent-Transfer-Encoding: 7bit`, 'a']]],
    ['multipart-post: binary, in any case', [[`${PROMPT[0]}\r\nContent-Transfer-Encoding: BINARY`, 'a']]],
    ['OkHttp: a length', [[`${PROMPT[0]}\r\nContent-Length: 5`, 'a cat']]],
    [
      '.NET: names without quotes, the type first',
      [[`Content-Type: text/plain; charset=utf-8\r\n${NAMED}prompt`, 'a']],
    ],
    [
      '.NET: two file names without quotes',
      [PROMPT, file("name=style_reference_images; filename=a.png; filename*=utf-8''a.png")],
    ],
    [
      '.NET: an apostrophe without quotes',
      [PROMPT, file("name=style_reference_images; filename=it's.png; filename*=utf-8''it%27s.png")],
    ],
    [
      '.NET: an encoded word for a file name',
      [PROMPT, image(`filename="=?utf-8?B?w7wucG5n?="; filename*=utf-8''%C3%BC.png`)],
    ],
    [
      'Jersey: file name and size before the name',
      [PROMPT, file('filename="a.png"; size=7; name="style_reference_images"')],
    ],
    [
      'undici: lower case field names',
      [[PROMPT[0].replace('Content-Disposition', 'content-disposition'), 'a']],
    ],
    ['browsers: a quote as %22, line breaks as %0D%0A', [PROMPT, image('filename="a%22b%0D%0A.png"')]],
    ['browsers: a backslash as it stands', [PROMPT, image('filename="a\\b.png"')]],
    ['curl of old, Go, Apache, Ruby: an escaped quote', [PROMPT, image('filename="a \\"b\\".png"')]],
    ['Go, Apache, Ruby: an escaped backslash', [PROMPT, image('filename="a\\\\b.png"')]],
    ['an apostrophe in quotes', [PROMPT, image('filename="it\'s.png"')]],
    ['a semicolon in quotes', [PROMPT, image('filename="a; b=c.png"')]],
    [
      'Ruby httpclient: dates behind the file name',
      [PROMPT, image('filename="a.png"; modification-date="Mon, 30 Nov 2026 15:35:51 +0000"')],
    ],
    ['a path in a file name', [PROMPT, image('filename="C:\\fakepath\\R&D; a.png"')]],
    ['a semicolon between escaped quotes', [PROMPT, image('filename="a \\"b\\" c;.png"')]],
    ['UTF-8 in quotes', [PROMPT, image(`filename="${utf8('照片 ü.png')}"`)]],
    ['Latin-1 in quotes', [PROMPT, image('filename="\xfc.png"')]],
    ['both kinds of file name', [PROMPT, image(`filename="?.png"; filename*=UTF-8''%E7%85%A7.png`)]],
    ['urllib3 of old: the second kind alone', [PROMPT, image("filename*=utf-8''%C3%BC.png")]],
    [
      'a file of a type with parameters',
      [
        PROMPT,
        [`${NAMED}"style_reference_images"; filename="a"\r\nContent-Type: video/mp4; codecs="avc1"`, 'x'],
      ],
    ],
    [
      'a file in any charset',
      [
        PROMPT,
        [
          `${NAMED}"style_reference_images"; filename="a"\r\nContent-Type: text/plain; charset=utf-16`,
          '\xff\xfe',
        ],
      ],
    ],
    [
      'JSON in a part, with its charset',
      [
        [`${NAMED}"color_palette"\r\nContent-Type: application/json; charset=utf-8`, '{"name":"EMBER"}'],
        PROMPT,
      ],
    ],
    ['a boundary in quotes', [PROMPT], { type: 'multipart/form-data; boundary="b0"' }],
    ['no space before the boundary', [PROMPT], { type: 'multipart/form-data;boundary=b0' }],
    [
      'Apache 4.5: a charset behind the boundary',
      [PROMPT],
      { type: 'multipart/form-data; boundary=b0; charset=UTF-8' },
    ],
    ['Apache 5.2: one before it', [PROMPT], { type: 'multipart/form-data; charset=ISO-8859-1; boundary=b0' }],
    ['Ruby httpclient: a line break more', [PROMPT], { after: '\r\n\r\n' }],
    ['none at the end', [PROMPT], { after: '' }],
    ['one before the first delimiter', [PROMPT], { before: '\r\n' }],
    ["Dart's http: a plus", [PROMPT], { boundary: 'dart-http-boundary-a+b.c_d' }],
    [
      'JavaMail: equals signs',
      [PROMPT],
      { boundary: '----=_Part_1.2', type: 'multipart/form-data; boundary="----=_Part_1.2"' },
    ],
    [
      'Qt: base64',
      [PROMPT],
      {
        boundary: 'boundary_.oOo._/82z7Ho71kdIduuLjg+E6cDrEVdjzzvX',
        type: 'multipart/form-data; boundary="boundary_.oOo._/82z7Ho71kdIduuLjg+E6cDrEVdjzzvX"',
      },
    ],
  ])('%s', (_, parts, more) => {
    expect(judged([...parts, SPEED], more)).toEqual({ limited: null, full: null });
  });
});
