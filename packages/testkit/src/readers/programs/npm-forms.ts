import { readFileSync, rmSync } from 'node:fs';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Busboy as FastifyBusboy } from '@fastify/busboy';
import busboy from 'busboy';
import { formidable } from 'formidable';
import multiparty from 'multiparty';
import { Response as UndiciResponse } from 'undici';
import { type Answer, answerFrames, type Frame } from './frames.ts';

type Entry = Answer['entries'][number];

const encode = (value: string | Uint8Array) => Buffer.from(value).toString('base64');

const READERS: Readonly<Record<string, (frame: Frame) => Promise<Answer>>> = {
  busboy: ({ type, body }) =>
    events((entries, done, fail) => {
      const reader = busboy({ headers: { 'content-type': type }, limits: LIMITS });
      reader.on('field', (name, value) => entries.push([name, encode(value), false]));
      reader.on('file', (name, file) => collected(entries, name, file));
      reader.on('close', done);
      reader.on('error', fail);
      reader.end(body);
    }),
  '@fastify/busboy': ({ type, body }) =>
    events((entries, done, fail) => {
      const reader = new FastifyBusboy({ headers: { 'content-type': type }, limits: LIMITS });
      reader.on('field', (name, value) => entries.push([name, encode(value), false]));
      reader.on('file', (name, file) => collected(entries, name, file));
      reader.on('finish', done);
      reader.on('error', fail);
      reader.end(body);
    }),
  multiparty: (frame) =>
    events((entries, done, fail) => {
      const reader = new multiparty.Form({ maxFieldsSize: LIMITS.fieldSize });
      reader.on('part', (part) => {
        const file = part.filename !== undefined;
        collected(entries, part.name, part, file);
        part.on('error', fail);
      });
      reader.on('close', done);
      reader.on('error', fail);
      reader.parse(requestOf(frame));
    }),
  formidable: async (frame) => {
    const reader = formidable({
      allowEmptyFiles: true,
      minFileSize: 0,
      maxFields: LIMITS.parts,
      maxFieldsSize: LIMITS.fieldSize,
      hashAlgorithm: false,
    });
    const entries: Entry[] = [];
    try {
      const [fields, files] = await Promise.race([reader.parse(requestOf(frame)), nextThrown()]);
      for (const [name, values] of Object.entries(fields))
        for (const value of values ?? []) entries.push([name, encode(value), false]);
      for (const [name, values] of Object.entries(files)) {
        for (const { filepath } of values ?? []) {
          entries.push([name, encode(readFileSync(filepath)), true]);
          rmSync(filepath);
        }
      }
      return { entries };
    } catch (error) {
      return { entries, refused: String(error) };
    }
  },
  undici: async ({ type, body }) => {
    const response = new UndiciResponse(body, { headers: { 'content-type': type } });
    return formData(() => response.formData());
  },
  'Node.js': async ({ type, body }) => {
    const response = new Response(new Uint8Array(body), { headers: { 'content-type': type } });
    return formData(() => response.formData());
  },
};

/** What a reader throws in an event of its own reaches nobody: a server that uses it ends there. */
let thrown: (error: unknown) => void = () => undefined;
process.on('uncaughtException', (error) => thrown(error));
process.on('unhandledRejection', (error) => thrown(error));

function nextThrown(): Promise<never> {
  return new Promise((_, reject) => {
    thrown = reject;
  });
}

/** More than any body here needs: what is asked is how it is taken apart. */
const LIMITS = { fieldSize: 2 ** 24, fieldNameSize: 2 ** 16, parts: 5000 };

async function formData(
  read: () => Promise<{ entries(): Iterable<[string, string | Blob]> }>,
): Promise<Answer> {
  const entries: Entry[] = [];
  try {
    for (const [name, value] of (await read()).entries()) {
      const file = typeof value !== 'string';
      entries.push([name, encode(file ? new Uint8Array(await value.arrayBuffer()) : value), file]);
    }
    return { entries };
  } catch (error) {
    return { entries, refused: String(error) };
  }
}

function requestOf({ type, body }: Frame): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  request.headers = { 'content-type': type, 'content-length': String(body.length) };
  request.push(body);
  request.push(null);
  request.complete = true;
  return request;
}

/** Collects what a reader tells by events, until it is done or gives up. */
function events(
  run: (entries: Entry[], done: () => void, fail: (error: unknown) => void) => void,
): Promise<Answer> {
  const entries: Entry[] = [];
  return new Promise((resolve) => {
    const fail = (error: unknown) => resolve({ entries, refused: String(error) });
    try {
      run(entries, () => resolve({ entries }), fail);
    } catch (error) {
      fail(error);
    }
  });
}

function collected(
  entries: Entry[],
  name: string | undefined,
  file: NodeJS.ReadableStream,
  isFile = true,
): void {
  const chunks: Buffer[] = [];
  const slot = entries.push([name ?? '', '', isFile]) - 1;
  file.on('data', (chunk: Buffer) => void chunks.push(chunk));
  file.on('end', () => {
    entries[slot] = [name ?? '', Buffer.concat(chunks).toString('base64'), isFile];
  });
  file.on('error', () => undefined);
}

const [name = ''] = process.argv.slice(2);
const read = READERS[name];
if (read === undefined) throw new Error(`no reader is called ${name}`);
await answerFrames(name === 'Node.js' ? process.version : versionOf(name), read);

function versionOf(library: string): string {
  const manifest = new URL(`../../../node_modules/${library}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }; // as: npm's own format
  return version;
}
