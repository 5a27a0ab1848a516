import { createSecretKey } from 'node:crypto';
import { createTokenVerifier, DEFAULT_VERIFIER } from '@ideogate/access-token';
import { openCheckpointKeys, signCheckpoints } from '@ideogate/audit/checkpoints';
import { openAuditWriter } from '@ideogate/audit/append';
import { requireSettings } from '@ideogate/config';
import { createGateway, listen, readGatewayConfig } from '@ideogate/gateway';
import { OPERATIONS } from '@ideogate/ideogram';
import { formatFault, parsePolicy } from '@ideogate/policy';
import { createKeyRing } from '@ideogate/upstream-keys';
import { AUDIENCE, ISSUER, POLICY } from './scene.ts';
import { tellReady, tellUsage } from './usage.ts';

/** Ideogate complete: token, policy, bounds, decision and outcome durable in a real Postgres, checkpoints signed. */
const [upstream = '', appendUrl = '', readUrl = '', keySet = '', checkpointKey = '', port = '0'] =
  process.argv.slice(2);
const parsed = parsePolicy([{ name: 'bench.yaml', text: POLICY }], OPERATIONS);
if (!parsed.ok) throw new Error(parsed.faults.map(formatFault).join('\n'));
const nowMicros = () => BigInt(Date.now()) * 1000n;
const config = readGatewayConfig(
  {
    environment: 'staging',
    identifier: AUDIENCE,
    issuers: [ISSUER],
    host: '127.0.0.1',
    port: Number(port),
    upstream,
  },
  requireSettings({ IDEOGATE_RATE_PER_ADDRESS: '100000000', IDEOGATE_RATE_PER_SUBJECT: '100000000' }),
);
let observe: (rows: number, milliseconds: number) => void = () => undefined;
const record = openAuditWriter({
  appendUrl,
  readUrl,
  opening: { environment: 'staging', instance: 'bench', release: parsed.release.id, version: '0' },
  now: nowMicros,
  observe: { batch: (rows, milliseconds) => observe(rows, milliseconds) },
});
const verifier = createTokenVerifier(
  {
    ...DEFAULT_VERIFIER,
    issuers: [{ issuer: ISSUER, algorithms: ['ES256'], keys: { file: keySet } }],
    audience: AUDIENCE,
  },
  { now: Date.now },
);
await verifier.warm();
const promptKey = createSecretKey(Buffer.from('fake-prompt-secret'));
const lines: string[] = [];
const app = await createGateway(config, {
  release: parsed.release,
  verifier,
  record,
  keys: createKeyRing({
    environment: 'staging',
    both: 'fake-bench-key-0123456789',
    fingerprintSecret: 'fake',
  }),
  // Lines are made, as in life, and thrown away: the bench's own output is not what is measured.
  log: {
    info: (fields) => void (lines[0] = JSON.stringify(fields)),
    error: (fields) => console.error(fields),
  },
  promptKey: () => promptKey,
  nowMicros,
});
const checkpoints = signCheckpoints({
  appendUrl,
  readUrl,
  environment: 'staging',
  keys: openCheckpointKeys(checkpointKey, 'ideogate/bench'),
  destinations: [],
  now: nowMicros,
});
observe = (rows, milliseconds) => app.ideogateMetrics.batch(rows, milliseconds);
tellReady(await listen(app, { host: '127.0.0.1', port: Number(port) }));
tellUsage(async () => {
  await app.close();
  await checkpoints.stop();
  await record.flush(5000);
  await record.close(1000);
});
