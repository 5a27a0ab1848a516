import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import config, { ARROWS } from '../../../arrows.config.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

test('every import goes the way arrows.config.ts says', async () => {
  expect(await violations(root)).toEqual([]);
});

test('the table has a line for each folder that is there, and no other', () => {
  expect(Object.keys(ARROWS).toSorted()).toEqual(folders().toSorted());
});

describe('a sample that breaks a rule is caught:', () => {
  /** Each in a file of its own, in a checkout that has the entries of every folder and nothing else. */
  const samples: readonly [what: string, folder: string, text: string, caughtBy: string][] = [
    [
      'a package imports an app',
      'packages/audit',
      "import { x } from '@ideogate/gateway';",
      'arrow of packages/audit',
    ],
    [
      'contract imports a package',
      'packages/contract',
      "import '@ideogate/policy';",
      'arrow of packages/contract',
    ],
    ['policy imports the record', 'packages/policy', "import '@ideogate/audit';", 'arrow of packages/policy'],
    ['one app imports another', 'apps/gateway', "import '@ideogate/issuer';", 'arrow of apps/gateway'],
    ['what is shipped imports the testkit', 'apps/cli', "import '@ideogate/testkit';", 'arrow of apps/cli'],
    [
      'only a type',
      'packages/ideogram',
      "import type { X } from '@ideogate/policy';",
      'arrow of packages/ideogram',
    ],
    [
      'a type in place',
      'packages/ideogram',
      "export type Y = import('@ideogate/policy').X;",
      'arrow of packages/ideogram',
    ],
    [
      'it is exported on',
      'packages/ideogram',
      "export { x } from '@ideogate/policy';",
      'arrow of packages/ideogram',
    ],
    [
      'all is exported on',
      'packages/ideogram',
      "export * from '@ideogate/policy';",
      'arrow of packages/ideogram',
    ],
    [
      'it is imported late',
      'packages/ideogram',
      "const x = await import('@ideogate/policy');",
      'arrow of packages/ideogram',
    ],
    [
      'it is required',
      'packages/ideogram',
      "const x = require('@ideogate/policy');",
      'arrow of packages/ideogram',
    ],
    ['a folder has no line', 'packages/misc', "import '@ideogate/contract';", 'no arrow of the folder'],
    [
      'a path goes behind an entry',
      'apps/gateway',
      "import '../../../packages/audit/src/chain.ts';",
      'behind the entry',
    ],
    [
      'a name goes behind an entry',
      'apps/gateway',
      "import '@ideogate/audit/src/chain.ts';",
      'nothing of that name',
    ],
    ['no folder has the name', 'packages/policy', "import '@ideogate/nowhere';", 'nothing of that name'],
    [
      'a path leaves the folder',
      'packages/policy',
      "import '../../contract/src/index.ts';",
      'path out of the folder',
    ],
    ['a source imports a test', 'packages/policy', "import '../fixtures/samples.ts';", 'path out of src'],
    ['jose is used elsewhere', 'apps/gateway', "import { decodeJwt } from 'jose';", 'owner of jose'],
    ['SQL is spoken elsewhere', 'apps/gateway', "import pg from 'pg';", 'owner of (pg|pg-[a-z-]+|postgres)'],
    [
      'drizzle is used elsewhere',
      'apps/cli',
      "import { sql } from 'drizzle-orm/node-postgres';",
      'owner of drizzle-orm',
    ],
    [
      'a library is not in package.json',
      'packages/policy',
      "import 'left-pad';",
      'not among the dependencies',
    ],
    ['a file has no floor', 'apps/gateway', "import 'jose';", 'a file of apps/gateway stands on no floor'],
    ['a file imports itself by another', 'packages/policy', "import './circle.ts';", 'circle'],
  ];
  let checkout: string;
  let found: string[];

  beforeAll(async () => {
    checkout = realpathSync(mkdtempSync(join(tmpdir(), 'arrows-')));
    for (const folder of folders()) {
      const manifest: Manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
      put(checkout, `${folder}/package.json`, JSON.stringify(manifest));
      for (const entry of Object.values(manifest.exports ?? {})) put(checkout, join(folder, entry), '');
      mkdirSync(join(checkout, 'node_modules/@ideogate'), { recursive: true });
      symlinkSync(join(checkout, folder), join(checkout, 'node_modules', manifest.name));
    }
    for (const file of ['jose/index.js', 'pg/index.js', 'drizzle-orm/node-postgres.js', 'left-pad/index.js'])
      put(checkout, join('node_modules', file), '');
    put(checkout, 'packages/audit/src/chain.ts', '');
    put(checkout, 'packages/policy/fixtures/samples.ts', '');
    samples.forEach(([, folder, text], at) => put(checkout, `${folder}/src/sample-${at}.ts`, text));
    const last = samples.length - 1;
    put(checkout, 'packages/policy/src/circle.ts', `import type { X } from './sample-${last}.ts';`);
    found = await violations(checkout);
  });
  afterAll(() => rmSync(checkout, { recursive: true }));

  test.each(samples.map((sample, at) => [...sample, at] as const))('%s', (_, folder, _text, caughtBy, at) => {
    expect(found.filter((line) => line.includes(`${folder}/src/sample-${at}.ts`))).toContainEqual(
      expect.stringContaining(`${caughtBy}: `),
    );
  });
});

