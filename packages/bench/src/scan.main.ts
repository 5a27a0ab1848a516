import { execFileSync, spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { largeHistory } from '@ideogate/testkit/large-history';
import { runFlags } from '@ideogate/testkit/run-flags';

// What `ideogate scan` takes of time and memory on a long history and on random text:
// `node packages/bench/src/scan.main.ts`. Takes a minute, and 300 MB of disk, which it gives back.
const { whole } = runFlags({
  commits: { type: 'string', default: '5000' },
  megabytes: { type: 'string', default: '200' },
});
const commits = whole('commits', 1);
const megabytes = whole('megabytes', 1);
const MAIN = fileURLToPath(new URL('../../../apps/cli/src/main.ts', import.meta.url));
const KEY = 'fake-ideogram-key-MARKED-0123456789-abcdef';
const FINGERPRINT = 'fake-fingerprint-secret';

const folder = mkdtempSync(join(tmpdir(), 'ideogate-scan-'));
try {
  const id = createHmac('sha256', FINGERPRINT)
    .update('ideogate key id\0')
    .update(KEY)
    .digest('hex')
    .slice(0, 16);
  writeFileSync(join(folder, 'fingerprint'), FINGERPRINT);
  writeFileSync(join(folder, 'known'), `key_${id}\n`);
  const repository = join(folder, 'repository');
  await largeHistory(repository, commits, KEY);
  const size = execFileSync('git', ['-C', repository, 'count-objects', '-vH'], { encoding: 'utf8' });
  await scan(`${commits} commits (${/size-pack: (.*)/.exec(size)?.[1]})`, repository, '--history');
  const text = join(folder, 'random.txt');
  const kinds = [
    () => randomBytes(786_432).toString('base64'),
    () => randomBytes(524_288).toString('hex'),
    () => randomBytes(786_432).toString('base64url'),
  ];
  for (let at = 0; at < megabytes; at++)
    appendFileSync(text, (kinds[at % kinds.length]?.() ?? '').replaceAll(/(.{76})/g, '$1\n'));
  await scan(`${megabytes} MB of random base64, hex and base64url`, text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** In a process of its own, whose memory it asks the system for. */
async function scan(what: string, ...words: readonly string[]): Promise<void> {
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    [MAIN, 'scan', ...words, '--known', join(folder, 'known'), '--json'],
    {
      env: {
        // git is found by it, and nothing else is handed on
        PATH: '/usr/local/bin:/usr/bin:/bin',
        IDEOGATE_DATA: join(folder, 'none'),
        IDEOGATE_FINGERPRINT_SECRET_FILE: join(folder, 'fingerprint'),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let most = 0;
  const look = setInterval(() => {
    const [, kilobytes = '0'] = /VmHWM:\s+(\d+)/.exec(statusOf(child.pid)) ?? [];
    most = Math.max(most, Number(kilobytes));
  }, 100);
  const done = once(child, 'close');
  const { findings } = JSON.parse(Buffer.concat(await child.stdout.toArray()).toString()) as {
    findings: object[];
  }; // as: what the command prints
  await done;
  clearInterval(look);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  process.stdout.write(
    `${what}: ${findings.length} found, ${seconds} s, ${Math.round(most / 1024)} MB at most\n`,
  );
}

function statusOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
