import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Received, startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let gateway: TestGateway;
let tokens: Readonly<Record<'full' | 'writer', string>>;

beforeAll(async () => {
  gateway = await startTestGateway();
  tokens = { full: await gateway.token('full'), writer: await gateway.token('writer') };
});
afterAll(() => gateway?.close());

const CALLERS = ['full', 'writer'] as const;
const REMIX = '/v1/ideogram-v3/remix';
const PICTURE = '\x89PNG\r\n\x1a\n\x00\xff--\r\n--b';

/** A form, part by part: header lines, then content, in Latin-1. */
function form(
  boundary: string,
  parts: readonly (readonly [head: readonly string[], content: string])[],
): Buffer {
  const written = parts.map(
    ([head, content]) => `--${boundary}\r\n${head.join('\r\n')}\r\n\r\n${content}\r\n`,
  );
  return Buffer.from(`${written.join('')}--${boundary}--\r\n`, 'latin1');
}

const named = (name: string, rest = '') => `Content-Disposition: form-data; name="${name}"${rest}`;
const text = (name: string, value: string, ...more: string[]) => [[named(name), ...more], value] as const;
const file = (filename: string, ...more: string[]) =>
  [[named('image', `; filename="${filename}"`), ...more], PICTURE] as const;
const SPEED = text('rendering_speed', 'TURBO');
const PROMPT = text('prompt', 'a lighthouse');
const PNG = 'Content-Type: image/png';

/** Forms as clients write them; the type as on the wire. */
const FORMS: readonly { readonly what: string; readonly type: string; readonly body: Buffer }[] = [
  {
    what: 'undici: a file without a name of its own, before the texts',
    type: 'multipart/form-data; boundary=----formdata-undici-012345678901',
    body: form('----formdata-undici-012345678901', [
      file('blob', 'Content-Type: application/octet-stream'),
      PROMPT,
      SPEED,
    ]),
  },
  {
    what: 'form-data: a long boundary of dashes',
    type: 'multipart/form-data; boundary=--------------------------735323031399963166993862',
    body: form('--------------------------735323031399963166993862', [PROMPT, SPEED, file('photo.jpg', PNG)]),
  },
  {
    what: 'WebKit: mixed case in the boundary',
    type: 'multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW',
    body: form('----WebKitFormBoundary7MA4YWxkTrZu0gW', [PROMPT, file('photo.jpg', PNG), SPEED]),
  },
  {
    what: 'a file with a name and no Content-Type',
    type: 'multipart/form-data; boundary=b0',
    body: form('b0', [file('photo.png'), PROMPT, SPEED]),
  },
  {
    what: 'a file name in UTF-8, with spaces, and a quote escaped as browsers do',
    type: 'multipart/form-data; boundary=b0',
    body: form('b0', [PROMPT, SPEED, file(Buffer.from('a %22photo%22 – 照片.png').toString('latin1'), PNG)]),
  },
  {
    what: 'a prompt in UTF-8 with line breaks and what begins like a delimiter',
    type: 'multipart/form-data; boundary=b0',
    body: form('b0', [
      text('prompt', Buffer.from('灯台\r\n--b\r\n\r\n--b1 the end').toString('latin1')),
      SPEED,
      file('photo.png', PNG),
    ]),
  },
  {
    what: 'no line break after the last delimiter',
    type: 'multipart/form-data; boundary=b0',
    body: form('b0', [PROMPT, SPEED, file('photo.png', PNG)]).subarray(0, -2),
  },
  {
    what: 'a boundary in quotes',
    type: 'multipart/form-data; boundary="b0"',
    body: form('b0', [PROMPT, SPEED, file('photo.png', PNG)]),
  },
  {
    what: 'OkHttp: Content-Length in every part',
    type: 'multipart/form-data; boundary=0a1b2c3d-0000-4000-8000-000000000000',
    body: form('0a1b2c3d-0000-4000-8000-000000000000', [
      text('prompt', 'a lighthouse', 'Content-Length: 12'),
      text('rendering_speed', 'TURBO', 'Content-Length: 5'),
      file('photo.png', PNG, `Content-Length: ${PICTURE.length}`),
    ]),
  },
  {
    what: 'HttpClient of .NET: names without quotes, charset on texts',
    type: 'multipart/form-data; boundary="0a1b2c3d-0000-4000-8000-000000000000"',
    body: form('0a1b2c3d-0000-4000-8000-000000000000', [
      [
        ['Content-Type: text/plain; charset=utf-8', 'Content-Disposition: form-data; name=prompt'],
        'a lighthouse',
      ],
      [
        ['Content-Type: text/plain; charset=utf-8', 'Content-Disposition: form-data; name=rendering_speed'],
        'TURBO',
      ],
      [
        ["Content-Disposition: form-data; name=image; filename=photo.png; filename*=utf-8''photo.png"],
        PICTURE,
      ],
    ]),
  },
  {
    what: 'multipart-post of Ruby: a transfer encoding that encodes nothing',
    type: 'multipart/form-data; boundary=-----------RubyMultipartPost-0123456789abcdef',
    body: form('-----------RubyMultipartPost-0123456789abcdef', [
      PROMPT,
      SPEED,
      file('photo.png', PNG, 'Content-Transfer-Encoding: binary'),
    ]),
  },
];

