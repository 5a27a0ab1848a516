import { createHash, randomBytes } from 'node:crypto';
import { openReadPool } from '@ideogate/audit';
import type { Received } from '@ideogate/testkit';
import { expect, test, vi } from 'vitest';
import {
  freePorts,
  generate,
  generateBody,
  newFolder,
  processesOf,
  type Product,
  start,
  stop,
  token,
} from './running-product.ts';

const KILLS = 10;
const AT_ONCE = 20;

const received = async (product: Product) =>
  (await (await fetch(`${product.ready.emulator}/-/received`)).json()) as readonly Received[]; // as: its own list

test('killed ten times under load: all that the upstream received was decided on record, and the next start needs no help (E.50, E.51)', async () => {
  const data = newFolder();
  const port = await freePorts();
  /** Trace id of each call by the digest of its body, which holds the trace id too. */
  const traces = new Map<string, string>();
  let product = await start({ data, port });
  let seen = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    const bearer = await token(product, 'writer');
    const load = new AbortController();
    const caller = async () => {
      while (!load.signal.aborted) {
        const trace = randomBytes(16).toString('hex');
        const prompt = `trace ${trace}`;
        traces.set(createHash('sha256').update(generateBody(prompt)).digest('hex'), trace);
        const traceparent = `00-${trace}-${randomBytes(8).toString('hex')}-01`;
        await generate(product, bearer, prompt, { traceparent })
          .then((response) => response.arrayBuffer())
          .catch(() => undefined);
      }
    };
    const callers = Array.from({ length: AT_ONCE }, caller);
    const before = seen;
    seen = await vi.waitUntil(
      async () => {
        const count = (await received(product)).length;
        return count > before + AT_ONCE ? count : false;
      },
      { timeout: 10_000, interval: 20 },
    );
    product.child.kill('SIGKILL');
    load.abort();
    await Promise.all(callers);
    await product.ended;
    product = await start({ data, port });
    expect(product.stderr()).toBe('');
  }

  const pool = openReadPool(product.logins.read);
  try {
    const { rows } = await pool.query<{ trace_id: string }>(
      "SELECT trace_id FROM ideogate.audit_event WHERE kind = 'decision' AND result = 'allowed'",
    );
    const decided = new Set(rows.map((row) => row.trace_id));
    const complete = (await received(product)).filter((request) => request.complete);
    expect(complete.length).toBeGreaterThan(KILLS * AT_ONCE);
    const unknown = complete.filter(
      ({ bodySha256 }) => !decided.has(traces.get(bodySha256) ?? 'no such body'),
    );
    expect(unknown).toEqual([]);
  } finally {
    await pool.end();
  }
  expect(await stop(product)).toBe(0);
  expect(processesOf(data)).toEqual([]);
}, 180_000);
