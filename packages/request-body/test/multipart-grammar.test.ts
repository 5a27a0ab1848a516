import { describe, expect, it } from 'vitest';
import { verdict } from './bodies.ts';
import { file, image, judged, LEVELS, NAMED, PROMPT, SPEED, text, utf8 } from './raw-forms.ts';
import { upscale } from './sample-operations.ts';

/** What is sent, the reason on record, what the refusal names, and which readers take it apart differently. */
type Refused = [
  what: string,
  parts: Parameters<typeof judged>[0],
  reason: string,
  named: RegExp,
  more?: Parameters<typeof judged>[1],
];

const SECOND = /^Part 2 \(prompt\) of the multipart body .*\. .+\.$/;
const head = (line: string): Refused[1] => [SPEED, [`${line}\r\n${PROMPT[0]}`, 'x']];
const said = (parameters: string): Refused[1] => [
  SPEED,
  [`Content-Disposition: form-data; ${parameters}`, 'x'],
];

describe('what readers take apart differently is refused for every caller, by part, fault and remedy (I.66)', () => {
  it.each<Refused>([
    [
      'another field that holds a disposition: some readers search for it',
      head('X-Content-Disposition: form-data; name="webhook_url"'),
      'part-headers',
      /^Part 2 \(prompt\) .*X-Content-Disposition.* Send only Content-Disposition, /,
    ],
    ['a field of MIME', head('MIME-Version: 1.0'), 'part-headers', SECOND],
    ['a field of its own', head('X-Part: 1'), 'part-headers', SECOND],
    ['an encoding that some undo', head('Content-Encoding: gzip'), 'part-headers', SECOND],
    [
      'a field twice: the first counts, or the last',
      head('Content-Type: text/plain\r\ncontent-type: image/png'),
      'part-headers',
      SECOND,
    ],
    [
      'capitals in a field name: CGI.pm does not see it',
      head('CONTENT-TYPE: text/plain'),
      'part-headers',
      SECOND,
    ],
    [
      'no space after the colon: CGI.pm does not see it',
      head('Content-Type:text/plain'),
      'part-headers',
      SECOND,
    ],
    ['two spaces after it', head('Content-Type:  text/plain'), 'part-headers', SECOND],
    ['a tab after it', head('Content-Type:\ttext/plain'), 'part-headers', SECOND],
    ['a space before it', head('Content-Type : text/plain'), 'part-headers', SECOND],
    ['a space at the end', head('Content-Type: text/plain '), 'part-headers', SECOND],
    ['an empty field', head('Content-Type: '), 'part-headers', SECOND],
    ['a folded field', head('Content-Type: text/plain;\r\n charset=utf-8'), 'part-headers', SECOND],
    ['a control character', head('Content-Type: text/plain\x0b'), 'part-headers', SECOND],
    [
      'a name hidden in a type',
      head('Content-Type: image/png; x="; name=webhook_x"'),
      'part-content-type',
      SECOND,
    ],
    [
      'base64: many readers leave it as it is',
      head('Content-Transfer-Encoding: base64'),
      'part-transfer-encoding',
      SECOND,
    ],
    [
      'quoted-printable: Go undoes it, others do not',
      head('Content-Transfer-Encoding: quoted-printable'),
      'part-transfer-encoding',
      SECOND,
    ],
    [
      'no space before a parameter: CGI.pm does not see a file',
      said('name="prompt";filename="a"'),
      'part-disposition',
      SECOND,
    ],
    ['a space before the semicolon', said('name="prompt" ; filename="a"'), 'part-disposition', SECOND],
    [
      'capitals in a parameter: CGI.pm does not see it',
      said('NAME="prompt"'),
      'part-disposition',
      /^Part 2 /,
    ],
    [
      'capitals in form-data',
      [SPEED, ['Content-Disposition: Form-Data; name="prompt"', 'x']],
      'part-disposition',
      SECOND,
    ],
    [
      'a list in the way of PHP: a list to it and Rack, a name to others',
      said('name="style_codes[]"'),
      'part-disposition',
      /^Part 2 \(style_codes\[\]\) .*without \[\]\.$/,
    ],
    [
      'a path in the way of PHP',
      said('name="image_request[num_images]"'),
      'part-disposition',
      /image_request\[num_images\]/,
    ],
    ['a dot in a name: an underscore to PHP', said('name="num.images"'), 'part-disposition', /num\.images/],
    ['a space in a name: an underscore to PHP', said('name="num images"'), 'part-disposition', /^Part 2 of /],
    ['an escape in a name', said('name="num%5Fimages"'), 'part-disposition', /^Part 2 of /],
    ['an escaped quote in a name', said('name="a\\"b"'), 'part-disposition', /^Part 2 of /],
    ['an apostrophe around a name: a quote to PHP', said("name='prompt'"), 'part-disposition', /^Part 2 /],
    [
      'an unquoted name with an apostrophe',
      said('name=a\'b; filename="x\'"'),
      'part-disposition',
      /^Part 2 /,
    ],
    ['a parameter twice', said('name="prompt"; name="prompt"'), 'part-disposition', SECOND],
    ['an unknown parameter', said('name="prompt"; x="y"'), 'part-disposition', SECOND],
    ['a name in pieces (RFC 2231)', said('name*0="prompt"'), 'part-disposition', /^Part 2 /],
    ['a semicolon at the end', said('name="prompt";'), 'part-disposition', SECOND],
    [
      'a file name that ends in a backslash: its quote is escaped to some',
      said('name="prompt"; filename="a\\"'),
      'part-disposition',
      SECOND,
    ],
    [
      'two backslashes before a quote: PHP and Python go on',
      said('name="prompt"; filename="a\\\\"'),
      'part-disposition',
      SECOND,
    ],
    ['three of them', said('name="prompt"; filename="a\\\\\\"b"'), 'part-disposition', SECOND],
    ['a bare quote in a file name', said('name="prompt"; filename="a"b"'), 'part-disposition', SECOND],
    [
      'an unquoted apostrophe before the name: PHP loses the name',
      said("filename=it's.png; name=prompt"),
      'part-disposition',
      SECOND,
    ],
    [
      'a name in pieces inside a file name',
      said('name="prompt"; filename="; name*0=webhook_x"'),
      'part-disposition',
      SECOND,
    ],
    [
      'an empty file name: no file to Rack and busboy',
      said('name="prompt"; filename=""'),
      'part-disposition',
      SECOND,
    ],
    [
      'a second file name that cannot be decoded',
      said('name="prompt"; filename*=UTF-8\'\'%zz'),
      'part-disposition',
      SECOND,
    ],
    [
      'a second file name in quotes: busboy drops the part',
      said('name="prompt"; filename="a"; filename*="UTF-8\'\'a"'),
      'part-disposition',
      SECOND,
    ],
    [
      'a second file name with a language: multiparty does not see it',
      said('name="prompt"; filename*=UTF-8\'en\'a'),
      'part-disposition',
      SECOND,
    ],
    [
      'a second file name alone in a field of text: a file to some',
      said('name="prompt"; filename*=UTF-8\'\'a'),
      'part-disposition',
      SECOND,
    ],
    [
      'an escaped quote before the name: Django does not see the name',
      said('filename="a\\"b"; name="prompt"'),
      'part-disposition',
      SECOND,
    ],
    [
      'a colon before the name: Rack does not see the name',
      said('filename="C:\\a.png"; name="prompt"'),
      'part-disposition',
      SECOND,
    ],
    [
      'an unquoted file name that begins with a percent sign: no file to CGI.pm',
      [SPEED, file('name=style_reference_images; filename=%22')],
      'part-disposition',
      /style_reference_images/,
    ],
    [
      'a semicolon behind one escaped quote: Django ends the file name there',
      [SPEED, image('filename="a\\"; b\\".png"')],
      'part-disposition',
      /style_reference_images/,
    ],
    [
      'two semicolons and an equals sign: text to aiohttp',
      [SPEED, image('filename="; a=b; c="')],
      'part-disposition',
      /style_reference_images/,
    ],
    [
      'a file name that ends in a slash: no file to Django',
      [SPEED, image('filename="a/"')],
      'part-disposition',
      /style_reference_images/,
    ],
    [
      'a file name of two dots: no file to Django',
      [SPEED, image('filename=".."')],
      'part-disposition',
      /style_reference_images/,
    ],
    [
      'a file name that ends in an entity: a slash, and so no file, to Django',
      [SPEED, image('filename="a&#47;"')],
      'part-disposition',
      /style_reference_images/,
    ],
    [
      'the boundary in a file name: Django ends the part there',
      [SPEED, image('filename="--b0"')],
      'multipart-delimiter',
      /in part 2\. Choose/,
    ],
    [
      'text beyond ASCII that is called binary: Latin-1 to formidable',
      [SPEED, [`${PROMPT[0]}\r\nContent-Transfer-Encoding: binary`, utf8('ü')]],
      'part-charset',
      SECOND,
    ],
    [
      'a second file name in a charset of few',
      said('name="prompt"; filename*=UTF-16\'\'a'),
      'part-disposition',
      SECOND,
    ],
    ['the name that sets the method', said('name="_method"'), 'part-disposition', /_method/],
    ['the name that sets the charset', said('name="_charset_"'), 'part-charset', /_charset_/],
    [
      'the name that sets the largest file',
      said('name="MAX_FILE_SIZE"'),
      'part-disposition',
      /MAX_FILE_SIZE/,
    ],
    ['the name that is lost', said('name="__proto__"'), 'part-disposition', /__proto__/],
    [
      'text in ISO-8859-1 beyond ASCII',
      [SPEED, text('text/plain; charset=ISO-8859-1', '\xfc')],
      'part-charset',
      SECOND,
    ],
    [
      'the same in UTF-8 bytes',
      [SPEED, text('text/plain; charset=ISO-8859-1', utf8('ü'))],
      'part-charset',
      SECOND,
    ],
    ['text in UTF-16', [SPEED, text('text/plain; charset=utf-16')], 'part-charset', SECOND],
    ['text that is not UTF-8', [SPEED, [PROMPT[0], 'a\xff']], 'part-charset', SECOND],
    ['half a character at its end', [SPEED, [PROMPT[0], 'a\xc3']], 'part-charset', SECOND],
    ['an overlong character', [SPEED, [PROMPT[0], '\xc0\x80']], 'part-charset', SECOND],
    ['a surrogate', [SPEED, [PROMPT[0], '\xed\xa0\x80']], 'part-charset', SECOND],
    ['past the last character', [SPEED, [PROMPT[0], '\xf4\x90\x80\x80']], 'part-charset', SECOND],
    ['a byte-order mark: some drop it', [SPEED, [PROMPT[0], '\xef\xbb\xbfa']], 'part-charset', SECOND],
    [
      'text that says it is JSON, in a field of text',
      [SPEED, text('application/json', '"a cat"')],
      'part-content-type',
      SECOND,
    ],
    [
      'text that says it is bytes: a file to busboy',
      [SPEED, text('application/octet-stream')],
      'part-content-type',
      SECOND,
    ],
    [
      'undeclared text that says so',
      [SPEED, [`${NAMED}"other"\r\nContent-Type: application/octet-stream`, 'x']],
      'part-content-type',
      /^Part 2 \(other\)/,
    ],
    [
      'text beyond ASCII under a charset of the whole',
      [SPEED, [PROMPT[0], utf8('ü')]],
      'part-charset',
      SECOND,
      { type: 'multipart/form-data; boundary=b0; charset=ISO-8859-1' },
    ],
    [
      'the same, though the part says UTF-8',
      [SPEED, text('text/plain; charset=utf-8', utf8('ü'))],
      'part-charset',
      SECOND,
      { type: 'multipart/form-data; boundary=b0; charset=ISO-8859-1' },
    ],
    [
      'a third line break',
      [PROMPT, SPEED],
      'multipart-epilogue',
      /Send nothing behind it/,
      { after: '\r\n\r\n\r\n' },
    ],
    [
      'the boundary inside a part',
      [SPEED, [PROMPT[0], 'a--b0']],
      'multipart-delimiter',
      /in part 2 \(prompt\)\. Choose/,
    ],
  ])('%s', (_, parts, reason, named, more) => {
    const found = judged(parts, more);
    for (const level of LEVELS) {
      expect(found[level]).toMatchObject({ problem: 'invalid-body', reason });
      expect(found[level]?.detail).toMatch(named);
    }
  });

  it.each([
    ['a comma: some end there', 'boundary="aa,bb"'],
    ['a comma without quotes', 'boundary=aa,bb'],
    ['a quote of another kind', "boundary='b0'"],
    ['a blank in it', 'boundary="b 0"'],
    ['a blank at its end: some strip it', 'boundary="b0 "'],
    ['a slash without quotes, which is no token', 'boundary=b/0'],
    ['a colon', 'boundary="b:0"'],
    ['a parenthesis', 'boundary="b(0"'],
    ['a question mark', 'boundary="b?0"'],
    ['an encoded word', 'boundary="=?utf-8?q?b0?="'],
    ['a semicolon', 'boundary="b;0"'],
    ['a percent sign', 'boundary=b%30'],
    ['a star', 'boundary=b*0'],
    ['an equals sign without quotes', 'boundary=b=0'],
    ['nothing', 'boundary=""'],
    ['RFC 2231', "boundary*=utf-8''b0"],
    ['RFC 2231 in pieces', 'boundary*0=b0'],
    ['twice', 'boundary=b0; boundary=b0'],
    ['a capital in its name', 'Boundary=b0'],
    ['blanks around', 'boundary=b0 ; charset=utf-8'],
    ['two spaces before', ' boundary=b0'],
    ['a tab before', '\tboundary=b0'],
    ['another parameter', 'boundary=b0; type="x"'],
    ['another that holds one', 'x="boundary=b1"; boundary=b0'],
    ['a name that ends in it', 'xboundary=b1; boundary=b0'],
    ['another charset', 'boundary=b0; charset=utf-16'],
    ['two charsets', 'boundary=b0; charset=utf-8; charset=iso-8859-1'],
    ['a semicolon at the end', 'boundary=b0;'],
  ])('a boundary with %s', (_, parameters) => {
    const found = judged([PROMPT, SPEED], { type: `multipart/form-data; ${parameters}` });
    for (const level of LEVELS) {
      expect(['multipart-boundary', 'content-type-malformed']).toContain(found[level]?.reason);
      expect(found[level]?.detail).toMatch(/\.$/);
    }
  });

  it('a type in capitals: CGI.pm does not take it for a form', () => {
    const found = judged([PROMPT, SPEED], { type: 'Multipart/Form-Data; boundary=b0' });
    for (const level of LEVELS) expect(found[level]).toMatchObject({ reason: 'multipart-boundary' });
  });
});

describe('a webhook_url in a part that cannot be read is on record as what it is', () => {
  it.each([
    ['in a list', said('name="webhook_url[]"')],
    ['escaped', said('name="webhook%5Furl"')],
    ['in base64', [[`Content-Transfer-Encoding: base64\r\n${NAMED}"webhook_url"`, 'eA==']] as const],
  ])('%s', (_, parts) => {
    expect(judged(parts).full).toMatchObject({ problem: 'bound-exceeded', reason: 'webhook-url' });
  });
});

describe('a text field and a file keep to what the field is, for a caller under bounds', () => {
  it('a number in a file', () => {
    const part = [`${NAMED}"num_images"; filename="n"`, '1'] as const;
    expect(judged([PROMPT, SPEED, part])).toMatchObject({ limited: { reason: 'text-as-file' }, full: null });
  });
  it('JSON in a file', () => {
    const body = `--b\r\n${NAMED}"image_request"; filename="blob"\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--`;
    const type = 'multipart/form-data; boundary=b';
    expect(verdict(upscale, 'limited', body, { type })).toMatchObject({ reason: 'text-as-file' });
    expect(verdict(upscale, 'full', body, { type })).toBeNull();
  });
});