describe('a form as some client writes it', () => {
  test.each(FORMS.flatMap((one) => CALLERS.map((caller) => ({ ...one, caller }))))(
    '$what: arrives byte for byte (D.45), $caller',
    async ({ type, body, caller }) => {
      const headers = { 'content-type': type, 'content-length': body.length };
      expect(await post(tokens[caller], headers, [body])).toBe(200);
      expect(await lastUpload()).toEqual(uploadOf(type, body));
    },
  );
});

/** Inputs that two readers took apart differently: what one of them saw is in no way what was decided. */
const UNCLEAR: readonly {
  readonly what: string;
  readonly type: string;
  readonly body: string;
  readonly reason: string;
}[] = [
  {
    what: 'a boundary that some end at its comma: eight pictures in QUALITY to them',
    type: 'multipart/form-data; boundary="aa,bb"',
    reason: 'multipart-boundary',
    body: [
      ['--aa,bb', named('prompt'), '', 'x'],
      ['--aa', named('num_images'), '', '8'],
      ['--aa', named('rendering_speed'), '', 'QUALITY'],
      ['--aa--', ''],
      ['--aa,bb', named('rendering_speed'), '', 'TURBO'],
      ['--aa,bb--', ''],
    ]
      .flat()
      .join('\r\n'),
  },
  {
    what: 'a field in whose name some find Content-Disposition: a webhook_url to them',
    type: 'multipart/form-data; boundary=abc',
    reason: 'part-headers',
    body: [
      '--abc',
      `X-${named('webhook_url')}`,
      named('prompt'),
      '',
      'https://elsewhere.example/x',
      '--abc--',
      '',
    ].join('\r\n'),
  },
];

describe('a form that readers take apart differently goes nowhere (I.66)', () => {
  test.each(UNCLEAR.flatMap((one) => CALLERS.map((caller) => ({ ...one, caller }))))(
    '$what: refused, nothing whole goes out ($caller)',
    async ({ type, body, reason, caller }) => {
      const before = (await gateway.received()).length;
      const response = await fetch(gateway.url + REMIX, {
        method: 'POST',
        headers: { 'api-key': tokens[caller], 'content-type': type },
        body,
      });
      expect(response.status).toBe(400);
      expect(JSON.stringify(await gateway.call(response))).toContain(reason);
      expect((await gateway.received()).slice(before).filter(({ complete }) => complete)).toEqual([]);
    },
  );
});

