import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import axios from 'axios';
import FormDataPackage from 'form-data';
import { IdeogramAPI } from 'ideogram-api';

/** Where a client sends its calls, and the credential it puts where Ideogram wants the key. */
export interface Place {
  readonly url: string;
  readonly credential: string;
}

/** What a client made of the answer: status and type where it shows them, and the answer itself. */
type Heard = Readonly<Record<string, unknown>>;
export type ClientCall = (place: Place) => Promise<Heard | readonly Heard[]>;

/** Not a picture: bytes that would show any re-encoding, line ends and half a delimiter included. */
const IMAGE = Buffer.concat([
  Buffer.from('\x89PNG\r\n\x1a\n\r\n--', 'latin1'),
  Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7 + (at >> 8)) % 256)),
  Buffer.from('\r\n--\r\n'),
]);
const SEED = 20_461;

const V3 = '/v1/ideogram-v3';
const V2 = '/v2/image/generate/ideogram-3';
const ONE = { prompt: 'a lighthouse', rendering_speed: 'TURBO', seed: SEED };
const ENLARGE = JSON.stringify({ prompt: 'sharper', resemblance: 70, num_images: 1, seed: SEED });
const ASYNC = { prompt: 'a lighthouse', rendering_speed: 'turbo', seed: SEED, async: true };

/** Fields of a form, in order: text, or bytes for a file. */
type Form = readonly (readonly [name: string, value: string | Buffer])[];

const texts = (fields: object): Form => Object.entries(fields).map(([name, value]) => [name, String(value)]);

const FORMS: Readonly<Record<string, readonly [path: string, form: Form]>> = {
  'v3 generate, multipart without file': [`${V3}/generate`, texts({ ...ONE, num_images: 1 })],
  'v3 generate, multipart with files': [
    `${V3}/generate`,
    [...texts(ONE), ['style_reference_images', IMAGE], ['style_reference_images', IMAGE]],
  ],
  'v3 remix, its file before its texts': [`${V3}/remix`, [['image', IMAGE], ...texts(ONE)]],
  describe: ['/describe', [['image_file', IMAGE]]],
  upscale: [
    '/upscale',
    [
      ['image_request', ENLARGE],
      ['image_file', IMAGE],
    ],
  ],
};

export const FETCH: Readonly<Record<string, ClientCall>> = {
  'v3 generate, JSON': (place) => byFetch(place, 'POST', `${V3}/generate`, JSON.stringify(ONE)),
  ...eachForm((place, path, form) => byFetch(place, 'POST', path, blobs(form))),
  'v2 generate and polls': async (place) => {
    const made = await byFetch(place, 'POST', V2, JSON.stringify(ASYNC));
    const path = `/v2/generations/${generationId(made)}`;
    return [made, await byFetch(place, 'GET', path), await byFetch(place, 'GET', path)];
  },
};

