import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { CallId } from '@ideogate/contract';
import { startTestGateway, type TestGateway } from '@ideogate/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callerIsGone, newCall } from '../src/call.ts';
import { exchange } from './wire.ts';

let gateway: TestGateway;
let reader = '';
let writer = '';

beforeAll(async () => {
  gateway = await startTestGateway();
  reader = await gateway.token('reader');
  writer = await gateway.token('writer');
});
afterAll(() => gateway?.close());

const QUOTE = '/v2/image/generate/ideogram-3?dry_run=true';

describe('a reader who may ask for a price cannot make the call run', () => {
  const part = (name: string, value: string) =>
    `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  test.each([
    ['JSON', 'application/json', '{"prompt":"a","dry_run":false}'],
    [
      'multipart',
      'multipart/form-data; boundary=B',
      `${part('prompt', 'a')}${part('dry_run', 'false')}--B--\r\n`,
    ],
  ])('by a dry_run of another mind in %s', async (_, type, body) => {
    const before = (await gateway.received()).length;
    const headers = { 'api-key': reader, 'content-type': type };
    const response = await fetch(`${gateway.url}${QUOTE}`, { method: 'POST', headers, body });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 'bound-exceeded', field: 'dry_run' });
    await gateway.call(response);
    expect((await gateway.received()).slice(before).filter(({ complete }) => complete)).toEqual([]);
  });

  test('and is told the price when the body says nothing of it', async () => {
    const headers = { 'api-key': reader, 'content-type': 'application/json' };
    const response = await fetch(`${gateway.url}${QUOTE}`, {
      method: 'POST',
      headers,
      body: '{"prompt":"a"}',
    });
    expect(await response.json()).toMatchObject({ object: 'price_quote' });
  });
});

describe('the row of a target that could not be read holds no password and no query', () => {
  test.each([
    ['GET http://ann:fake-secret@other.example/models', 'http://other.example/models'],
    ['GET //ann:fake-secret@other.example/models', '//other.example/models'],
    ['GET /models%3Ftoken=fake-secret', '/models'],
    ['GET /models;token=fake-secret', '/models'],
    ['CONNECT ann:fake-secret@other.example:443', 'other.example:443'],
  ])('%s', async (line, resource) => {
    const before = (await gateway.calls()).length;
    await exchange(gateway.port, Buffer.from(`${line} HTTP/1.1\r\nHost: x\r\nApi-Key: ${reader}\r\n\r\n`), {
      answers: 1,
    });
    const rows = (await gateway.ended(before + 1)).slice(before);
    expect(rows.map((row) => row.resource)).toEqual([resource]);
  });
});

describe('a refused upload that its caller then breaks off has one row, its refusal', () => {
  const head = (type: string, length: string) =>
    `POST /v1/ideogram-v3/generate HTTP/1.1\r\nHost: x\r\nApi-Key: ${writer}\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`;
  test.each([
    [
      'multipart past a bound',
      () =>
        `${head('multipart/form-data; boundary=B', 'Content-Length: 9000')}--B\r\nContent-Disposition: form-data; name="num_images"\r\n\r\n8\r\n--B\r\n`,
      'over-bound',
    ],
    ['JSON past its size', () => head('application/json', 'Content-Length: 9000000'), 'json-size'],
  ])('%s', async (_, bytes, reason) => {
    const before = (await gateway.calls()).length;
    await exchange(gateway.port, Buffer.from(bytes()), { answers: 1, next: 'more' });
    await gateway.ended(before + 1);
    // One more call, so that a row too many would be seen before it.
    await gateway.call(await fetch(`${gateway.url}/models`));
    const rows = (await gateway.calls()).slice(before, -1);
    expect(rows.map((row) => row.reason)).toEqual([reason]);
  });
});

test('a request that was let go does not keep its call from ending', () => {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  Object.assign(request, { socket: null });
  const call = newCall('00000000-0000-7000-8000-000000000000' as CallId, 0, null, request, response); // as: a fixture
  expect(callerIsGone(call)).toBe(true);
});
