import { describe, expect, it } from 'vitest';
import { BOUNDARY, multipart, verdict } from './bodies.ts';
import { generate } from './sample-operations.ts';

describe('a multipart body that readers could take apart differently is refused for every caller', () => {
  const B = `--${BOUNDARY}`;
  const head = 'Content-Disposition: form-data; name="prompt"';
  const one = (header: string, content = 'x') => `${B}\r\n${header}\r\n\r\n${content}\r\n${B}--\r\n`;
  it.each<[string, string, string]>([
    ['nothing', '', 'multipart-ended-early'],
    ['no part', `${B}--\r\n`, 'multipart-ended-early'],
    ['a preamble', `hidden\r\n${one(head)}`, 'multipart-preamble'],
    ['a bare LF before the first delimiter', `\n${one(head)}`, 'multipart-preamble'],
    ['an epilogue', `${one(head)}more`, 'multipart-epilogue'],
    ['a third CRLF at the end', `${one(head)}\r\n\r\n`, 'multipart-epilogue'],
    ['one and a half CRLF at the end', `${one(head)}\r`, 'multipart-ended-early'],
    ['two CRLF at the beginning', `\r\n\r\n${one(head)}`, 'multipart-preamble'],
    [
      'a part in the epilogue',
      `${one(head)}${one('Content-Disposition: form-data; name="webhook_url"')}`,
      'multipart-epilogue',
    ],
    ['half a line end at the end', one(head).slice(0, -1), 'multipart-ended-early'],
    ['no end', one(head).slice(0, -6), 'multipart-ended-early'],
    [
      'a delimiter after a bare LF',
      `${B}\r\n${head}\r\n\r\nx\n${B}\r\n${head}\r\n\r\ny\r\n${B}--\r\n`,
      'multipart-delimiter',
    ],
    ['a delimiter after a bare CR', `${B}\r\n${head}\r\n\r\nx\r${B}--\r\n`, 'multipart-delimiter'],
    ['a delimiter with a dash before it', one(head, `x\r\n-${B}`), 'multipart-delimiter'],
    ['a delimiter within a line', one(head, `x${B}`), 'multipart-delimiter'],
    ['a delimiter that ends in a bare LF', `${B}\n${head}\r\n\r\nx\r\n${B}--\r\n`, 'multipart-delimiter'],
    ['white space after a delimiter', `${B} \r\n${head}\r\n\r\nx\r\n${B}--\r\n`, 'multipart-delimiter'],
    [
      'a delimiter that goes on',
      `${B}\r\n${head}\r\n\r\nx\r\n${B}0\r\ny\r\n${B}--\r\n`,
      'multipart-delimiter',
    ],
    ['a part without content', `${B}\r\n${head}\r\n\r\n${B}--\r\n`, 'multipart-delimiter'],
    ['a part without header', `${B}\r\n\r\nx\r\n${B}--\r\n`, 'part-headers'],
    [
      'header lines that end in LF',
      one(head.replace('form-data', 'form-data').concat('\nX: 1')),
      'part-headers',
    ],
    ['a folded header', one(`${head};\r\n filename="a"`), 'part-headers'],
    ['a space before the colon', one(head.replace(':', ' :')), 'part-headers'],
    ['a header past 8 KiB', one(`${head}\r\nX: ${'x'.repeat(8192)}`), 'part-headers'],
    ['a NUL in a header', one(`${head}\r\nX: \u0000`), 'part-headers'],
    [
      'two Content-Dispositions',
      one(`${head}\r\ncontent-disposition: form-data; name="webhook_url"`),
      'part-headers',
    ],
    ['no Content-Disposition', one('Content-Type: text/plain'), 'part-disposition'],
    ['another disposition', one('Content-Disposition: attachment; name="prompt"'), 'part-disposition'],
    ['no name', one('Content-Disposition: form-data; filename="a"'), 'part-disposition'],
    ['an empty name', one('Content-Disposition: form-data; name=""'), 'part-disposition'],
    ['two names', one(`${head}; name="webhook_url"`), 'part-disposition'],
    ['two names in two letter cases', one(`${head}; Name="webhook_url"`), 'part-disposition'],
    ['name*', one(`${head}; name*=UTF-8''webhook_url`), 'part-disposition'],
    ['name* alone', one("Content-Disposition: form-data; name*=UTF-8''webhook_url"), 'part-disposition'],
    [
      'an escaped quote in a file name',
      one(`${head}; filename="a\\"; name="webhook_url"`),
      'part-disposition',
    ],
    ['a backslash in a name', one('Content-Disposition: form-data; name="pro\\mpt"'), 'part-disposition'],
    [
      'a name outside ASCII',
      one('Content-Disposition: form-data; name="prompt\u00c3\u00bc"'),
      'part-disposition',
    ],
    [
      'a name past its length',
      one(`Content-Disposition: form-data; name="${'n'.repeat(129)}"`),
      'part-disposition',
    ],
    [
      'a part within a part',
      one(`${head}\r\nContent-Type: multipart/mixed; boundary=x`),
      'part-content-type',
    ],
    ['a message within a part', one(`${head}\r\nContent-Type: message/rfc822`), 'part-content-type'],
    ['a Content-Type that cannot be read', one(`${head}\r\nContent-Type: json`), 'part-content-type'],
    ['text in another charset', one(`${head}\r\nContent-Type: text/plain; charset=utf-7`), 'part-charset'],
    [
      'a field that sets the charset',
      one('Content-Disposition: form-data; name="_charset_"', 'utf-7'),
      'part-charset',
    ],
    ['base64', one(`${head}\r\nContent-Transfer-Encoding: base64`), 'part-transfer-encoding'],
    ['an encoded part', one(`${head}\r\nContent-Encoding: gzip`), 'part-headers'],
    ['a length that is not so', one(`${head}\r\nContent-Length: 2`), 'part-length'],
    [
      'broken JSON in a part that is JSON',
      one('Content-Disposition: form-data; name="color_palette"', '{'),
      'json-malformed',
    ],
    [
      'an encoded word for a name, which some readers decode',
      one('Content-Disposition: form-data; name="=?UTF-8?Q?webhook=5Furl?="'),
      'part-disposition',
    ],
    [
      'another name inside the file name, before the name',
      one('Content-Disposition: form-data; filename="x; name=num_images; y"; name="image"'),
      'part-disposition',
    ],
    [
      'another name inside the file name, behind the name',
      one('Content-Disposition: form-data; name="image"; filename="x; name=webhook_url"'),
      'part-disposition',
    ],
    [
      'repeated members in a part that is JSON',
      one('Content-Disposition: form-data; name="color_palette"', '{"a":1,"a":2}'),
      'json-malformed',
    ],
    [
      'more parts than anyone needs',
      multipart(Array.from({ length: 257 }, () => ({ name: 'style_codes', content: 'a' }))),
      'multipart-too-many-parts',
    ],
  ])('%s', (_, body, reason) => {
    for (const size of [1, 3, 1_000_000]) {
      expect(verdict(generate, 'full', body, { size })).toMatchObject({ problem: 'invalid-body', reason });
    }
    expect(verdict(generate, 'limited', body)).not.toBeNull();
  });

  it('a boundary that is an encoded word: decoded, it parts the prompt into fields', () => {
    const hidden = 'a\r\n--x\r\nContent-Disposition: form-data; name="num_images"\r\n\r\n8\r\n--x--';
    const boundary = '=?UTF-8?Q?x?=';
    const body = multipart(
      [
        { name: 'prompt', content: hidden },
        { name: 'rendering_speed', content: 'TURBO' },
      ],
      boundary,
    );
    const type = `multipart/form-data; boundary="${boundary}"`;
    for (const level of ['limited', 'full'] as const) {
      expect(verdict(generate, level, body, { type })).toMatchObject({ reason: 'multipart-boundary' });
    }
  });

  it('JSON in a part past 1 MiB', () => {
    const part = { name: 'color_palette', content: `"${'x'.repeat(1_048_576)}"` };
    expect(verdict(generate, 'full', multipart([part]))).toMatchObject({
      problem: 'body-too-large',
      reason: 'json-too-large',
    });
  });
});