async function byFetch(place: Place, method: string, path: string, body?: string | FormData): Promise<Heard> {
  const response = await fetch(place.url + path, {
    method,
    headers: {
      'Api-Key': place.credential,
      ...(typeof body === 'string' ? { 'Content-Type': 'application/json' } : {}),
    },
    ...(body === undefined ? {} : { body }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    answer: await response.json(),
  };
}

/** As browsers and undici have it: a file without a name of its own is `blob`, of type octet-stream. */
function blobs(form: Form): FormData {
  const data = new FormData();
  for (const [name, value] of form) {
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, new Blob([Uint8Array.from(value)]));
  }
  return data;
}

export const AXIOS: Readonly<Record<string, ClientCall>> = {
  'v3 generate, JSON': (place) => byAxios(place, 'POST', `${V3}/generate`, ONE),
  ...eachForm((place, path, form) => byAxios(place, 'POST', path, packaged(form))),
  "v3 remix, the platform's FormData in axios' own framing": (place) =>
    byAxios(place, 'POST', `${V3}/remix`, blobs([...texts(ONE), ['image', IMAGE]])),
  'describe, a form of unknown length, in chunks': (place) => {
    const form = new FormDataPackage();
    form.append('image_file', Readable.from([IMAGE]), { filename: 'photo.png' });
    return byAxios(place, 'POST', '/describe', form);
  },
  'v2 generate and polls': async (place) => {
    const made = await byAxios(place, 'POST', V2, ASYNC);
    const path = `/v2/generations/${generationId(made)}`;
    return [made, await byAxios(place, 'GET', path), await byAxios(place, 'GET', path)];
  },
};

async function byAxios(place: Place, method: string, path: string, data?: object): Promise<Heard> {
  const response = await axios.request<unknown>({
    baseURL: place.url,
    url: path,
    method,
    headers: { 'Api-Key': place.credential, ...(data instanceof FormDataPackage ? data.getHeaders() : {}) },
    proxy: false,
    ...(data === undefined ? {} : { data }),
  });
  return {
    status: response.status,
    type: String(response.headers['content-type']),
    answer: response.data,
  };
}

function packaged(form: Form): FormDataPackage {
  const data = new FormDataPackage();
  for (const [name, value] of form) {
    if (typeof value === 'string') data.append(name, value);
    else data.append(name, value, { filename: 'a photo – 照片.jpg' });
  }
  return data;
}

/** @param imageFile path of a file that holds an image */
export function curlCalls(imageFile: string): Readonly<Record<string, ClientCall>> {
  return {
    'v3 generate, JSON': (place) =>
      byCurl(place, `${V3}/generate`, ['-H', 'Content-Type: application/json', '-d', JSON.stringify(ONE)]),
    ...eachForm((place, path, form) =>
      byCurl(
        place,
        path,
        form.flatMap(([name, value]) =>
          typeof value === 'string' ? ['--form-string', `${name}=${value}`] : ['-F', `${name}=@${imageFile}`],
        ),
      ),
    ),
    'v2 generate and polls': async (place) => {
      const made = await byCurl(place, V2, ['--json', JSON.stringify(ASYNC)]);
      const path = `/v2/generations/${generationId(made)}`;
      return [made, await byCurl(place, path, []), await byCurl(place, path, [])];
    },
  };
}

async function byCurl(place: Place, path: string, args: readonly string[]): Promise<Heard> {
  const { stdout } = await curl([
    '-H',
    `Api-Key: ${place.credential}`,
    '-w',
    '\n%{http_code} %{content_type}',
    ...args,
    place.url + path,
  ]);
  const [, text = '', status, type] = /^(.*)\n(\d+) (.*)$/s.exec(stdout) ?? [];
  return { status: Number(status), type, answer: JSON.parse(text) };
}

/** Runs curl as it is installed, but for settings and proxies of this machine. Arguments may come in groups. */
export async function curl(
  args: readonly (string | readonly string[])[],
  input: string | Buffer = '',
): Promise<{ readonly stdout: string; readonly stderr: string; readonly exitCode: number }> {
  const child = execFile('curl', ['-q', '-sS', '--noproxy', '*', '--max-time', '20', ...args.flat()]);
  const out: string[] = [];
  const err: string[] = [];
  child.stdout?.on('data', (text: string) => out.push(text));
  child.stderr?.on('data', (text: string) => err.push(text));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const [exitCode] = await once(child, 'close');
  return { stdout: out.join(''), stderr: err.join(''), exitCode: Number(exitCode) };
}

export async function hasCurl(): Promise<boolean> {
  return promisify(execFile)('curl', ['--version']).then(
    () => true,
    () => false,
  );
}

/** `ideogram-api` takes https only. Its log is quiet here: it would print each call. */
export function ideogramApi(place: Place, logLevel = 'error'): IdeogramAPI {
  return new IdeogramAPI(place.credential, place.url, logLevel);
}

const SETTINGS = { prompt: 'a lighthouse', renderingSpeed: 'TURBO', seed: SEED } as const;

export const IDEOGRAM_API: Readonly<Record<string, ClientCall>> = {
  generate: async (place) => ({ answer: await ideogramApi(place).generate(SETTINGS) }),
  remix: async (place) => ({
    answer: await ideogramApi(place).remix({ ...SETTINGS, image: IMAGE, imageWeight: 60 }),
  }),
  edit: async (place) => ({
    answer: await ideogramApi(place).edit({ ...SETTINGS, image: IMAGE, mask: IMAGE }),
  }),
  upscale: async (place) => ({
    answer: await ideogramApi(place).upscale({ image: IMAGE, prompt: 'sharper', detail: 80, seed: SEED }),
  }),
  describe: async (place) => ({ answer: await ideogramApi(place).describe({ image: IMAGE }) }),
};

function eachForm(
  call: (place: Place, path: string, form: Form) => Promise<Heard>,
): Readonly<Record<string, ClientCall>> {
  return Object.fromEntries(
    Object.entries(FORMS).map(([name, [path, form]]) => [name, (place: Place) => call(place, path, form)]),
  );
}

function generationId({ answer }: Heard): string {
  if (typeof answer !== 'object' || answer === null || !('generation_id' in answer)) return '';
  return String(answer.generation_id);
}