describe('a read of the environment, or a computed import, is caught by the lint:', () => {
  const samples: readonly [what: string, file: string, text: string, rule: string | null][] = [
    [
      'a package reads it',
      'packages/policy/src/main.ts',
      'export const x = process.env.X;',
      'no-restricted-properties',
    ],
    [
      'an app reads it outside main.ts',
      'apps/gateway/src/a.ts',
      "export const x = process['env'];",
      'no-restricted-properties',
    ],
    ['it is taken apart', 'apps/gateway/src/b.ts', 'const { env } = process;', 'no-restricted-properties'],
    [
      'it is reached by globalThis',
      'apps/gateway/src/c.ts',
      'globalThis.process.env;',
      'no-restricted-properties',
    ],
    [
      'it is imported',
      'apps/gateway/src/d.ts',
      "import { env } from 'node:process';",
      'no-restricted-imports',
    ],
    ['a name is computed', 'packages/ideogram/src/a.ts', 'await import(name);', 'no-dynamic-require'],
    ['not so in main.ts of an app', 'apps/gateway/src/main.ts', 'process.env.X;', null],
  ];
  let found: readonly { readonly filename: string; readonly code: string }[];

  beforeAll(() => {
    const checkout = realpathSync(mkdtempSync(join(tmpdir(), 'lint-')));
    try {
      copyFileSync(join(root, '.oxlintrc.json'), join(checkout, '.oxlintrc.json'));
      for (const [, file, text] of samples) put(checkout, file, text);
      const { stdout } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--format=json', '.'], {
        cwd: checkout,
        encoding: 'utf8',
      });
      found = (JSON.parse(stdout) as { diagnostics: typeof found }).diagnostics;
    } finally {
      rmSync(checkout, { recursive: true });
    }
  });

  test.each(samples)('%s', (_, file, _text, rule) => {
    const codes = found.filter(({ filename }) => filename === file).map(({ code }) => code);
    const ours = codes.filter((code) => /no-restricted|no-dynamic-require/.test(code));
    expect(ours).toEqual(rule === null ? [] : [expect.stringContaining(rule)]);
  });
});

function put(folder: string, path: string, text: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
}

/** One line for each import that a rule forbids: rule, file and what it imports. */
async function violations(baseDir: string): Promise<string[]> {
  const { output } = await cruise(['apps', 'packages'], {
    ...config.options,
    baseDir,
    validate: true,
    ruleSet: { forbidden: config.forbidden },
  });
  if (typeof output === 'string') throw new Error(output);
  return output.summary.violations.map(
    ({ from, to, rule, cycle }) =>
      `${rule.name}: ${from} → ${cycle?.map(({ name }) => name).join(' → ') ?? to}`,
  );
}

function folders(): string[] {
  return ['apps', 'packages'].flatMap((kind) =>
    readdirSync(join(root, kind), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${kind}/${entry.name}`),
  );
}
