/**
 * Who may import what: rules of dependency-cruiser, made of the tables below. `pnpm check:arrows` holds the tree to
 * them and shows that each catches what breaks it; `depcruise --config arrows.config.ts -T dot apps packages` draws it.
 * An unused dependency in a package.json is knip's to find, a read of the environment and a computed import oxlint's.
 */

/** What each folder may import of ours, and why. `packages` stands for every package that is shipped. */
export const ARROWS: Readonly<Record<string, { readonly to: readonly string[]; readonly why: string }>> = {
  'apps/cli': {
    to: ['packages', 'apps/standalone'],
    why: '`start` runs the product in its own process, which keeps signals and exit codes as they are, and doctor reads the settings as it does',
  },
  'apps/standalone': {
    to: ['packages', 'apps/gateway', 'apps/issuer', 'apps/worker'],
    why: "it composes the other apps' entries with the embedded database and the emulator, for one machine",
  },
  'apps/worker': { to: ['packages'], why: 'apps are made of packages, and run alone in a container' },
  'apps/gateway': { to: ['packages'], why: 'apps are made of packages, and run alone in a container' },
  'apps/issuer': { to: ['packages'], why: 'apps are made of packages, and run alone in a container' },
  'packages/config': {
    to: ['packages/contract'],
    why: 'environments and the bounds of JSON are such words; what else a setting says is parsed by whoever uses it',
  },
  'packages/contract': { to: [], why: 'the words on the wire stand on nothing' },
  'packages/data-dir': {
    to: ['packages/config', 'packages/contract'],
    why: 'where the folder is is a setting, and each environment has a part of it',
  },
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
    to: ['packages/config', 'packages/contract', 'packages/postgres'],
    why: 'kills are followed in a database, and kept in a file that is read as settings name files; what fails is told by its code',
  },
  'packages/upstream-keys': {
    to: ['packages/config', 'packages/contract', 'packages/data-dir', 'packages/postgres'],
    why: 'settings name files of keys; which key belongs to which environment is kept in the data folder, and sealed keys are followed in a database',
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
    to: ['packages/contract', 'packages/postgres', 'packages/webhook'],
    why: 'webhooks are kept in a database, and of all gateways the leader delivers; what goes out is signed, and what fails is told by its code',
  },
  'packages/local-postgres': { to: [], why: 'it runs a database and knows nothing of what is kept in it' },
  'packages/bench': {
    to: ['packages', 'packages/testkit', 'apps/gateway'],
    why: 'it measures the gateway, on made-up records too, and is never shipped',
  },
  'packages/testkit': {
    to: ['packages', 'apps/gateway', 'apps/issuer'],
    why: 'it is never shipped',
  },
};

/**
 * Inside an app, from the top down: a file imports what stands in its own line or in one below it. A folder ends with a
 * slash.
 */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  'apps/gateway': [
    'index.ts',
    'main.ts',
    'startup/',
    'gateway.ts',
    'routes/',
    'request-path.ts',
    'steps/',
    'upstream/',
    'finish/',
    'edge/',
    'context.ts',
    'metrics.ts',
    'admission/',
    'config.ts',
    'webhook-endpoints.ts',
    'page-origins.ts',
    'trusted-proxies.ts',
    'call.ts',
    'refusal.ts',
    'ip-address.ts',
  ],
};

/** Libraries that only their owners import, so that what they can do is done in one place. */
const OWNERS: readonly {
  /** A pattern of the library's name. */
  readonly library: string;
  readonly owners: readonly string[];
  readonly why: string;
}[] = [
  {
    library: 'jose',
    owners: ['packages/access-token', 'apps/issuer'],
    why: 'tokens are verified in access-token alone; the issuer makes the keys that oidc-provider signs with',
  },
  {
    library: 'age-encryption',
    owners: ['packages/upstream-keys'],
    why: 'keys are sealed and opened in one place',
  },
  {
    library: '(pg|pg-[a-z-]+|postgres)',
    owners: ['packages/postgres'],
    why: 'a connection has all its bounds, and an end, in one place',
  },
  {
    library: 'drizzle-orm',
    owners: ['packages/audit'],
    why: 'the columns of the record are declared once, and its calls are listed by what callers ask for',
  },
];

/** A folder has one entry, its src/index.ts; these are the others, and why. */
const SECOND_ENTRIES: Readonly<Record<string, string>> = {
  'apps/gateway/src/startup/index.ts':
    'who runs a gateway of parts of its own should not load what opens them',
  'packages/audit/src/append/index.ts':
    'who writes into the record has no need of what reads, verifies and archives it',
  'packages/audit/src/archive/index.ts':
    'months leave the database by a command or a job, and nothing that serves calls archives',
  'packages/audit/src/export/index.ts':
    'who sends the record elsewhere has no need of what else is done with it',
  'packages/audit/src/query/index.ts':
    'who asks about calls has no need of what writes, verifies or archives them',
  'packages/audit/src/checkpoints/index.ts':
    'who signs or watches checkpoints has no need of what else is done with the record',
  'packages/audit/src/verify/index.ts':
    'an auditor verifies without writing, and nothing that serves calls verifies',
  'packages/ideogram/src/emulator/index.ts': 'who wants the catalogue should not load a server',
  'packages/kill-switch/src/control.ts':
    'an order to stop calls goes out before a client of databases is loaded',
  'packages/upstream-keys/src/key-id.ts':
    'an order to stop calls goes out before a client of databases is loaded',
  'packages/testkit/src/clients/calls.ts': 'who replays a client should not load the gateway on real parts',
  'packages/testkit/src/fuzz/run.ts': 'who wants the gateway on real parts should not load generators',
  'packages/testkit/src/large-history/index.ts':
    'who measures on a long history should not load a test runner',
  'packages/testkit/src/large-record/index.ts':
    'who measures on a large record should not load a test runner',
  'packages/testkit/src/sample-operations.ts':
    'tests of what is pure should not load the gateway on real parts',
  'packages/testkit/src/run-flags.ts': 'who measures should not load a test runner',
};

