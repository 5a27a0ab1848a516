import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { type Binaries, runAs, SERVER_ENVIRONMENT } from './binaries.ts';
import { clearHalves, clusterInHalf, newHalf } from './halves.ts';
import { clusterIn, type Home } from './home.ts';
import { errorCode, LocalPostgresError, onPath, onPathAsync, shortened } from './local-postgres-error.ts';

/** The one login of a new cluster. */
export const SUPERUSER = 'postgres';

/** Only over TCP from this machine, only with the password. No line for sockets: there are none. */
const HOST_BASED_AUTHENTICATION = 'host all all 127.0.0.1/32 scram-sha-256\n';

/**
 * Makes sure that the home holds a cluster of this version whose superuser has the password in `folder` (the data
 * folder, ours alone), and returns that password.
 */
export async function prepareCluster(folder: string, home: Home, binaries: Binaries): Promise<string> {
  await clearHalves(home.folder);
  const cluster = clusterIn(home.folder);
  const passwordFile = join(folder, 'superuser-password');
  const kept = readPassword(passwordFile);
  const password = kept ?? randomBytes(32).toString('base64url');

  if (!existsSync(cluster)) {
    if (kept === null) writeSecret(passwordFile, password);
    await createCluster(home, binaries, password);
    return password;
  }
  const major = versionOf(cluster);
  if (major !== binaries.major) {
    throw new LocalPostgresError(
      `The database in ${cluster} was made by Postgres ${major}, and this is Postgres ${binaries.major}: start the version of Ideogate that made it, or move that folder away to begin with an empty record.`,
    );
  }
  if (kept === null) {
    // Set first and kept after: killed in between, the next start finds no file and sets it again.
    setPassword(cluster, home, binaries, password);
    writeSecret(passwordFile, password);
  }
  return password;
}

/** Under another name until it is whole: what is called `cluster` is one. */
async function createCluster(home: Home, binaries: Binaries, password: string): Promise<void> {
  const half = newHalf(home.folder);
  await onPathAsync('make the database in', home.folder, async () => {
    mkdirSync(half, { mode: 0o700 });
    const passwordFile = join(half, 'password');
    writeFileSync(passwordFile, `${password}\n`, { mode: 0o600, flag: 'wx' });
    if (home.account !== null && process.getuid?.() === 0) {
      chownSync(passwordFile, home.account.uid, home.account.gid);
      chownSync(half, home.account.uid, home.account.gid);
    }
    const cluster = clusterInHalf(half);
    await runInitdb(half, home, binaries, [
      `--pgdata=${cluster}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The same order of texts on every machine, whatever its libc.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-instructions',
    ]);
    writeFileSync(join(cluster, 'pg_hba.conf'), HOST_BASED_AUTHENTICATION);
    renameSync(cluster, clusterIn(home.folder));
    rmSync(half, { recursive: true, force: true });
  });
}

async function runInitdb(
  half: string,
  home: Home,
  binaries: Binaries,
  options: readonly string[],
): Promise<void> {
  const initdb = spawn(binaries.initdb, options, {
    cwd: half,
    env: SERVER_ENVIRONMENT,
    // A terminal's Ctrl-C is for us to handle.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...runAs(home.account),
  });
  let said = '';
  initdb.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said = `${said}${chunk}`.slice(-4000);
  });
  const [code, signal]: unknown[] = await once(initdb, 'close');
  if (code === 0) return;
  const reason =
    said.split('\n').find((line) => /error|fatal/i.test(line)) ?? said.trim().split('\n')[0] ?? '';
  throw new LocalPostgresError(
    `Postgres can't make its database in ${shortened(home.folder)} (initdb: ${reason || `exit ${String(code ?? signal)}`}): free that place or use another data folder, or set DATABASE_URL.`,
  );
}

function versionOf(cluster: string): string {
  try {
    return readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    throw new LocalPostgresError(
      `${cluster} isn't a Postgres database (${errorCode(error)} on PG_VERSION): restore it, or move it away to begin with an empty record.`,
      { cause: error },
    );
  }
}

/** The password of a cluster whose password file was lost, by the server's own single-user mode (nobody else is on). */
function setPassword(cluster: string, home: Home, binaries: Binaries, password: string): void {
  const { status, stderr } = spawnSync(binaries.postgres, ['--single', '-D', cluster, 'postgres'], {
    cwd: cluster,
    env: SERVER_ENVIRONMENT,
    encoding: 'utf8',
    timeout: 60_000,
    // base64url: nothing in it needs quoting.
    input: `ALTER ROLE ${SUPERUSER} PASSWORD '${password}'\n`,
    ...runAs(home.account),
  });
  if (status !== 0 || stderr.includes('ERROR:')) {
    throw new LocalPostgresError(
      `The superuser's password of ${cluster} is lost and can't be set again: restore superuser-password, or move the database away to begin with an empty record.`,
    );
  }
}

function readPassword(path: string): string | null {
  return onPath('read', path, () => {
    if (!existsSync(path)) return null;
    const text = readFileSync(path, 'utf8').trim();
    return /^[\w-]{40,}$/.test(text) ? text : null;
  });
}

function writeSecret(path: string, secret: string): void {
  onPath('write', path, () => {
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    writeFileSync(temporary, `${secret}\n`, { mode: 0o600, flag: 'wx', flush: true });
    renameSync(temporary, path);
  });
}
