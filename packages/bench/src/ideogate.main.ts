import { createSecretKey } from 'node:crypto';
import { DEFAULT_VERIFIER } from '@ideogate/access-token';
import { openCheckpointKeys, signCheckpoints } from '@ideogate/audit/checkpoints';
import { requireSettings } from '@ideogate/config';
import { assembleGateway, listen, readGatewayConfig } from '@ideogate/gateway';
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
const promptKey = createSecretKey(Buffer.from('fake-prompt-secret'));
const lines: string[] = [];
const parts = new AsyncDisposableStack();
const checkpoints = signCheckpoints({
  appendUrl,
  readUrl,
  environment: 'staging',
  keys: openCheckpointKeys(checkpointKey, 'ideogate/bench'),
  destinations: [],
  now: nowMicros,
});
parts.defer(() => checkpoints.stop());
const { gateway } = await assembleGateway(
  config,
  {
    release: parsed.release,
    record: { appendUrl, readUrl, instance: 'bench', version: '0' },
    verifier: {
      ...DEFAULT_VERIFIER,
      issuers: [{ issuer: ISSUER, algorithms: ['ES256'], keys: { file: keySet } }],
    },
    // Lines are made, as in life, and thrown away: the bench's own output is not what is measured.
    log: {
      info: (fields) => void (lines[0] = JSON.stringify(fields)),
      error: (fields) => console.error(fields),
    },
    nowMicros,
    open: async () => ({
      keys: createKeyRing({
        environment: 'staging',
        both: 'fake-bench-key-0123456789',
        fingerprintSecret: 'fake',
      }),
      promptKey: () => promptKey,
    }),
  },
  parts,
);
parts.defer(() => gateway.close());
tellReady(await listen(gateway, { host: '127.0.0.1', port: Number(port) }));
tellUsage(() => parts.disposeAsync());
