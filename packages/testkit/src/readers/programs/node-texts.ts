import { parse } from 'node:querystring';
import { type Answer, answerFrames, type Frame } from './frames.ts';

type Entry = Answer['entries'][number];

const encode = (value: string) => Buffer.from(value).toString('base64');

/** Node's own readers of JSON and queries. */
const READERS: Readonly<Record<string, (body: string) => Entry[]>> = {
  'JSON.parse': (body) => {
    const entries: Entry[] = [];
    walk('', JSON.parse(body), entries);
    return entries;
  },
  URLSearchParams: (body) =>
    [...new URLSearchParams(body)].map(([name, value]) => [name, encode(value), false]),
  querystring: (body) =>
    Object.entries(parse(body)).flatMap(([name, values]) =>
      [values ?? []].flat().map((value): Entry => [name, encode(value), false]),
    ),
};

function walk(path: string, value: unknown, entries: Entry[]): void {
  if (typeof value === 'object' && value !== null) {
    entries.push([path, encode(Array.isArray(value) ? '[]' : '{}'), false]);
    for (const [name, inner] of Object.entries(value)) walk(`${path}\u001f${name}`, inner, entries);
    return;
  }
  const kind = typeof value === 'string' ? 'text ' : typeof value === 'number' ? 'number ' : '';
  entries.push([path, encode(`${kind}${String(value)}`), false]);
}

const read = READERS[process.argv[2] ?? ''];
if (read === undefined) throw new Error('no such reader');
await answerFrames(process.versions.node, async ({ body }: Frame) => {
  try {
    return { entries: read(body.toString()) };
  } catch (error) {
    return { entries: [], refused: String(error) };
  }
});