describe('an upload that comes in pieces', () => {
  const type = 'multipart/form-data; boundary=b0';
  const body = form('b0', [file('photo.png', PNG), PROMPT, SPEED]);

  test.each(['full', 'writer'] as const)('one byte at a time: arrives byte for byte (%s)', async (caller) => {
    const head = `Content-Length: ${body.length}\r\n`;
    expect(await postByteByByte(tokens[caller], type, head, body)).toBe(200);
    expect(await lastUpload()).toEqual(uploadOf(type, body));
  });

  test('in chunks of one byte, those too one byte at a time: arrives byte for byte', async () => {
    const chunks = [...body].map((byte) => Buffer.from([0x31, 0x0d, 0x0a, byte, 0x0d, 0x0a]));
    const framed = Buffer.concat([...chunks, Buffer.from('0\r\n\r\n')]);
    expect(await postByteByByte(tokens.writer, type, 'Transfer-Encoding: chunked\r\n', framed)).toBe(200);
    const upload = await lastUpload();
    // Small enough to have come whole before the first byte goes on: then its length is known, and may be named.
    expect([null, body.length]).toContain(upload.length);
    expect(upload).toEqual(uploadOf(type, body, upload.length));
  });
});

/** What an upload holds on its way through is measured in `memory.test.ts`. */
describe('a large upload', () => {
  const PIECE = 64 * 1024;
  const PIECES = 192;

  test.each([
    ['with its length', true],
    ['in chunks', false],
  ])('of 12 MiB, %s: arrives byte for byte', async (_how, announced) => {
    const [before = '', after = ''] = form('b0', [PROMPT, SPEED, file('photo.png', PNG)])
      .toString('latin1')
      .split(PICTURE);
    const hash = createHash('sha256');
    function* pieces() {
      yield Buffer.from(before, 'latin1');
      for (let at = 0; at < PIECES; at++) yield Buffer.alloc(PIECE, `\r\n--b ${at}`);
      yield Buffer.from(after, 'latin1');
    }
    const hashed = pieces().map((piece) => {
      hash.update(piece);
      return piece;
    });
    const type = 'multipart/form-data; boundary=b0';
    const bytes = before.length + PIECE * PIECES + after.length;
    const length = announced ? { 'content-length': bytes } : {};
    expect(await post(tokens.writer, { 'content-type': type, ...length }, hashed)).toBe(200);
    expect(await lastUpload()).toEqual({
      type,
      length: announced ? bytes : null,
      bytes,
      sha256: hash.digest('hex'),
      complete: true,
    });
  });
});

/** The status of a call whose body is written piece by piece, as fast as it is taken. */
async function post(
  token: string,
  headers: OutgoingHttpHeaders,
  body: Iterable<Buffer>,
): Promise<number | undefined> {
  const request = httpRequest(gateway.url + REMIX, {
    method: 'POST',
    headers: { 'api-key': token, ...headers },
  });
  Readable.from(body).pipe(request);
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

async function postByteByByte(token: string, type: string, framing: string, bytes: Buffer): Promise<number> {
  const socket = connect(gateway.port, '127.0.0.1').setNoDelay(true);
  const answered = once(socket, 'data');
  socket.write(
    `POST ${REMIX} HTTP/1.1\r\nHost: 127.0.0.1\r\nApi-Key: ${token}\r\nContent-Type: ${type}\r\n${framing}\r\n`,
  );
  for (const byte of bytes) {
    socket.write(Buffer.from([byte]));
    await nextTurn();
  }
  const [head] = await answered;
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(String(head))?.[1]);
}

type Upload = Pick<Received, 'complete'> & {
  readonly type: string;
  /** Content-Length; null for a body in chunks. */
  readonly length: number | null;
  readonly bytes: number;
  readonly sha256: string;
};

function uploadOf(type: string, body: Buffer, length: number | null = body.length): Upload {
  const sha256 = createHash('sha256').update(body).digest('hex');
  return { type, length, bytes: body.length, sha256, complete: true };
}

async function lastUpload(): Promise<Upload> {
  const last = (await gateway.received()).at(-1);
  if (last === undefined) throw new Error('the emulator received nothing');
  const fields = new Map(last.headers.map(([name, value]) => [name.toLowerCase(), value]));
  const length = fields.get('content-length');
  return {
    type: fields.get('content-type') ?? '',
    length: length === undefined ? null : Number(length),
    bytes: last.bodyBytes,
    sha256: last.bodySha256,
    complete: last.complete,
  };
}
