import type { FuzzCase } from './cases.ts';

const GET =
  'GET /models HTTP/1.1\r\nHost: gateway.test\r\nUser-Agent: fuzz-{{case}}-{{case}}\r\nApi-Key: {{full::1}}\r\n\r\n';
const post = (path: string, more: readonly string[], body: string) =>
  `POST ${path} HTTP/1.1\r\nHost: gateway.test\r\nUser-Agent: fuzz-{{case}}-{{case}}\r\n${more.join('\r\n')}\r\n\r\n${body}`;
const FORM = 'Content-Type: multipart/form-data; boundary="fuzz"';
const CHUNKED = 'Transfer-Encoding: chunked';
const PROMPT = '--fuzz\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na lighthouse\r\n';
const HOOK_IN_TEXT =
  '--fuzz\r\nContent-Disposition: form-data; name="aspect_ratio"\r\n\r\n{"webhook_url":1}\r\n';

/** Cases that failed once. Both forms of the fuzz run play them first. */
export const KEPT_CASES: readonly FuzzCase[] = [
  // A caller that resets its idle connection had a second row.
  { bytes: GET, cuts: [], leave: 'reset-on-answer' },
  { bytes: GET, cuts: [], leave: 'reset' },
  { bytes: GET + GET, cuts: [], leave: 'reset-on-answer' },
  // A refusal whose row was being written when the body broke: one status on record, another one answered.
  {
    bytes: post(
      '/v2/image/generate/ideogram-4',
      ['Api-Key: {{reader::1}}', FORM, CHUNKED],
      '5\r\n--fuzz\r\nzz\r\n',
    ),
    cuts: [],
    leave: 'answers',
  },
  {
    bytes:
      post('/v1/nobody', ['Api-Key: {{full::1}}', 'Content-Length: 2'], '{}') +
      GET.replace(' HTTP/1.1', ' HTTP/9'),
    cuts: [],
    leave: 'answers',
  },
  // A forwarded upload whose framing breaks: its outcome did not know what had been answered.
  {
    bytes: post(
      '/v1/ideogram-v3/generate',
      ['Api-Key: {{full::1}}', FORM, CHUNKED],
      `${PROMPT.length.toString(16)}\r\n${PROMPT}\r\nzz\r\n`,
    ),
    cuts: [400, 700, 900, 1000, 1020],
    leave: 'answers',
  },
  {
    bytes: post(
      '/v1/ideogram-v3/generate',
      ['Api-Key: {{full::1}}', FORM, CHUNKED],
      `${PROMPT.length.toString(16)}\r\n${PROMPT}\r\nzz\r\n`,
    ),
    cuts: [],
    leave: 'half-close',
  },
  // The answer to what cannot be read overtook the answers ahead of it on its connection.
  {
    bytes: `${GET}CONNECT /models HTTP/1.1\r\nHost: gateway.test\r\n\r\n`,
    cuts: [],
    leave: 'answers',
  },
  {
    bytes:
      GET +
      post('/v1/ideogram-v3/generate', ['Api-Key: {{full::1}}', FORM, CHUNKED], '5\r\n--fuzz\r\nzz\r\n'),
    cuts: [],
    leave: 'answers',
  },
  // A HEAD whose body breaks was answered with a body.
  {
    bytes:
      'HEAD /models HTTP/1.1\r\nHost: gateway.test\r\nApi-Key: {{full::1}}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    cuts: [],
    leave: 'answers',
  },
  // The 100 for a call behind another one went out in the middle of its own answer.
  {
    bytes:
      post(
        '/v1/edit',
        ['Api-Key: {{full::1}}', FORM, `Content-Length: ${PROMPT.length + 10}`],
        `${PROMPT}--fuzz--\r\n`,
      ) +
      post(
        '/v2/image/generate/z-image',
        [
          'Api-Key: {{full::1}}',
          'Expect: 100-continue',
          'Content-Type: application/json',
          'Content-Length: 14',
        ],
        '{"prompt":"a"}',
      ),
    cuts: [],
    leave: 'answers',
  },
  // False alarm: a text that reads as JSON was said to hold a webhook_url.
  {
    bytes: post(
      '/v1/ideogram-v3/generate',
      ['Api-Key: {{full::1}}', FORM, `Content-Length: ${PROMPT.length + HOOK_IN_TEXT.length + 10}`],
      `${PROMPT}${HOOK_IN_TEXT}--fuzz--\r\n`,
    ),
    cuts: [],
    leave: 'answers',
  },
  // A call that waited for its turn ahead of a CONNECT stayed in flight for ever when its caller left.
  {
    bytes: `${GET}GET /-/health HTTP/1.1\r\nHost: gateway.test\r\n\r\nCONNECT /models HTTP/1.1\r\nHost: gateway.test\r\n\r\n`,
    cuts: [],
    leave: 'half-close',
  },
];
