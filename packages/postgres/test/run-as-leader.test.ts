import { createDatabase, type Relay, relayTo, type TestDatabase } from '@ideogate/testkit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type AdvisoryLock, lockNamed, pause, runAsLeader, type Session } from '../src/index.ts';

let database: TestDatabase;
const relays: Relay[] = [];
const running: { stop(): Promise<void> }[] = [];

beforeEach(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  for (const relay of relays.splice(0)) await relay.close();
  await database.drop();
});

/** A way to the database of its own, which can be cut. */
async function relayed(): Promise<{ relay: Relay; url: string }> {
  const through = await relayTo(database.url);
  relays.push(through.relay);
  return through;
}

/** Who leads, by its name; each asks its session something every few milliseconds. */
class Candidates {
  readonly leading = new Set<string>();
  readonly terms: string[] = [];
  /** The most that led at once. */
  most = 0;
  readonly faults: unknown[] = [];

  start(
    name: string,
    url: string,
    during: (session: Session) => Promise<unknown> = (session) => session.rows('SELECT'),
    lock: AdvisoryLock = lockNamed('test', 'lead'),
  ) {
    const candidate = runAsLeader(
      {
        url,
        name: `ideogate-test-${name}`,
        lock,
        lookMs: 20,
        onFault: (fault) => void this.faults.push(fault),
      },
      async (session, over) => {
        this.leading.add(name);
        this.terms.push(name);
        this.most = Math.max(this.most, this.leading.size);
        try {
          while (!over.aborted) {
            await during(session);
            await pause(10, over);
          }
        } finally {
          this.leading.delete(name);
        }
      },
    );
    running.push(candidate);
    return candidate;
  }

  until(name: string) {
    return vi.waitUntil(() => this.leading.has(name), { timeout: 20_000, interval: 5 });
  }
}

test('of several one leads, and another takes its place when it stops', async () => {
  const candidates = new Candidates();
  const first = candidates.start('first', database.url);
  await candidates.until('first');
  candidates.start('second', database.url);
  candidates.start('third', database.url);
  await pause(200, new AbortController().signal);
  expect(candidates.terms).toEqual(['first']);
  await first.stop();
  await vi.waitUntil(() => candidates.terms.length === 2, { timeout: 20_000 });
  expect([candidates.most, candidates.faults]).toEqual([1, []]);
});

test('a leader that is cut off from the database loses the lead to another, and stands again when it is back', async () => {
  const candidates = new Candidates();
  const { relay, url } = await relayed();
  candidates.start('first', url);
  await candidates.until('first');
  const second = candidates.start('second', database.url);
  relay.cut();
  await candidates.until('second');
  expect(candidates.faults.length).toBeGreaterThan(0);
  relay.restore();
  await second.stop();
  await candidates.until('first');
});

test('a term that throws is told of and begun again', async () => {
  const candidates = new Candidates();
  let failures = 0;
  candidates.start('first', database.url, async () => {
    if (failures++ < 2) throw new Error('no luck');
  });
  await vi.waitUntil(() => failures > 3, { timeout: 20_000 });
  expect(candidates.terms).toEqual(['first', 'first', 'first']);
  expect(candidates.faults.map(String)).toEqual(['Error: no luck', 'Error: no luck']);
});

test('a database that is away neither ends it nor holds up its stop', async () => {
  const candidates = new Candidates();
  const { relay, url } = await relayed();
  relay.freeze();
  const first = candidates.start('first', url);
  await vi.waitUntil(() => candidates.faults.length > 0, { timeout: 20_000 });
  const began = performance.now();
  await first.stop();
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(candidates.terms).toEqual([]);
});

test('the server ends a leader that says nothing, and notices a host that is gone, within two minutes', async () => {
  const candidates = new Candidates();
  const settings: unknown[] = [];
  candidates.start('first', database.url, async (session) => {
    settings.push(
      ...(await session.rows(
        `SELECT current_setting('idle_session_timeout') AS idle, current_setting('tcp_keepalives_idle') AS probed_after`,
      )),
    );
  });
  await vi.waitUntil(() => settings.length > 0, { timeout: 20_000 });
  expect(settings[0]).toEqual({ idle: '90s', probed_after: '5' });
});

test('one that is stopped before it ever looked has one term all the same, and does what is done at its end', async () => {
  const candidates = new Candidates();
  await candidates.start('first', database.url).stop();
  expect(candidates.terms).toEqual(['first']);
});

test('of two that lead different things both do', async () => {
  const candidates = new Candidates();
  candidates.start('first', database.url);
  candidates.start('second', database.url, undefined, lockNamed('test', 'more'));
  await vi.waitFor(() => expect([...candidates.leading].toSorted()).toEqual(['first', 'second']), 20_000);
});
