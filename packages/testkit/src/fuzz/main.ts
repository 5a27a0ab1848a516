import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { refuseOtherMachines } from '../loopback.ts';
import { runFlags } from '../run-flags.ts';
import { forgetShell } from '../shell.ts';
import { type FuzzFailure, fuzz } from './run.ts';

const MOST_MINUTES = 7 * 24 * 60;
const { number, whole } = runFlags({
  minutes: { type: 'string', default: '1' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
});
const minutes = number(
  'minutes',
  (value) => value > 0 && value <= MOST_MINUTES,
  `minutes, from more than 0 to ${MOST_MINUTES}`,
);
const seed = whole('seed', 0);

forgetShell();
refuseOtherMachines();
const folder = mkdtempSync(join(tmpdir(), 'ideogate-fuzz-'));
// mkdtemp makes it 0700, and as root the server runs under another account.
chmodSync(folder, 0o755);
const postgres = await startLocalPostgres({ folder: join(folder, 'postgres'), log: () => undefined });
try {
  process.stdout.write(`seed ${seed}, ${minutes} minutes\n`);
  const result = await fuzz({
    seed,
    milliseconds: minutes * 60_000,
    postgresUrl: postgres.superuserUrl('postgres'),
    onProgress: (done, failures) => process.stdout.write(`${done} cases, ${failures} failed\n`),
    onFailure: show,
  });
  const { failures, faults, ...figures } = result;
  for (const fault of faults) process.stdout.write(`\n${fault}\n`);
  const rate = (figures.cases / figures.seconds).toFixed(0);
  process.stdout.write(`\n${JSON.stringify(figures)}\n${figures.cases} cases, ${rate} a second, `);
  process.stdout.write(`${failures.length} failed, ${faults.length} faults of the run\n`);
  process.exitCode = failures.length + faults.length === 0 ? 0 : 1;
} finally {
  await postgres.stop();
  rmSync(postgres.folder, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
}

function show({ faults, case: one, sent, heard, rows, arrived }: FuzzFailure): void {
  process.stdout.write(`\n${faults.join('\n')}\nkept case: ${literal(one)}\nsent (base64): ${sent}\n`);
  process.stdout.write(`heard: ${literal(heard)}\nrows: ${literal(rows)}\narrived: ${literal(arrived)}\n\n`);
}

/** As source text: every byte beyond printable ASCII escaped. */
function literal(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[^\x20-\x7e]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
