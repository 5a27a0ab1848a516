import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { describe, expect, test } from 'vitest';

/** What each folder may import of ours, and why. `packages` stands for every package that is shipped. */
const ARROWS: Readonly<Record<string, { readonly to: readonly string[]; readonly why: string }>> = {
  'apps/cli': {
    to: ['packages', 'apps/gateway', 'apps/issuer'],
    why: "`start` runs the whole product in one process, from the other apps' entries",
  },
  'apps/gateway': { to: ['packages'], why: 'apps are made of packages, and run alone in a container' },
  'apps/issuer': { to: ['packages'], why: 'apps are made of packages, and run alone in a container' },
  'packages/config': {
    to: ['packages/contract'],
    why: 'environments and the bounds of JSON are such words; what else a setting says is parsed by whoever uses it',
  },
  'packages/contract': { to: [], why: 'the words on the wire stand on nothing' },
  'packages/fair-share': { to: [], why: 'who gets the next part of what is bounded is arithmetic' },
  'packages/ideogram': { to: ['packages/contract'], why: 'the catalogue is written in those words' },
  'packages/policy': {
    to: ['packages/contract', 'packages/ideogram'],
    why: 'it decides about operations of the catalogue, and runs in a browser',
  },
  'packages/request-body': {
    to: ['packages/contract'],
    why: 'what an operation declares and bounds is said in those words',
  },
  'packages/access-token': { to: ['packages/contract'], why: 'refusals and scopes are words on the wire' },
  'packages/postgres': { to: [], why: 'it speaks to a database, and knows no table of ours' },
  'packages/audit': {
    to: ['packages/contract', 'packages/postgres'],
    why: 'the shape of a record is one of those words, and it is kept in a database',
  },
  'packages/kill-switch': {
    to: ['packages/postgres', 'packages/upstream-keys'],
    why: 'kills are followed in a database, and kept in a file that is read as those of keys are',
  },
  'packages/upstream-keys': {
    to: ['packages/contract', 'packages/postgres'],
    why: 'capabilities and environments are such words, and sealed keys are followed in a database',
  },
  'packages/secret-scan': {
    to: ['packages/upstream-keys'],
    why: 'a key is recognised by the fingerprint that is its id, which is made there',
  },
  'packages/webhook': {
    to: [],
    why: 'it signs and verifies bytes, for subscribers too, and knows nothing of ours',
  },
  'packages/webhook-inbox': {
    to: ['packages/postgres', 'packages/webhook'],
    why: 'webhooks are kept in a database, and of all gateways the leader delivers; what goes out is signed',
  },
  'packages/local-postgres': { to: [], why: 'it runs a database and knows nothing of what is kept in it' },
  'packages/bench': {
    to: ['packages', 'packages/testkit', 'apps/gateway'],
    why: 'it measures the gateway, on made-up records too, and is never shipped',
  },
  'packages/testkit': {
    to: ['packages', 'apps/cli', 'apps/gateway', 'apps/issuer'],
    why: 'it is never shipped',
  },
};

/** Libraries that only their owner imports, so that what they can do is done in one place. */
const OWNERS: readonly {
  readonly library: RegExp;
  readonly owners: readonly string[];
  readonly why: string;
}[] = [
  {
    library: /^jose(\/|$)/,
    owners: ['packages/access-token', 'apps/issuer'],
    why: 'tokens are verified in access-token alone; the issuer makes the keys that oidc-provider signs with',
  },
  {
    library: /^age-encryption(\/|$)/,
    owners: ['packages/upstream-keys'],
    why: 'keys are sealed and opened in one place',
  },
  {
    library: /^(pg|pg-[a-z-]+|postgres)(\/|$)/,
    owners: ['packages/postgres'],
    why: 'a connection has all its bounds, and an end, in one place',
  },
  {
    library: /^drizzle-orm(\/|$)/,
    owners: ['packages/audit'],
    why: 'the columns of the record are declared once, and its calls are listed by what callers ask for',
  },
];

