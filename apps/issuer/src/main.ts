/**
 * The issuer as a process of its own: a flood of it costs whoever runs it nothing but a second core. It is told what to
 * do, and tells what it did, over Node's channel to its parent (`messages.ts`); its one argument, the folder of its
 * environment, is for those who look at the list of processes. It ends when it is told to, by SIGTERM, and when its parent
 * is gone, in whatever way.
 */
import { errorCode, isWildcard, faultOf, type ScopePattern } from '@ideogate/contract';
import { createIssuer, type Issuer, IssuerConfigError } from './issuer.ts';
import { loadOrCreateIssuerKeys } from './issuer-keys.ts';
import type { FromIssuer, IssuerSetUp, ToIssuer } from './messages.ts';
import { SecretFileError } from './secret-file.ts';

const INVALID_INPUT = 3;
const FAILED = 1;
const REPORT_EVERY_MS = 1000;
const SAID_WITHIN_MS = 500;

let issuer: Issuer | null = null;
let stopping = false;
let lastReport = '';

if (process.send === undefined) {
  process.stderr.write('The issuer is run by `ideogate start`, which tells it what to do.\n');
  process.exitCode = INVALID_INPUT;
} else {
  if (process.report) process.report.excludeEnv = true;
  process.on('message', (message) => void obey(message as ToIssuer)); // as: the parent runs the same sources
  process.on('disconnect', () => void stop());
  process.on('SIGTERM', () => void stop());
  // A terminal's Ctrl-C reaches all of its processes: the parent says when its turn has come.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  // Node would print the message, which may quote a secret. Nobody knows what state things are in: begin anew.
  process.on('uncaughtException', (error) => void giveUp(error));
  setInterval(() => void report(), REPORT_EVERY_MS).unref();
}

async function obey(message: ToIssuer): Promise<void> {
  switch (message.kind) {
    case 'set-up':
      return attempt(async () => {
        issuer = await issuerOf(message.setUp);
        await tell({ kind: 'set-up' });
      });
    case 'listen':
      return attempt(async () => {
        await issuer?.listen();
        await tell({ kind: 'listening' });
      });
    case 'stop':
      return stop();
  }
}

async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await tell({ kind: 'unusable', faults: faultsOf(error), code: errorCode(error, null) });
  }
}

async function issuerOf(setUp: IssuerSetUp): Promise<Issuer> {
  const { keysFile, grants, wildcards, ...config } = setUp;
  const granted = new Map(
    Object.entries(grants).map(([client, { scopes, patterns }]) => [
      client,
      { scopes: new Set(scopes), patterns },
    ]),
  );
  const none = { scopes: new Set<never>(), patterns: [] };
  return createIssuer(
    { ...config, keys: await loadOrCreateIssuerKeys(keysFile) },
    {
      grantOf: (client) => granted.get(client) ?? none,
      expand: (pattern: ScopePattern) => (isWildcard(pattern) ? (wildcards[pattern] ?? []) : [pattern]),
      onError: (error) => void tell({ kind: 'fault', error: faultOf(error) }),
      onAuthenticationFailure: (failure) => void tell({ kind: 'authentication-failed', failure }),
    },
  );
}

async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await issuer?.close();
  await report();
  if (process.connected) process.disconnect?.();
}

async function giveUp(error: Error): Promise<void> {
  setTimeout(() => process.exit(FAILED), SAID_WITHIN_MS);
  await tell({ kind: 'fault', error: faultOf(error) });
  process.exit(FAILED);
}

async function report(): Promise<void> {
  if (issuer === null) return;
  const counts = issuer.counts();
  const sums = issuer.takeFailureSums();
  const text = JSON.stringify(counts);
  if (text === lastReport && sums.length === 0) return;
  lastReport = text;
  await tell({ kind: 'report', counts, sums });
}

/** Resolves once it is said, or can't be any more. */
function tell(message: FromIssuer): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, {}, () => resolve());
    else resolve();
  });
}

function faultsOf(error: unknown): readonly string[] {
  if (error instanceof IssuerConfigError) return error.faults;
  return [error instanceof SecretFileError ? error.message : faultOf(error)];
}
