import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_VERIFIER, type VerifierConfig } from '@ideogate/access-token';
import { createLogins, migrate, openReadPool, topUpPartitions } from '@ideogate/audit';
import { type Call, listCalls } from '@ideogate/audit/query';
import { requireSettings } from '@ideogate/config';
import type { EnvironmentName } from '@ideogate/contract';
import { assembleGateway, type GatewayDeps, readGatewayConfig, serveOperations } from '@ideogate/gateway';
import { openWebhooks } from '@ideogate/gateway/startup';
import { OPERATIONS } from '@ideogate/ideogram';
import { createEmulator, type ReceivedRequest } from '@ideogate/ideogram/emulator';
import { createIssuer, type Issuer, loadOrCreateClients, loadOrCreateIssuerKeys } from '@ideogate/issuer';
import {
  expandPattern,
  formatFault,
  grantedScopes,
  grantOf,
  parsePolicy,
  type Release,
} from '@ideogate/policy';
import { createKeyRing } from '@ideogate/upstream-keys';
import type { WebhookSecret } from '@ideogate/webhook';
import type { Subscriber } from '@ideogate/webhook-inbox';
import { freePort } from './free-port.ts';
import { requireLoopback } from './loopback.ts';
import { createDatabase } from './postgres.ts';
import { type Relay, startRelay } from './relay.ts';
import { FAKE_KEYS, TEST_POLICY } from './test-policy.ts';

const PROMPT_KEY = createSecretKey(Buffer.from('fake-prompt-secret'));

export interface TestGatewayOptions {
  /** Default: staging. */
  readonly environment?: EnvironmentName;
  /** Policy file; default: `TEST_POLICY`. */
  readonly policy?: string;
  /** Variables of the settings table, e.g. `IDEOGATE_MAX_BODY_BYTES`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Origin of another upstream than an emulator of its own; must be loopback. */
  readonly upstream?: string;
  readonly verifier?: Partial<Omit<VerifierConfig, 'maxTokenLength'>>;
  readonly keys?: { readonly read: string; readonly write: string };
  /** Orders that stop calls; default: none. */
  readonly kills?: NonNullable<GatewayDeps['kills']>;
  /** Superuser URL of the Postgres to make a database in; default: the run's. */
  readonly postgresUrl?: string;
  /** Where webhooks come in; default: nowhere. */
  readonly webhooks?: readonly TestWebhookEndpoint[];
  /** Takes the log lines; by default they are kept in `log`. */
  readonly onLogLine?: (line: string) => void;
}

interface TestWebhookEndpoint {
  readonly name: string;
  /** None: an endpoint for what Ideogram signs. */
  readonly shared?: {
    readonly scheme: 'hmac-sha256' | 'standard';
    readonly secrets: readonly WebhookSecret[];
  };
  readonly subscriber: Subscriber;
}

