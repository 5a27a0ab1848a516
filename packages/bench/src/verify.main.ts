import { fork } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogins, migrate, topUpPartitions } from '@ideogate/audit';
import { openCheckpointKeys, signCheckpoints } from '@ideogate/audit/checkpoints';
import { verifyRecord } from '@ideogate/audit/verify';
import { openAuditWriter } from '@ideogate/audit/append';
import { type DecisionEvent, type OutcomeEvent, parseCallId } from '@ideogate/contract';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { runFlags } from '@ideogate/testkit/run-flags';

// How fast the record is verified, and in how much memory: `node packages/bench/src/verify.main.ts`. The record is
// written by the record's own writers and signed as it grows. Ten million events take 20 GB of disk, given back.
const { flags, whole } = runFlags({
  events: { type: 'string', default: '10000000' },
  writers: { type: 'string', default: '20' },
  // Given to the process that verifies.
  url: { type: 'string' },
  key: { type: 'string' },
});
const events = whole('events', 1);
const writers = whole('writers', 1);
const now = () => BigInt(Date.now()) * 1_000n;
const BATCH = 2_000;
/** As in the script `ideogate` of package.json: what is read once and let go needs no more room than this, in MB. */
const COMMANDS_RUN_WITH = '--max-semi-space-size=8';

const CALLER = {
  environment: 'staging',
  issuer: 'https://issuer.example',
  subject: 'service-reports',
  clientId: 'service-reports',
  actor: null,
  operation: 'v3.generate',
  problem: null,
  reason: null,
} as const;

if (flags.url !== undefined && flags.key !== undefined) await verify(flags.url, flags.key);
else await measure();

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-verify-'));
  // mkdtemp makes it 0700, and as root the server runs under another account.
  chmodSync(folder, 0o755);
  const postgres = await startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
  try {
    const ownerUrl = postgres.superuserUrl('postgres');
    const key = join(folder, 'checkpoint-key');
    const readUrl = await fill(ownerUrl, key);
    // A process of its own, so that its memory is that of the verification alone.
    const child = fork(import.meta.filename, ['--url', readUrl, '--key', key], {
      stdio: 'inherit',
      execArgv: [COMMANDS_RUN_WITH],
    });
    process.exitCode = await new Promise<number>((resolve) =>
      child.once('exit', (code) => resolve(code ?? 1)),
    );
  } finally {
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns the read login's URL */
async function fill(ownerUrl: string, key: string): Promise<string> {
  await migrate(ownerUrl);
  await topUpPartitions(ownerUrl, now());
  const login = (use: string) => ({ user: `postgres_${use}`, password: randomBytes(12).toString('hex') });
  const [append, read] = [login('append'), login('read')];
  await createLogins(ownerUrl, { database: 'postgres', append, read });
  const [appendUrl, readUrl] = [urlOf(ownerUrl, append), urlOf(ownerUrl, read)];
  const keys = openCheckpointKeys(key, 'ideogate.bench/staging');
  const signing = signCheckpoints({
    appendUrl,
    readUrl,
    environment: 'staging',
    keys,
    destinations: [],
    now,
  });
  const each = events / writers;
  const opening = { environment: 'staging', instance: 'bench', release: null, version: '0' } as const;
  for (let writer = 1; writer <= writers; writer++) {
    const record = openAuditWriter({ appendUrl, readUrl, opening, now, commitTimeoutMs: 60_000 });
    for (let events = 0; events < each; events += 2 * BATCH) {
      const decided = Array.from({ length: BATCH }, () => decision());
      await Promise.all(decided.map((event) => record.decide(event)));
      for (const event of decided) record.outcome(outcome(event));
    }
    await record.close(60_000);
    process.stdout.write(`${Math.round(writer * each).toLocaleString('en')} events\n`);
  }
  await signing.stop();
  return readUrl;
}

async function verify(readUrl: string, key: string): Promise<void> {
  const began = performance.now();
  const report = await verifyRecord({
    keys: openCheckpointKeys(key).publicKeys(),
    source: { kind: 'database', readUrl, archives: [] },
    kept: [],
    gapAfterMs: 900_000,
    now,
  });
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage();
  const cpu = (user + system) / 1e6;
  const { events, checkpoints, faults } = report;
  const rate = (time: number) => Math.round(events / time).toLocaleString('en');
  process.stdout.write(
    `${events.toLocaleString('en')} events, ${checkpoints} checkpoints, ${faults.length} faults: ${seconds.toFixed(1)} s, ` +
      `${rate(seconds)} events/s; ${cpu.toFixed(1)} s of CPU, ${rate(cpu)} events a second of it; ` +
      `${Math.round(process.resourceUsage().maxRSS / 1024)} MB at most\n`,
  );
  process.exitCode = report.ok ? 0 : 1;
}

function urlOf(ownerUrl: string, { user, password }: { user: string; password: string }): string {
  const url = new URL(ownerUrl);
  url.username = user;
  url.password = password;
  return url.href;
}

function decision(): DecisionEvent {
  const callId = parseCallId(randomUUID().replace(/^(.{14})4/, '$17'));
  if (callId === undefined) throw new Error('not a call id');
  return {
    ...CALLER,
    kind: 'decision',
    callId,
    atMicros: now(),
    tokenId: randomUUID(),
    result: 'allowed',
    status: null,
    address: '10.0.0.1',
    proxy: null,
    method: 'POST',
    resource: '/v1/ideogram-v3/generate',
    scopeNeeded: 'write:generate',
    scopeHeld: 'read:models write:generate',
    level: 'limited',
    rule: 'policies/callers.yaml:12 write:limited',
    release: `sha256:${'0'.repeat(64)}`,
    keyId: 'key_0123456789abcdef',
    traceId: '0af7651916cd43dd8448eb211c80319c',
  };
}

function outcome({ callId, tokenId }: DecisionEvent): OutcomeEvent {
  return {
    ...CALLER,
    kind: 'outcome',
    callId,
    tokenId,
    atMicros: now(),
    result: 'completed',
    status: 200,
    upstreamStatus: 200,
    bytesSent: 120,
    bytesReceived: 4_096,
    firstByteMs: 12,
    durationMs: 40,
    images: 1,
    costUsdMicros: 60_000,
    safe: true,
    made: ['generation:0123456789abcdef'],
    promptDigest: '0'.repeat(64),
    promptLength: 40,
    promptSealed: null,
  };
}
