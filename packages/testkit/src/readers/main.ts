import { spawnSync } from 'node:child_process';
import { runFlags } from '../run-flags.ts';
import { type Disagreement, passedForms, readAll, type ReaderResult } from './compare-all.ts';
import { RECORDED_FORMS } from './recorded-forms.ts';
import { DEBIAN_READERS, NPM_READERS, type ReaderProgram } from './reader.ts';
import { reportTexts, TEXT_READERS } from './texts-report.ts';

// What real readers make of forms, JSON and queries that the gateway lets pass: `pnpm test:readers`. As root it installs what it needs from
// Debian. Exit codes: 0 all agree, 1 one does not, or is missing.
const { flags, whole } = runFlags({
  forms: { type: 'string', default: '5000' },
  texts: { type: 'string', default: '5000' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  only: { type: 'string', default: '' },
  'skip-missing': { type: 'boolean', default: false },
});
const count = whole('forms', 1);
const texts = whole('texts', 1);
const seed = whole('seed', 0);
const chosen = [...NPM_READERS, ...DEBIAN_READERS].filter(({ name }) => name.includes(flags.only));
const ofTexts = TEXT_READERS.filter(({ name }) => name.includes(flags.only));
if (chosen.length + ofTexts.length === 0) {
  process.stderr.write(`no reader has ${JSON.stringify(flags.only)} in its name\n`);
  process.exit(3);
}

install([...new Set([...chosen, ...ofTexts].flatMap(({ debian }) => debian))]);
const { passed, made } = passedForms(seed, count);
const limited = passed.filter((one) => one.limited).length;
process.stdout.write(
  `seed ${seed}: ${passed.length} forms passed of ${made} made (${limited} under bounds too), in the manner of ${RECORDED_FORMS.length} recorded clients and others\n\n`,
);

const results: ReaderResult[] = [];
const missing: string[] = [];
for (const program of chosen) {
  const result = await tried(program);
  if (result === null) continue;
  results.push(result);
  for (const one of result.disagreements.slice(0, 3)) show(result.name, one);
}

process.stdout.write(
  '| reader | version | forms read | as decided | gave up | otherwise |\n| --- | --- | --- | --- | --- | --- |\n',
);
for (const { name, version, read, agreed, gaveUp, disagreements } of results)
  process.stdout.write(
    `| ${name} | ${version} | ${read} | ${agreed} | ${gaveUp} | ${disagreements.length} |\n`,
  );
for (const { name, reasons } of results)
  for (const [reason, times] of reasons) process.stdout.write(`\n${name} gave up ${times} times: ${reason}`);
for (const line of missing) process.stdout.write(`\nMISSING: ${line}`);
process.stdout.write('\n');
const report = await reportTexts(ofTexts, seed, texts);
missing.push(...report.missing);
const wrong = results.reduce((sum, { disagreements }) => sum + disagreements.length, report.wrong);
process.stdout.write(
  `\n${chosen.length + ofTexts.length - missing.length} readers, ${wrong} readings other than decided, ${missing.length} missing\n`,
);
process.exitCode = wrong === 0 && (missing.length === 0 || flags['skip-missing']) ? 0 : 1;

async function tried(program: ReaderProgram): Promise<ReaderResult | null> {
  try {
    return await readAll(program, passed);
  } catch (error) {
    missing.push(`${program.name}: ${error instanceof Error ? error.message.slice(0, 300) : String(error)}`);
    return null;
  }
}

function show(name: string, { frame, faults }: Disagreement): void {
  process.stdout.write(`${name}: ${faults.join('; ')}\n  Content-Type: ${frame.type}\n`);
  process.stdout.write(`  ${JSON.stringify(frame.body.toString('latin1')).slice(0, 1500)}\n\n`);
}

/** Installs the Debian packages that are not there, if it may; what is still missing then shows as a reader missing. */
function install(packages: readonly string[]): void {
  const status = (name: string) =>
    spawnSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8' }).stdout ?? '';
  const absent = packages.filter((name) => !status(name).includes('install ok installed'));
  if (absent.length === 0 || process.getuid?.() !== 0) return;
  process.stdout.write(`installing ${absent.join(', ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], { stdio: 'ignore', env });
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...absent], {
    stdio: 'ignore',
    env,
  });
}
