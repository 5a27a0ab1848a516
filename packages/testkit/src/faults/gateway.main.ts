import { createSecretKey } from 'node:crypto';
import { DEFAULT_VERIFIER } from '@ideogate/access-token';
import { requireSettings } from '@ideogate/config';
import { assembleGateway, readGatewayConfig } from '@ideogate/gateway';
import { OPERATIONS } from '@ideogate/ideogram';
import { formatFault, parsePolicy } from '@ideogate/policy';
import { createKeyRing } from '@ideogate/upstream-keys';
import { FAKE_KEYS, TEST_POLICY } from '../test-policy.ts';
import type { FromGateway, GatewayBirth, ToGateway } from './gateway-process.ts';

/*
 * The data plane of the product as a process of its own, so that it can be killed. Its clock is set from outside;
 * tokens are judged by the true time, so that a jump of the clock is the record's to bear.
 */
const birth = JSON.parse(process.argv[2] ?? '{}') as GatewayBirth; // as: gateway-process.ts wrote it
const parsed = parsePolicy([{ name: 'policy.yaml', text: TEST_POLICY }], OPERATIONS);
if (!parsed.ok) throw new Error(parsed.faults.map(formatFault).join('\n'));
const { release } = parsed;
let clockOffsetMs = birth.clockOffsetMs;
const nowMicros = () => BigInt(Date.now() + clockOffsetMs) * 1000n;
const config = readGatewayConfig(
  {
    environment: 'staging',
    identifier: birth.identifier,
    issuers: [birth.issuer],
    host: '127.0.0.1',
    port: birth.port,
    upstream: birth.upstream,
  },
  requireSettings(birth.settings),
);
const promptKey = createSecretKey(Buffer.from('fake-prompt-secret'));
const parts = new AsyncDisposableStack();
const { gateway, record } = await assembleGateway(
  config,
  {
    release,
    record: {
      appendUrl: birth.appendUrl,
      readUrl: birth.readUrl,
      instance: `faults ${process.pid}`,
      version: '0',
      flushMs: 10_000,
    },
    verifier: {
      ...DEFAULT_VERIFIER,
      issuers: [{ issuer: birth.issuer, algorithms: ['ES256'], keys: { file: birth.keySetFile } }],
    },
    log: { info: () => undefined, error: (fields, message) => console.error(message, fields) },
    nowMicros,
    open: async () => ({
      keys: createKeyRing({
        environment: 'staging',
        ...FAKE_KEYS,
        fingerprintSecret: 'fake-fingerprint-secret',
      }),
      promptKey: () => promptKey,
    }),
  },
  parts,
);
parts.defer(() => gateway.close());

const tell = (message: FromGateway) =>
  new Promise<void>((resolve) => {
    process.send?.(message, () => resolve());
  });

process.on('message', (message) => {
  const asked = message as ToGateway; // as: gateway-process.ts is the only one who sends
  if ('clockOffsetMs' in asked) clockOffsetMs = asked.clockOffsetMs;
  void tell({ state: { waiting: record.waiting() } });
});
// Its parent is gone: nobody asks any more.
process.on('disconnect', () => process.exit(1));
process.once('SIGTERM', () => void parts.disposeAsync().then(() => process.exit(0)));
await gateway.listen({ host: '127.0.0.1', port: birth.port });
await tell({ writer: record.writer });
