import { type FuzzCase, fuzz } from '@ideogate/testkit/fuzz';
import { expect, test } from 'vitest';

/** The long form is `pnpm fuzz`; docs/test.md tells how to keep a case that it finds. */
test('whatever bytes a caller sends, what goes out is what was decided on, and every call has its one row', async () => {
  const result = await fuzz({ seed: 2026, cases: 800, milliseconds: 3000 });
  expect(result.failures).toEqual([]);
  expect(result.faults).toEqual([]);
  // The run means nothing if hardly anything came through, or was refused.
  expect(result.cases).toBeGreaterThan(50);
  expect(result.forwarded).toBeGreaterThan(result.cases / 20);
  expect(result.statuses['400']).toBeGreaterThan(result.cases / 10);
});

test('a call without a mark is held against the case that made it, not against an alike one', async () => {
  const call = (token: string) =>
    `GET /models HTTP/1.1\r\nHost: gateway.test\r\nApi-Key: {{${token}}}\r\n\r\n`;
  // Its caller leaves when it may go on; all of it is there by then, and it is read to its end.
  const body = '--B\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na hen\r\n--B--\r\n';
  const upload =
    'POST /v1/ideogram-v3/generate HTTP/1.1\r\nHost: gateway.test\r\nApi-Key: {{full::1}}\r\nExpect: 100-continue\r\n' +
    `Content-Type: multipart/form-data; boundary=B\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const cases: readonly FuzzCase[] = [
    { bytes: call('full:expired:1'), cuts: [], leave: 'answers' },
    { bytes: call('reader::1'), cuts: [], leave: 'answers' },
    { bytes: upload, cuts: [], leave: 'reset-on-answer' },
    { bytes: call('full:other-key:1'), cuts: [], leave: 'half-close' },
  ];
  const result = await fuzz({
    seed: 1,
    only: Array.from({ length: 20 }, () => cases).flat(),
  });
  expect(result.failures).toEqual([]);
  expect(result.faults).toEqual([]);
  // Some went out, though nobody heard the answer: without these the test means nothing.
  expect(result.forwarded).toBeGreaterThan(result.statuses['200'] ?? 0);
});

test('no case is judged while the record stands still behind it', async () => {
  const mark = 'User-Agent: fuzz-{{case}}-{{case}}';
  const one: FuzzCase = {
    bytes: `GET /models HTTP/1.1\r\nHost: gateway.test\r\n${mark}\r\nApi-Key: {{full::1}}\r\n\r\n`,
    cuts: [],
    leave: 'answers',
  };
  let frozen = 0;
  const result = await fuzz({
    seed: 1,
    only: Array.from({ length: 3000 }, () => one),
    milliseconds: 2000,
    onGateway(gateway) {
      // Answered calls have outcomes yet to write, and now they wait for longer than a case rests.
      setTimeout(() => {
        frozen = performance.now();
        gateway.relay.freeze();
      }, 1000);
      setTimeout(() => {
        gateway.relay.restore();
        frozen = performance.now() - frozen;
      }, 3800);
    },
  });
  expect(frozen).toBeGreaterThan(2500);
  expect(result.failures).toEqual([]);
  expect(result.faults).toEqual([]);
  expect(result.statuses['200']).toBeGreaterThan(24);
});