/** The product's data plane on real parts: Postgres behind a relay, issuer, emulator, gateway on a socket. */
export interface TestGateway {
  readonly url: string;
  readonly issuerUrl: string;
  /** The operations port. */
  readonly operationsUrl: string;
  /** The upstream's origin: the emulator, unless another was given. */
  readonly upstream: string;
  readonly port: number;
  readonly clients: ReadonlyMap<string, string>;
  /** Between gateway and Postgres, to cut and freeze. */
  readonly relay: Relay;
  /** Every log line so far. */
  readonly log: readonly string[];
  readonly databaseUrl: string;
  readonly release: Release;
  readonly metrics: () => Promise<string>;
  /** A token for a client of the policy. */
  token(client: string, scope?: string): Promise<string>;
  /** The calls on record, oldest first. */
  calls(): Promise<readonly Call[]>;
  /** Waits until the call is on record and its outcome too, if one is due. */
  call(response: Response | string): Promise<Call>;
  /** Waits until so many calls are on record, all of them ended. */
  ended(count: number): Promise<readonly Call[]>;
  /** What the emulator received. */
  received(): Promise<readonly Received[]>;
  /** Sets a fault of the emulator for all calls that follow. */
  fault(fault: object): Promise<void>;
  /** Stops the gateway as a stop of the product would: drains, then writes what is left. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export type Received = ReceivedRequest;

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { environment = 'staging', policy = TEST_POLICY, settings = {}, keys = FAKE_KEYS } = options;
  const parsed = parsePolicy([{ name: 'policy.yaml', text: policy }], OPERATIONS);
  if (!parsed.ok) throw new Error(parsed.faults.map(formatFault).join('\n'));
  const { release } = parsed;
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-gateway-'));

  const database = await createDatabase(options.postgresUrl);
  await migrate(database.url);
  await topUpPartitions(database.url, BigInt(Date.now()) * 1000n);
  const append = { user: `${database.name}_append`, password: randomBytes(12).toString('hex') };
  const read = { user: `${database.name}_read`, password: randomBytes(12).toString('hex') };
  const webhook = {
    group: 'ideogate_webhook' as const,
    user: `${database.name}_webhook`,
    password: randomBytes(12).toString('hex'),
  };
  await createLogins(database.url, { database: database.name, append, read, others: [webhook] });
  const direct = new URL(database.url);
  const relay = await startRelay({ host: direct.hostname, port: Number(direct.port) });

  const emulator =
    options.upstream === undefined
      ? await createEmulator({ keys: { read: [keys.read], write: [keys.write] } })
      : null;
  const upstream = requireLoopback(options.upstream ?? emulator?.url ?? '').origin;

  const [port, issuerPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const issuerUrl = `http://127.0.0.1:${issuerPort}`;
  const clients = await loadOrCreateClients(
    join(folder, 'clients.json'),
    release.callers.map(({ subject }) => subject),
  );
  const issuer: Issuer = await createIssuer(
    {
      issuer: issuerUrl,
      host: '127.0.0.1',
      port: issuerPort,
      keys: await loadOrCreateIssuerKeys(join(folder, 'issuer-keys.json')),
      clients,
      audience: url,
      limits: { perClient: 1_000_000, perAddress: 1_000_000 },
    },
    {
      grantOf: (subject) => ({
        scopes: grantedScopes(release, environment, { issuer: issuerUrl, subject }),
        patterns: grantOf(release, environment, { issuer: issuerUrl, subject })?.patterns ?? [],
      }),
      expand: (pattern) => expandPattern(release, pattern),
      onError: () => undefined,
    },
  );
  await issuer.listen();

  const config = readGatewayConfig(
    { environment, identifier: url, issuers: [issuerUrl], host: '127.0.0.1', port, upstream },
    requireSettings({
      IDEOGATE_RATE_PER_ADDRESS: '1000000',
      IDEOGATE_RATE_PER_SUBJECT: '1000000',
      IDEOGATE_ANONYMOUS_ROW_BYTES_PER_HOUR: '100000000000',
      ...settings,
    }),
  );
  const nowMicros = () => BigInt(Date.now()) * 1000n;
  const log: string[] = [];
  const keep = options.onLogLine ?? ((line) => void log.push(line));
  const write = (fields: object, message: string) => keep(JSON.stringify({ ...fields, msg: message }));
  const parts = new AsyncDisposableStack();
  const { gateway: app } = await assembleGateway(
    config,
    {
      release,
      record: {
        appendUrl: through(relay, database.url, append),
        readUrl: through(relay, database.url, read),
        instance: 'test',
        version: '0',
      },
      verifier: {
        ...DEFAULT_VERIFIER,
        issuers: [{ issuer: issuerUrl, algorithms: ['ES256', 'EdDSA'], keys: { discovery: true } }],
        ...options.verifier,
      },
      log: { info: write, error: write },
      nowMicros,
      async open(_record, opened) {
        const url = through(relay, database.url, webhook);
        const webhooks = await openTestWebhooks(options.webhooks ?? [], url, upstream);
        if (webhooks !== null) opened.defer(() => webhooks.stop());
        return {
          keys: createKeyRing({ environment, ...keys, fingerprintSecret: 'fake-fingerprint-secret' }),
          promptKey: () => PROMPT_KEY,
          ...(options.kills === undefined ? {} : { kills: options.kills }),
          ...(webhooks === null ? {} : { webhooks: webhooks.door }),
        };
      },
    },
    parts,
  );
  parts.defer(() => app.close());
  const operationsPort = await freePort();
  const operations = await serveOperations(app.ideogateProbes, { host: '127.0.0.1', port: operationsPort });
  await app.listen({ host: '127.0.0.1', port });
  const pool = openReadPool(withLogin(database.url, read));

  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= parts.disposeAsync());
  const gateway: TestGateway = {
    url,
    issuerUrl,
    operationsUrl: `http://127.0.0.1:${operationsPort}`,
    upstream,
    port,
    clients: new Map(clients.map((client) => [client.client_id, client.client_secret])),
    relay,
    log,
    databaseUrl: database.url,
    release,
    metrics: () => app.ideogateMetrics.registry.metrics(),
    async token(client, scope) {
      const secret = clients.find((candidate) => candidate.client_id === client)?.client_secret ?? '';
      const response = await fetch(`${issuerUrl}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client}:${secret}`)}` },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          ...(scope === undefined ? {} : { scope }),
        }),
      });
      const answer = (await response.json()) as { access_token?: string; error_description?: string }; // as: RFC 6749 section 5
      if (answer.access_token === undefined) throw new Error(`no token: ${answer.error_description}`);
      return answer.access_token;
    },
    async calls() {
      return [...(await listCalls(pool, { limit: 10_000 }))].reverse();
    },
    call(response) {
      const id = typeof response === 'string' ? response : response.headers.get('ideogate-call-id');
      return waitUntil(
        async () => (await gateway.calls()).find((call) => call.callId === id && call.state !== 'open'),
        20_000,
      );
    },
    ended(count) {
      return waitUntil(async () => {
        const calls = await gateway.calls();
        return calls.length >= count && calls.every((call) => call.state !== 'open') ? calls : undefined;
      }, 15_000);
    },
    async received() {
      const response = await fetch(`${upstream}/-/received`);
      return (await response.json()) as Received[]; // as: the emulator's own list
    },
    async fault(fault) {
      await fetch(`${upstream}/-/faults`, { method: 'PUT', body: JSON.stringify(fault) });
    },
    stop,
    async close() {
      relay.restore();
      await stop();
      operations.close();
      operations.closeAllConnections();
      await pool.end();
      await issuer.close();
      await emulator?.close();
      await relay.close();
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return gateway;
}

/** Endpoints as the product opens them; null where there are none. */
async function openTestWebhooks(list: readonly TestWebhookEndpoint[], url: string, upstream: string) {
  if (list.length === 0) return null;
  const configs = list.map(({ name, shared, subscriber }) => ({
    name,
    ...(shared === undefined
      ? { scheme: 'ideogram' as const, secrets: [], users: ['emulated-user'] }
      : { ...shared, users: [] }),
    attempts: 25,
    subscriber,
  }));
  return openWebhooks(configs, url, upstream, { info: () => undefined, error: () => undefined });
}

/** What `look` finds, as soon as it finds anything. */
async function waitUntil<T>(look: () => Promise<T | undefined>, timeoutMs: number): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > until) throw new Error(`what was awaited didn't come within ${timeoutMs} ms`);
    await delay(25);
  }
}

function withLogin(url: string, login: { user: string; password: string }): string {
  const own = new URL(url);
  own.username = login.user;
  own.password = login.password;
  return own.href;
}

function through(relay: Relay, url: string, login: { user: string; password: string }): string {
  const own = new URL(withLogin(url, login));
  own.host = `127.0.0.1:${relay.port}`;
  return own.href;
}