/** Packages have one entry; these are the exceptions, and why. */
const SECOND_ENTRIES: ReadonlyMap<string, string> = new Map([
  [
    '@ideogate/audit/append',
    'who writes into the record has no need of what reads, verifies and archives it',
  ],
  [
    '@ideogate/audit/checkpoints',
    'who signs or watches checkpoints has no need of what else is done with the record',
  ],
  ['@ideogate/audit/verify', 'an auditor verifies without writing, and nothing that serves calls verifies'],
  ['@ideogate/ideogram/emulator', 'who wants the catalogue should not load a server'],
  ['@ideogate/kill-switch/control', 'an order to stop calls goes out before a client of databases is loaded'],
  ['@ideogate/testkit/fuzz', 'who wants the gateway on real parts should not load generators'],
  ['@ideogate/testkit/large-history', 'who measures on a long history should not load a test runner'],
  ['@ideogate/testkit/large-record', 'who measures on a large record should not load a test runner'],
  ['@ideogate/testkit/run-flags', 'who measures should not load a test runner'],
]);

/** Besides main.ts of an app, and why. */
const READ_THE_ENVIRONMENT: Readonly<Record<string, string>> = {
  'packages/ideogram/src/emulator/main.ts': 'the emulator is a process of its own',
  'packages/secret-scan/src/git.ts': 'git is started in it, with what keeps it from starting others',
};

/** Equipment of tests and measurements reaches for everything; nothing that is shipped reaches for it. */
const UNSHIPPED: readonly string[] = ['packages/testkit', 'packages/bench'];

interface Folder {
  /** `packages/audit` */
  readonly path: string;
  /** Parsed package.json. */
  readonly manifest: Manifest;
  /** Path from the folder (`src/chain.ts`) to text. */
  readonly sources: ReadonlyMap<string, string>;
}

