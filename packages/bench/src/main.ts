import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { runFlags } from '@ideogate/testkit/run-flags';
import { compare, type Name } from './compare.ts';
import { prepareDatabase } from './database.ts';
import { pace, saturate } from './load.ts';
import { type MeasuredProcess, startMeasured } from './measured-process.ts';
import { readProfile } from './profile.ts';
import { createMint } from './scene.ts';
import { table } from './table.ts';

const { flags, whole } = runFlags({
  rounds: { type: 'string', default: '5' },
  profile: { type: 'boolean', default: false },
});
/** Fewer have no middle to speak of. */
const rounds = whole('rounds', 5);
const pinned = spawnSync('taskset', ['-p', String(process.pid)]).status === 0 && cpus().length > 1;
// The gateways get one core for themselves; everything else, this process included, shares the other.
const GATEWAY_CORE = pinned ? 0 : null;
const OTHER_CORE = pinned ? 1 : null;
if (pinned) execFileSync('taskset', ['-cp', '1', String(process.pid)], { stdio: 'ignore' });

const mint = createMint();
const folder = mkdtempSync(join(tmpdir(), 'ideogate-bench-'));
chmodSync(folder, 0o755);
const postgres = await startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
try {
  const database = await prepareDatabase(postgres);
  const keySet = join(folder, 'jwks.json');
  writeFileSync(keySet, mint.keySet);
  const upstream = await startMeasured('./upstream.main.ts', [], { core: OTHER_CORE });
  const profiles = join(folder, 'profiles');
  const start = (name: Name) =>
    name === 'bare'
      ? startMeasured('./bare.main.ts', [upstream.url], { core: GATEWAY_CORE })
      : startMeasured(
          './ideogate.main.ts',
          [upstream.url, database.appendUrl, database.readUrl, keySet, join(folder, 'checkpoint-key')],
          {
            core: GATEWAY_CORE,
            nodeOptions: flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [],
          },
        );
  const bare = await start('bare');
  const ideogate = await start('ideogate');
  if (flags.profile) await profile(ideogate, profiles);
  else {
    const found = await compare(
      { bare, ideogate, startAnother: start, upstream, database, postgres, tokens: () => mint.tokens(500) },
      rounds,
    );
    const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, node ${process.version}, ${pinned ? 'pinned' : 'not pinned'}`;
    const report = { ...found, rounds, machine };
    const out = fileURLToPath(new URL('../../../bench/', import.meta.url));
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, 'latest.json'), `${JSON.stringify(report, null, 2)}\n`);
    process.stdout.write(
      `${table(found)}\n${machine}, ${rounds} rounds; ratios are Ideogate over bare fastify + http-proxy\n`,
    );
  }
  await bare.stop();
  await upstream.stop();
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** The ten functions in which the gateway spends its time at 1,000 calls a second, and what proving its record takes. */
async function profile(gateway: MeasuredProcess, written: string): Promise<void> {
  const target = { url: gateway.url, tokens: mint.tokens(500) };
  await saturate(target, 32, 3);
  await pace(target, 1000, 10);
  await gateway.stop();
  const found = readProfile(written);
  const say = (share: number, name: string) =>
    process.stdout.write(`${(share * 100).toFixed(1).padStart(5)} %  ${name}\n`);
  for (const { name, share } of found.hottest(10)) say(share, name);
  say(found.shareOf('/audit/src/chain/chain.ts'), 'in all: canonical form and hash chain');
  say(found.shareOf('/audit/src/checkpoints/sign-checkpoints.ts'), 'in all: checkpoints');
}
