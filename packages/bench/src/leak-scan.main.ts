import { randomBytes, randomUUID } from 'node:crypto';
import { createKeyRing } from '@ideogate/upstream-keys';
import { runFlags } from '@ideogate/testkit/run-flags';
import { figure } from './figures.ts';

// What it costs to look for two keys in answers, in every form in which they may be written, as a ratio to a native
// search for the keys as they are, which is the least there is: `node packages/bench/src/leak-scan.main.ts`.
const { whole } = runFlags({ rounds: { type: 'string', default: '5' } });
const rounds = whole('rounds', 5);
/** So many bytes are searched in a round. */
const PER_ROUND = 384 * 1024 * 1024;

const keys = [randomBytes(64).toString('base64url'), randomBytes(64).toString('base64url')];
const [read = '', write = ''] = keys;
const ring = createKeyRing({ environment: 'staging', read, write, fingerprintSecret: 'fake-bench' });
const needles = keys.map((key) => Buffer.from(key));

const bodies: readonly (readonly [name: string, body: Buffer])[] = [
  ['JSON, 1 kB', json(1024)],
  ['JSON, 64 kB', json(65_536)],
  ['JSON, 1 MB', json(1024 * 1024)],
  ['base64, 64 kB', Buffer.from(randomBytes(49_152).toString('base64'))],
  ['hex, 64 kB', Buffer.from(randomBytes(32_768).toString('hex'))],
  ['random bytes, 64 kB', randomBytes(65_536)],
  ['UTF-16, 64 kB', Buffer.from(json(32_768).toString(), 'utf16le')],
];

for (const [name, body] of bodies) {
  const native = () => needles.some((needle) => body.includes(needle));
  const search = () => ring.scanBody().push(body) === 'leak';
  const repeat = Math.ceil(PER_ROUND / body.length);
  timed(native, repeat);
  timed(search, repeat);
  const found = Array.from({ length: rounds }, () => ({
    native: timed(native, repeat),
    search: timed(search, repeat),
  }));
  const ratio = figure(found.map((round) => round.search / round.native));
  const micros = figure(found.map((round) => round.search / repeat));
  const gigabytes = figure(found.map((round) => (body.length * repeat) / 1000 / round.search));
  process.stdout.write(
    `${name}: ${ratio.median} × native (${ratio.min} to ${ratio.max}), ${micros.median} µs, ${gigabytes.median} GB/s\n`,
  );
}

/** Microseconds of processor time that so many runs take. */
function timed(act: () => boolean, repeat: number): number {
  const before = process.threadCpuUsage();
  let found = false;
  for (let at = 0; at < repeat; at++) found = act() || found;
  if (found) throw new Error('there is no key to find');
  const { user, system } = process.threadCpuUsage(before);
  return user + system;
}

/** An answer like Ideogram's, so many bytes long. */
function json(bytes: number): Buffer {
  let text = '{"created":"2026-01-01T00:00:00Z","data":[';
  while (text.length < bytes) {
    const signature = randomBytes(32).toString('hex');
    text += `{"prompt":"a lighthouse at dusk","resolution":"1024x1024","is_image_safe":true,"url":"https://example.com/${randomUUID()}.png?sig=${signature}"},`;
  }
  return Buffer.from(`${text.slice(0, bytes - 2)}]}`);
}