/** Equipment of tests and measurements reaches for everything; nothing that is shipped reaches for it. */
const UNSHIPPED = ['packages/testkit', 'packages/bench'];

const SHIPPED_PACKAGES = `packages/(?!(${UNSHIPPED.map((path) => path.slice('packages/'.length)).join('|')})/)`;

const error = 'error' as const;

const arrowRules = Object.entries(ARROWS).map(([folder, { to, why }]) => ({
  name: `arrow of ${folder}`,
  comment: why,
  severity: error,
  from: { path: `^${folder}/` },
  to: {
    path: '^(apps|packages)/',
    pathNot: [folder, ...to].map((path) => (path === 'packages' ? `^${SHIPPED_PACKAGES}` : `^${path}/`)),
  },
}));

const floorRules = Object.entries(FLOORS).flatMap(([folder, floors]) => {
  const paths = floors.map((floor) => `^${folder}/src/${floor}${floor.endsWith('/') ? '' : '$'}`);
  const why = 'a file imports what stands on its own floor or below';
  return [
    // why not the first: nothing stands above it, and no path at all would be every path
    ...paths.slice(1).map((path, at) => ({
      name: `above ${folder}/src/${floors[at + 1] ?? ''}`,
      comment: why,
      severity: error,
      from: { path },
      to: { path: paths.slice(0, at + 1) },
    })),
    {
      name: `a file of ${folder} stands on no floor`,
      comment: why,
      severity: error,
      from: { path: `^${folder}/src/`, pathNot: paths },
      to: {},
    },
  ];
});

const ownerRules = OWNERS.map(({ library, owners, why }) => ({
  name: `owner of ${library}`,
  comment: why,
  severity: error,
  from: { path: '^(apps|packages)/', pathNot: [...owners, ...UNSHIPPED].map((path) => `^${path}/`) },
  to: { path: `(^|/)node_modules/(@types/)?${library}/` },
}));

const otherRules = [
  {
    name: 'no arrow of the folder',
    comment: 'each folder has a line in the table',
    severity: error,
    from: { path: '^(apps|packages)/', pathNot: Object.keys(ARROWS).map((path) => `^${path}/`) },
    to: {},
  },
  {
    name: 'app in the command',
    comment: 'the command takes an app in at one place',
    severity: error,
    from: { path: '^apps/cli/', pathNot: '^apps/cli/src/standalone[.]ts$' },
    to: { path: '^apps/', pathNot: '^apps/cli/' },
  },
  {
    name: 'circle',
    comment: 'files that import one another in a circle can only be read all at once',
    severity: error,
    from: {},
    to: { circular: true },
  },
  {
    name: 'behind the entry',
    comment: 'what a folder gives to others stands in its entries',
    severity: error,
    from: { path: '^((apps|packages)/[^/]+)/' },
    to: {
      path: '^(apps|packages)/',
      pathNot: ['^$1/', '^(apps|packages)/[^/]+/src/index[.]ts$', ...Object.keys(SECOND_ENTRIES)],
    },
  },
  {
    name: 'path out of the folder',
    comment: 'another folder is imported by its name, so that package.json says so',
    severity: error,
    from: { path: '^((apps|packages)/[^/]+)/' },
    to: { pathNot: '^$1/', dependencyTypes: ['local' as const] },
  },
  {
    name: 'path out of src',
    comment: 'package.json is the one file beside src that a source has a use for',
    severity: error,
    from: { path: '^((apps|packages)/[^/]+)/src/' },
    to: { path: '^$1/', pathNot: '^$1/(src/|package[.]json$)' },
  },
  {
    name: 'nothing of that name',
    comment: 'an import that leads nowhere, or to what its package does not give out',
    severity: error,
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'not among the dependencies',
    comment: 'what is shipped brings all that it imports',
    severity: error,
    from: { path: '^(apps|packages)/', pathNot: UNSHIPPED.map((path) => `^${path}/`) },
    to: { dependencyTypes: ['npm-dev' as const, 'npm-no-pkg' as const, 'npm-unknown' as const] },
  },
];

export default {
  forbidden: [...arrowRules, ...floorRules, ...ownerRules, ...otherRules],
  options: {
    parser: 'tsc' as const,
    // Types count as well: who imports a type must know its folder.
    tsPreCompilationDeps: true,
    exclude: '^(apps|packages)/[^/]+/(node_modules|test)/',
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['types', 'import', 'node', 'default'],
    },
    skipAnalysisNotInRules: true,
  },
};