interface Manifest {
  readonly name?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

test('every import goes the way the table says', () => {
  expect(violations(checkout())).toEqual([]);
});

test('the table has no folder that is gone, and a reason for each', () => {
  const there = checkout().map(({ path }) => path);
  expect(Object.keys(ARROWS).filter((path) => !there.includes(path))).toEqual([]);
  expect(Object.values(ARROWS).filter(({ why }) => why === '')).toEqual([]);
});

describe('a sample that breaks a rule is caught:', () => {
  const samples: readonly [what: string, path: string, file: string, text: string, caught: string][] = [
    [
      'a package imports an app',
      'packages/audit',
      'src/a.ts',
      "import { x } from '@ideogate/gateway';",
      'may not import apps/gateway',
    ],
    [
      'contract imports a package',
      'packages/contract',
      'src/a.ts',
      "import '@ideogate/policy';",
      'may not import packages/policy',
    ],
    [
      'policy imports the record',
      'packages/policy',
      'src/a.ts',
      "import '@ideogate/audit';",
      'may not import packages/audit',
    ],
    [
      'only a type goes against an arrow',
      'packages/ideogram',
      'src/a.ts',
      "import type { X } from '@ideogate/policy';",
      'may not import packages/policy',
    ],
    [
      'a type is imported in place',
      'packages/ideogram',
      'src/a.ts',
      "export type Y = import('@ideogate/policy').X;",
      'may not import packages/policy',
    ],
    [
      'it is exported on',
      'packages/ideogram',
      'src/a.ts',
      "export { x } from '@ideogate/policy';",
      'may not import packages/policy',
    ],
    [
      'all of it is exported on',
      'packages/ideogram',
      'src/a.ts',
      "export * from '@ideogate/policy';",
      'may not import packages/policy',
    ],
    [
      'it is imported late',
      'packages/ideogram',
      'src/a.ts',
      "const x = await import('@ideogate/policy');",
      'may not import packages/policy',
    ],
    [
      'it is required',
      'packages/ideogram',
      'src/a.ts',
      "const x = require('@ideogate/policy');",
      'may not import packages/policy',
    ],
    [
      'a name is computed',
      'packages/ideogram',
      'src/a.ts',
      'const x = await import(name);',
      'by a computed name',
    ],
    [
      'one app imports another',
      'apps/gateway',
      'src/a.ts',
      "import '@ideogate/issuer';",
      'may not import apps/issuer',
    ],
    [
      'something shipped imports the testkit',
      'apps/cli',
      'src/a.ts',
      "import '@ideogate/testkit';",
      'may not import packages/testkit',
    ],
    [
      'an import reaches behind an entry',
      'apps/gateway',
      'src/a.ts',
      "import '@ideogate/audit/src/chain.ts';",
      'behind the entry',
    ],
    [
      'a folder of ours is unknown',
      'packages/policy',
      'src/a.ts',
      "import '@ideogate/nowhere';",
      'nothing of that name',
    ],
    [
      'a relative path crosses a border',
      'packages/policy',
      'src/a.ts',
      "import '../../contract/src/index.ts';",
      'leaves packages/policy',
    ],
    [
      'a source imports a test',
      'packages/policy',
      'src/a.ts',
      "import '../test/samples.ts';",
      'leaves packages/policy/src',
    ],
    [
      'jose is used elsewhere',
      'apps/gateway',
      'src/a.ts',
      "import { decodeJwt } from 'jose';",
      'only packages/access-token, apps/issuer import jose',
    ],
    [
      'SQL is spoken elsewhere',
      'apps/gateway',
      'src/a.ts',
      "import pg from 'pg';",
      'only packages/postgres import pg',
    ],
    [
      'drizzle is used elsewhere',
      'apps/cli',
      'src/a.ts',
      "import { sql } from 'drizzle-orm/node-postgres';",
      'only packages/audit import drizzle-orm',
    ],
    [
      'a library is not in package.json',
      'packages/policy',
      'src/a.ts',
      "import 'left-pad';",
      'left-pad is not among the dependencies',
    ],
    [
      'a package reads the environment',
      'packages/policy',
      'src/main.ts',
      'export const x = process.env.X;',
      'reads the environment',
    ],
    [
      'an app reads it outside main.ts',
      'apps/gateway',
      'src/config.ts',
      "export const x = process['env'];",
      'reads the environment',
    ],
    [
      'it is taken apart',
      'apps/gateway',
      'src/config.ts',
      'const { env } = process;',
      'reads the environment',
    ],
    [
      'it is reached by globalThis',
      'apps/gateway',
      'src/config.ts',
      'globalThis.process.env',
      'reads the environment',
    ],
    [
      'it is imported',
      'apps/gateway',
      'src/config.ts',
      "import { env } from 'node:process';",
      'reads the environment',
    ],
    ['a file does not parse', 'apps/gateway', 'src/config.ts', 'import {', "doesn't parse"],
    ['a new folder is not in the table', 'packages/misc', 'src/index.ts', '', 'is not in the table'],
  ];

  test.each(samples)('%s', (_, path, file, text, caught) => {
    const folders = checkout().filter((folder) => folder.path !== path);
    const before = checkout().find((folder) => folder.path === path);
    const sources = new Map([[file, text]]);
    const found = violations([...folders, { path, manifest: before?.manifest ?? {}, sources }]);
    expect(found.filter((line) => line.startsWith(path) && line.includes(caught))).toHaveLength(1);
  });

  test('a dependency in package.json goes against an arrow', () => {
    const manifest = { name: '@ideogate/contract', dependencies: { '@ideogate/policy': 'workspace:*' } };
    const found = violations([
      ...checkout().filter(({ path }) => path !== 'packages/contract'),
      { path: 'packages/contract', manifest, sources: new Map() },
    ]);
    expect(found).toContainEqual(
      expect.stringContaining('packages/contract/package.json: may not import packages/policy'),
    );
  });

  test('and main.ts of an app may read the environment', () => {
    const sources = new Map([
      ['src/main.ts', 'process.env.X;'],
      ['src/emulator/main.ts', 'process.env.X;'],
    ]);
    expect(violations([{ path: 'apps/gateway', manifest: {}, sources }])).toEqual([]);
  });
});

// ── the rules ──

/** One line for each import, dependency or read of the environment that the tables don't allow. */
function violations(folders: readonly Folder[]): string[] {
  const byName = new Map(
    folders.map(({ path, manifest }) => [manifest.name ?? `@ideogate/${posix.basename(path)}`, path]),
  );
  return folders.flatMap((folder) => {
    if (ARROWS[folder.path] === undefined) return [`${folder.path}: is not in the table of arrows`];
    const fromSources = [...folder.sources].flatMap(([file, text]) =>
      sourceFaults(folder, file, text, byName).map((fault) => `${folder.path}/${file}: ${fault}`),
    );
    const fromManifest = Object.keys(folder.manifest.dependencies ?? {}).flatMap((name) =>
      nameFaults(folder, name, byName).map((fault) => `${folder.path}/package.json: ${fault}`),
    );
    return [...fromSources, ...fromManifest];
  });
}

function sourceFaults(
  folder: Folder,
  file: string,
  text: string,
  byName: ReadonlyMap<string, string>,
): string[] {
  const read = readSource(file, text);
  if (read === null) return ["doesn't parse"];
  const faults = read.imports.flatMap((name) => {
    if (name === null) return ['imports by a computed name'];
    if (name.startsWith('.')) return relativeFaults(folder, file, name);
    if (isBuiltin(name)) return [];
    const declared = {
      ...folder.manifest.dependencies,
      ...(UNSHIPPED.includes(folder.path) ? folder.manifest.devDependencies : {}),
    };
    const library = packageOf(name);
    const known = name.startsWith('@ideogate/') || library in declared;
    return [
      ...nameFaults(folder, name, byName),
      ...(known ? [] : [`${library} is not among the dependencies in package.json`]),
    ];
  });
  const mayRead =
    UNSHIPPED.includes(folder.path) ||
    (folder.path.startsWith('apps/') && posix.basename(file) === 'main.ts') ||
    `${folder.path}/${file}` in READ_THE_ENVIRONMENT;
  return read.environment && !mayRead
    ? [...faults, 'reads the environment; only main.ts of an app does']
    : faults;
}

function nameFaults(folder: Folder, name: string, byName: ReadonlyMap<string, string>): string[] {
  if (!name.startsWith('@ideogate/')) {
    return OWNERS.filter(
      ({ library, owners }) => library.test(name) && ![...owners, ...UNSHIPPED].includes(folder.path),
    ).map(({ owners, why }) => `only ${owners.join(', ')} import ${packageOf(name)}: ${why}`);
  }
  const target = byName.get(packageOf(name));
  if (target === undefined) return [`imports ${name}, and there is nothing of that name`];
  if (name !== packageOf(name) && !SECOND_ENTRIES.has(name))
    return [`imports ${name}, behind the entry of ${target}`];
  const allowed = ARROWS[folder.path]?.to ?? [];
  const byKind =
    target.startsWith('packages/') && !UNSHIPPED.includes(target) && allowed.includes('packages');
  return allowed.includes(target) || byKind ? [] : [`may not import ${target}`];
}

function relativeFaults(folder: Folder, file: string, name: string): string[] {
  const target = posix.normalize(posix.join(posix.dirname(file), name));
  if (target.startsWith('..')) return [`imports ${name}, which leaves ${folder.path}`];
  // package.json is the one file beside src that a source has a use for.
  return target.startsWith('src/') || target === 'package.json'
    ? []
    : [`imports ${name}, which leaves ${folder.path}/src`];
}

/** '@scope/name/deep/file.js' to '@scope/name'. */
function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

// ── reading the sources ──

interface Read {
  /** Names as written; null where one is computed. */
  readonly imports: readonly (string | null)[];
  readonly environment: boolean;
}

type Node = Readonly<Record<string, unknown>>;

/** Null: it doesn't parse. */
function readSource(file: string, text: string): Read | null {
  const before = alreadyRead.get(text);
  if (before !== undefined) return before;
  const now = readSourceAnew(file, text);
  alreadyRead.set(text, now);
  return now;
}

const alreadyRead = new Map<string, Read | null>();

function readSourceAnew(file: string, text: string): Read | null {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) return null;
  const imports: (string | null)[] = [];
  let environment = false;
  for (const node of nodesIn(program)) {
    const name = importedBy(node);
    if (name !== undefined) imports.push(name);
    if (readsEnvironment(node) || name === 'process' || name === 'node:process') environment = true;
  }
  return { imports, environment };
}

