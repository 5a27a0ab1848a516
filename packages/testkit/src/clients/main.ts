import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { freePort } from '../free-port.ts';
import { startTestGateway } from '../gateway.ts';
import { refuseOtherMachines } from '../loopback.ts';
import { runFlags } from '../run-flags.ts';
import { forgetShell } from '../shell.ts';
import { answerTo, CALLS, PICTURE, plainRequest, recordingFile, withoutToken } from './calls.ts';
import { CLIENTS, INTERMEDIARIES, missing, run, start } from './programs.ts';

// Clients and intermediaries as Debian has them, against a gateway on real parts: each makes its calls, through a relay
// that keeps what was sent, and must get the answer that the plainest request gets. As root it installs what is missing.
const { flags } = runFlags({ record: { type: 'boolean', default: false } });

const absent = missing([...CLIENTS, ...INTERMEDIARIES]);
if (absent.length > 0 && process.getuid?.() === 0)
  spawnSync('apt-get', ['install', '-y', '-q', ...absent], { stdio: 'inherit' });
const stillAbsent = missing([...CLIENTS, ...INTERMEDIARIES]);
if (stillAbsent.length > 0) {
  process.stderr.write(`not installed: ${stillAbsent.join(' ')}\n`);
  process.exit(5);
}

forgetShell();
refuseOtherMachines();
const folder = mkdtempSync(join(tmpdir(), 'ideogate-clients-'));
// mkdtemp makes it 0700, and as root servers run under other accounts.
chmodSync(folder, 0o755);
const postgres = await startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
let failed = 0;
try {
  const gateway = await startTestGateway({ postgresUrl: postgres.superuserUrl('postgres') });
  const relay = await startRelay(gateway.port);
  const picture = join(folder, 'photo.png');
  writeFileSync(picture, PICTURE);
  const host = `127.0.0.1:${relay.port}`;
  for (const client of CLIENTS) {
    for (const call of client.calls) {
      relay.forget();
      // One for each: they live for five minutes, and compilers take their time.
      const token = await gateway.token('writer');
      const seen = await run(client, { call, base: `http://${host}`, token, picture });
      const sent = relay.sent();
      const plain = await answerTo(gateway.port, plainRequest(call, token, host));
      const same = sent.length > 0 && isDeepStrictEqual(await answerTo(gateway.port, sent), plain);
      judge(client.name, call, same && seen === String(plain.status), seen);
      if (flags.record) writeFileSync(recordingFile(client.name, call), withoutToken(sent, token, host));
    }
  }
  for (const intermediary of INTERMEDIARIES) {
    const before = await start(intermediary, relay.port, folder);
    for (const call of CALLS) {
      relay.forget();
      const token = await gateway.token('writer');
      const plain = plainRequest(call, token, host);
      const [through, straight] = [await answerTo(before.port, plain), await answerTo(gateway.port, plain)];
      judge(intermediary.name, call, isDeepStrictEqual(through, straight), String(through.status));
      // A health check of its own may be among them, on a connection of its own.
      const sent = relay.sent(token);
      if (flags.record)
        writeFileSync(recordingFile(intermediary.name, call), withoutToken(sent, token, host));
    }
    await before.stop();
  }
  await relay.close();
  await gateway.close();
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

function judge(name: string, call: string, same: boolean, seen: string): void {
  if (!same) failed++;
  process.stdout.write(`| ${name} | ${call} | ${same ? 'the same answer' : `another answer: ${seen}`} |\n`);
}

/** Lets every byte through, and keeps what was sent, connection by connection. */
async function startRelay(behind: number) {
  let sent: Buffer[][] = [];
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const pieces: Buffer[] = [];
    sent.push(pieces);
    const far = connect(behind, '127.0.0.1');
    near.on('data', (bytes: Buffer) => pieces.push(bytes));
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port,
    /** What was sent on the first connection since `forget` on which this was. */
    sent: (text = ''): Buffer =>
      sent.map((pieces) => Buffer.concat(pieces)).find((bytes) => bytes.length > 0 && bytes.includes(text)) ??
      Buffer.alloc(0),
    forget() {
      sent = [];
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
