import { openReadPool } from '@ideogate/audit';
import { listCalls } from '@ideogate/audit/query';
import { expect, test, vi } from 'vitest';
import { freePorts, generate, newFolder, type Product, ran, start, stop, token } from './running-product.ts';

/** Calls whose outcome nobody wrote are closed soon after the second these may last. */
const env = {
  IDEOGATE_UPSTREAM_WHOLE_MS: '1000',
  IDEOGATE_COMMIT_TIMEOUT_MS: '500',
  IDEOGATE_GAP_MARGIN_MS: '200',
};

async function slowUpstream(product: Product, latencyMs: number): Promise<void> {
  await fetch(`${product.ready.emulator}/-/faults`, { method: 'PUT', body: JSON.stringify({ latencyMs }) });
}

test('a call that was under way when the gateway was killed is a gap in the record, and says so after the next start', async () => {
  const data = newFolder();
  const port = await freePorts();
  const killed = await start({ data, port, env });
  await slowUpstream(killed, 60_000);
  const bearer = await token(killed, 'writer');
  const lost = generate(killed, bearer).catch(() => null);
  const pool = openReadPool(killed.logins.read);
  try {
    await vi.waitUntil(async () => (await listCalls(pool, { state: 'open', limit: 10 })).length === 1, {
      timeout: 5000,
      interval: 20,
    });
    killed.child.kill('SIGKILL');
    await killed.ended;
    await lost;
    const product = await start({ data, port, env });
    const [gap] = await vi.waitUntil(
      async () => {
        const gaps = await listCalls(pool, { state: 'gap', limit: 10 });
        return gaps.length > 0 && gaps;
      },
      { timeout: 15_000, interval: 50 },
    );
    expect(gap).toMatchObject({
      reason: 'writer-died',
      result: 'failure',
      subject: 'writer',
      outcome: 'unknown',
    });
    const listed = await ran(['audit', 'gaps', '--json'], { env: { IDEOGATE_DATA: data } });
    expect(JSON.parse(listed.stdout)).toMatchObject([
      { callId: gap?.callId, state: 'gap', reason: 'writer-died' },
    ]);
    const last = JSON.parse(listed.stdout) as readonly { since: string; callId: string }[]; // as: seen above
    const before = `${last[0]?.since},${last[0]?.callId}`;
    const next = await ran(['audit', 'gaps', '--before', before, '--json'], { env: { IDEOGATE_DATA: data } });
    expect(JSON.parse(next.stdout)).toEqual([]);
    const wrong = await ran(['audit', 'gaps', '--before', 'yesterday'], { env: { IDEOGATE_DATA: data } });
    expect(wrong.code).toBe(3);
    await slowUpstream(product, 0);
    expect((await generate(product, await token(product, 'writer'))).status).toBe(200);
    expect(await stop(product)).toBe(0);
  } finally {
    await pool.end();
  }
});