/** Undefined: the node imports nothing. */
function importedBy(node: Node): string | null | undefined {
  switch (node['type']) {
    case 'ImportDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
    case 'ExportAllDeclaration':
      return textOf(node['source']);
    case 'ExportNamedDeclaration':
      return node['source'] === null ? undefined : textOf(node['source']);
    case 'CallExpression': {
      const given = node['arguments'];
      return nameOf(node['callee']) === 'require' && Array.isArray(given) ? textOf(given[0]) : undefined;
    }
    default:
      return undefined;
  }
}

function readsEnvironment(node: Node): boolean {
  switch (node['type']) {
    case 'MemberExpression':
      return nameOf(node['property']) === 'env' && isProcess(node['object']);
    case 'VariableDeclarator': {
      const pattern = node['id'];
      if (!isNode(pattern) || !Array.isArray(pattern['properties']) || !isProcess(node['init'])) return false;
      return pattern['properties'].some(
        (property: unknown) => isNode(property) && nameOf(property['key']) === 'env',
      );
    }
    default:
      return false;
  }
}

function isProcess(value: unknown): boolean {
  return nameOf(value) === 'process' || (isNode(value) && nameOf(value['property']) === 'process');
}

/** Of an identifier, or of a text in its place (`process['env']`). */
function nameOf(value: unknown): string | null {
  if (!isNode(value)) return null;
  return typeof value['name'] === 'string' ? value['name'] : textOf(value);
}

