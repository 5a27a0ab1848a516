import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { SMALL_CALL, UPLOAD } from './scene.ts';

/** What a burst of calls came to. Latencies in milliseconds, ascending. */
export interface Burst {
  readonly calls: number;
  readonly seconds: number;
  readonly latencies: Float64Array;
}

export interface Target {
  readonly url: string;
  readonly tokens: readonly string[];
  /** Connections that are open already, and stay so; without it each load opens and closes its own. */
  readonly pool?: Pool;
}

export function openPool(url: string, connections: number): Pool {
  return new Pool(url, { connections, pipelining: 1 });
}

/** So many connections, each calling again as soon as it has its answer. */
export async function saturate(target: Target, connections: number, seconds: number): Promise<Burst> {
  const latencies: number[] = [];
  const pool = target.pool ?? openPool(target.url, connections);
  const started = performance.now();
  const until = started + seconds * 1000;
  let turn = 0;
  const work = async () => {
    while (performance.now() < until)
      latencies.push(await call(pool, target.tokens[turn++ % target.tokens.length] ?? ''));
  };
  await Promise.all(Array.from({ length: connections }, work));
  const took = (performance.now() - started) / 1000;
  if (target.pool === undefined) await pool.close();
  return { calls: latencies.length, seconds: took, latencies: Float64Array.from(latencies).sort() };
}

/** So many calls a second, sent when they are due whether or not earlier ones have come back. */
export async function pace(target: Target, perSecond: number, seconds: number): Promise<Burst> {
  const pool = target.pool ?? openPool(target.url, 64);
  const latencies: number[] = [];
  const flying: Promise<void>[] = [];
  const started = performance.now();
  const total = perSecond * seconds;
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond) + 1);
    for (; sent < due; sent++) {
      const token = target.tokens[sent % target.tokens.length] ?? '';
      flying.push(call(pool, token).then((latency) => void latencies.push(latency)));
    }
    await delay(1);
  }
  await Promise.all(flying);
  const took = (performance.now() - started) / 1000;
  if (target.pool === undefined) await pool.close();
  return { calls: total, seconds: took, latencies: Float64Array.from(latencies).sort() };
}

async function call(pool: Pool, token: string): Promise<number> {
  const sent = performance.now();
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: SMALL_CALL.path,
    headers: { 'api-key': token, 'content-type': SMALL_CALL.contentType },
    body: SMALL_CALL.body,
  });
  await body.dump();
  if (statusCode !== 200) throw new Error(`a call of the bench was answered ${statusCode}`);
  return performance.now() - sent;
}

const CHUNK = Buffer.alloc(64 * 1024, 0x5a);

/** So many uploads at once, each with a file of this size, streamed. */
export async function upload(target: Target, count: number, bytes: number): Promise<void> {
  const pool = openPool(target.url, count);
  const one = async (token: string) => {
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: UPLOAD.path,
      headers: {
        'api-key': token,
        'content-type': UPLOAD.contentType,
        'content-length': String(UPLOAD.head.length + bytes + UPLOAD.tail.length),
      },
      body: Readable.from(fileBody(bytes), { objectMode: false }),
    });
    await body.dump();
    if (statusCode !== 200) throw new Error(`an upload of the bench was answered ${statusCode}`);
  };
  await Promise.all(
    Array.from({ length: count }, (_, i) => one(target.tokens[i % target.tokens.length] ?? '')),
  );
  await pool.close();
}

async function* fileBody(bytes: number): AsyncGenerator<Buffer> {
  yield UPLOAD.head;
  for (let left = bytes; left > 0; left -= CHUNK.length)
    yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
  yield UPLOAD.tail;
}

export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
