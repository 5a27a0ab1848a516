import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));
const text = (name: string) => readFileSync(join(REPOSITORY, name), 'utf8');
interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = (folder: string) => JSON.parse(text(join(folder, 'package.json'))) as Manifest; // as: npm's format

test('trap 8: promises that nobody waits for are found by oxlint with types, and Biome formats', () => {
  const { scripts, devDependencies } = manifest('.');
  expect(Object.values(scripts).join('\n')).toMatch(/^oxlint --type-aware --deny-warnings/m);
  expect(Object.values(scripts).join('\n')).toMatch(/^biome format/m);
  expect(Object.keys(devDependencies)).toEqual(
    expect.arrayContaining(['oxlint', 'oxlint-tsgolint', 'typescript', '@biomejs/biome']),
  );
  expect(Object.keys(devDependencies).filter((name) => name.includes('eslint'))).toEqual([]);
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-lint-'));
  try {
    const file = join(folder, 'floating.ts');
    writeFileSync(file, 'export function start(): void {\n  Promise.reject(new Error("lost"));\n}\n');
    writeFileSync(join(folder, 'tsconfig.json'), '{"compilerOptions":{"strict":true},"include":["*.ts"]}');
    const oxlint = join(REPOSITORY, 'node_modules/.bin/oxlint');
    const words = ['--type-aware', '--no-ignore', '-D', 'typescript/no-floating-promises', file];
    const { stdout } = spawnSync(oxlint, words, { cwd: folder, encoding: 'utf8', timeout: 20_000 });
    expect(stdout).toContain('no-floating-promises');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('trap 9: whatever Node is outside, scripts and tests run on the Node 26 of the lockfile', () => {
  const { devDependencies, engines } = manifest('.');
  expect(devDependencies['node']).toMatch(/^26\.\d+\.\d+$/);
  expect(engines['node']).toBe('>=20');
  expect(process.version).toBe(`v${devDependencies['node']}`);
});

test('trap 10: only named packages may run install scripts, and what is missing is installed first', () => {
  const workspace = text('pnpm-workspace.yaml');
  expect(workspace).toMatch(/^verifyDepsBeforeRun: install$/m);
  expect(workspace).not.toContain('onlyBuiltDependencies');
  const [, list = ''] = /^allowBuilds:\n((?: {2}.*\n)+)/m.exec(workspace) ?? [];
  const allowed = [...list.matchAll(/^ {2}'?([^':\n]+)'?: true$/gm)].map(([, name]) => name);
  expect(allowed).toEqual(['node', 'esbuild']);
});

test('trap 38: every package of ours is reached by its real path, where Node strips types, and not below node_modules', () => {
  for (const group of ['apps', 'packages']) {
    for (const name of readdirSync(join(REPOSITORY, group))) {
      const folder = join(group, name);
      if (!existsSync(join(REPOSITORY, folder, 'package.json'))) continue;
      const { dependencies = {} } = JSON.parse(text(join(folder, 'package.json'))) as {
        dependencies?: Readonly<Record<string, string>>;
      }; // as: npm's format
      for (const [dependency, version] of Object.entries(dependencies))
        if (dependency.startsWith('@ideogate/')) expect(version, `in ${folder}`).toBe('workspace:*');
    }
  }
  expect(import.meta.resolve('@ideogate/contract')).not.toContain('node_modules');
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-strip-'));
  try {
    const inside = join(folder, 'node_modules/typed');
    mkdirSync(inside, { recursive: true });
    for (const file of [join(folder, 'a.ts'), join(inside, 'a.ts')])
      writeFileSync(file, 'const a: number = 1;\nconsole.log(a);\n');
    const run = (file: string) => execFileSync(process.execPath, [file], { encoding: 'utf8', stdio: 'pipe' });
    expect(run(join(folder, 'a.ts'))).toBe('1\n');
    expect(() => run(join(inside, 'a.ts'))).toThrow('ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
