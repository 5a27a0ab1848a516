import { OPERATIONS } from '@ideogate/ideogram';
import { expect, test } from 'vitest';
import { lenientFaults } from '../src/fuzz/lenient-reader.ts';

const HOOK = '{"webhook_url":1}';

/** What the reader says of a call with one form field. */
function ofForm(path: string, name: string, content: string): Promise<readonly string[]> {
  const body = `--fuzz\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${content}\r\n--fuzz--\r\n`;
  return read(path, 'multipart/form-data; boundary=fuzz', body);
}

function ofJson(path: string, value: object): Promise<readonly string[]> {
  return read(path, 'application/json', JSON.stringify(value));
}

function read(target: string, type: string, body: string): Promise<readonly string[]> {
  const path = target.split('?', 1)[0];
  const operation = OPERATIONS.find((one) => one.method === 'POST' && one.path === path);
  if (operation === undefined) throw new Error(`no POST operation at ${target}`);
  const fields = [['content-type', type] as const];
  return lenientFaults(operation, { method: 'POST', target, version: '1.1', fields, body, end: 0 }, false);
}

const V3 = '/v1/ideogram-v3/generate';

test.each([
  ['in a text field of a form', () => ofForm(V3, 'aspect_ratio', HOOK)],
  ['in a prompt', () => ofForm(V3, 'prompt', HOOK)],
  ['in a number of a form', () => ofForm(V3, 'num_images', HOOK)],
  ['in a text of a JSON body', () => ofJson('/v2/image/generate/z-image', { prompt: HOOK })],
  [
    'in a text inside a form’s JSON',
    () => ofForm('/remix', 'image_request', JSON.stringify({ prompt: HOOK })),
  ],
])('text is not taken for JSON %s, where every reader takes it for what is declared', async (_, faults) => {
  expect(await faults()).toEqual([]);
});

test.each([
  ['in a field nobody declared', () => ofForm(V3, 'nobody', HOOK)],
  ['in a declared name spelled otherwise', () => ofForm(V3, 'Aspect_Ratio', HOOK)],
  ['in a text field of another operation', () => ofForm('/v1/ideogram-v3/reframe', 'aspect_ratio', HOOK)],
  ['in a field declared as an object', () => ofForm(V3, 'color_palette', HOOK)],
  ['in a list of texts', () => ofForm(V3, 'style_codes', `[${HOOK}]`)],
  [
    'as an object in the place of a text',
    () => ofJson('/v2/image/generate/z-image', { prompt: JSON.parse(HOOK) }),
  ],
  [
    'in text that is no declared member',
    () => ofForm('/remix', 'image_request', JSON.stringify({ x: HOOK })),
  ],
  [
    'in a query parameter nobody declared',
    () => ofForm(`${V3}?x=${encodeURIComponent(HOOK)}`, 'prompt', 'a'),
  ],
  ['as a name', () => ofForm(V3, 'webhook_url', 'x')],
])('a webhook_url is found %s', async (_, faults) => {
  expect(await faults()).toEqual(['webhook_url']);
});