function textOf(value: unknown): string | null {
  return isNode(value) && value['type'] === 'Literal' && typeof value['value'] === 'string'
    ? value['value']
    : null;
}

function* nodesIn(value: unknown): Generator<Node> {
  if (Array.isArray(value)) {
    for (const entry of value) yield* nodesIn(entry);
  } else if (isNode(value)) {
    yield value;
    for (const part of Object.values(value)) yield* nodesIn(part);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

function checkout(): readonly Folder[] {
  if (kept !== null) return kept;
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  kept = ['apps', 'packages'].flatMap((kind) =>
    readdirSync(join(root, kind), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => readFolder(root, `${kind}/${entry.name}`)),
  );
  return kept;
}

let kept: readonly Folder[] | null = null;

function readFolder(root: string, path: string): Folder {
  const manifestFile = join(root, path, 'package.json');
  const manifest: Manifest = existsSync(manifestFile) ? JSON.parse(readFileSync(manifestFile, 'utf8')) : {};
  const source = join(root, path, 'src');
  const files = existsSync(source) ? readdirSync(source, { recursive: true, encoding: 'utf8' }) : [];
  const sources = files
    .filter((file) => /\.[cm]?[jt]sx?$/.test(file))
    .map((file): [string, string] => [posix.join('src', file), readFileSync(join(source, file), 'utf8')]);
  return { path, manifest, sources: new Map(sources) };
}
