#!/usr/bin/env node
import { readSettings } from '@ideogate/config';
import { Command, CommanderError } from 'commander';
import type { AuditOptions } from './commands/audit.ts';
import type { AuditArchiveOptions } from './commands/audit-archive.ts';
import type { AuditForgetOptions } from './commands/audit-forget.ts';
import type { AuditExportOptions } from './commands/audit-export.ts';
import type { AuditGapsOptions } from './commands/audit-gaps.ts';
import type { AuditVerifyOptions } from './commands/audit-verify.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { KeysAddOptions } from './commands/keys.ts';
import type { KillOptions } from './commands/kill.ts';
import type { KeysResealOptions } from './commands/keys-reseal.ts';
import type { KeyOptions, KeysRotateOptions } from './commands/keys-rotate.ts';
import type { ScanOptions } from './commands/scan.ts';
import type { WebhooksListOptions, WebhooksReplayOptions } from './commands/webhooks.ts';
import { describeError } from './describe-error.ts';
import { EXIT } from './exit-codes.ts';
import { printed } from './terminal.ts';

// A report that Node writes when it dies would hold the whole environment, and so the keys.
if (process.report) process.report.excludeEnv = true;

// Read once, here; what follows gets values.
const settings = readSettings(process.env);

// Each command is loaded when it is called: a token must not wait for the whole gateway to be read.
const commands = {
  audit: () => import('./commands/audit.ts'),
  auditArchive: () => import('./commands/audit-archive.ts'),
  auditForget: () => import('./commands/audit-forget.ts'),
  auditExport: () => import('./commands/audit-export.ts'),
  auditGaps: () => import('./commands/audit-gaps.ts'),
  auditVerify: () => import('./commands/audit-verify.ts'),
  configShow: () => import('./commands/config-show.ts'),
  checkpointKey: () => import('./commands/checkpoint-key.ts'),
  doctor: () => import('./commands/doctor.ts'),
  keys: () => import('./commands/keys.ts'),
  kill: () => import('./commands/kill.ts'),
  keysReseal: () => import('./commands/keys-reseal.ts'),
  keysRotate: () => import('./commands/keys-rotate.ts'),
  policyCheck: () => import('./commands/policy-check.ts'),
  scan: () => import('./commands/scan.ts'),
  start: () => import('./commands/start.ts'),
  token: () => import('./commands/token.ts'),
  webhooks: () => import('./commands/webhooks.ts'),
};

const program = new Command('ideogate')
  .description('A least-privilege gateway for the Ideogram API.')
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)');

program
  .command('start')
  .description(
    'Run the whole product on this machine: database, issuer, gateway, and the emulator when no key is set.',
  )
  .action(async () => finish(await (await commands.start()).start(settings)));

program
  .command('token')
  .description('Print an access token and nothing else.')
  .requiredOption('--client <id>', 'client to ask for, e.g. reader or writer')
  .option('--scope <scopes>', 'scopes to ask for, space separated; without it, the whole grant')
  .action(async (options: { client: string; scope?: string }) =>
    finish(await (await commands.token()).token(settings, options)),
  );

program
  .command('doctor')
  .description('Prove that keys, record and the way to each other part are as they should be.')
  .option('--known <file>', 'ids of keys of all environments, as keys list prints them in each')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: DoctorOptions) =>
    finish(await (await commands.doctor()).doctor(settings, options)),
  );

program
  .command('config')
  .description('Look at the settings.')
  .command('show')
  .description('Every setting with its value and where it comes from; secrets are hidden.')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: { json?: boolean }) =>
    finish((await commands.configShow()).configShow(settings, options)),
  );

const policy = program.command('policy').description('Look at policy files.');
policy
  .command('check')
  .description('Check policy files and report every fault at once.')
  .argument('[files...]', 'policy files; without them, those that start would use')
  .option('--json', 'JSON, also on a terminal')
  .action(async (files: string[], options: { json?: boolean }) =>
    finish((await commands.policyCheck()).policyCheck(settings, files, options)),
  );

const audit = program.command('audit').description('Read the record.');
const filtered = (command: Command) =>
  command
    .option('--caller <subject>', 'only calls of this subject')
    .option('--operation <id>', 'only this operation, e.g. v3.generate')
    .option('--result <result>', 'only success, or only failure')
    .option('--state <state>', 'only calls that are refused, open, gap or done')
    .option('--reason <reason>', 'only calls that ended for this reason')
    .option('--key <id>', 'only calls made with this Ideogram key, by its id')
    .option('--token <id>', 'only calls made with this token, by its jti')
    .option('--since <time>', 'only calls since then: 15m, 2h, 7d, or a time')
    .option('--json', 'JSON, also on a terminal');
filtered(audit.command('list').description('Calls, newest first.'))
  .option('--limit <n>', 'at most so many', '50')
  .action(async (options: AuditOptions) =>
    finish(await (await commands.audit()).auditList(settings, options)),
  );
filtered(audit.command('tail').description('Calls as they come in, until interrupted.')).action(
  async (options: AuditOptions) => finish(await (await commands.audit()).auditTail(settings, options)),
);
audit
  .command('show')
  .description('Everything the record holds on one call.')
  .argument('<call-id>', 'from the Ideogate-Call-Id field of an answer')
  .option('--json', 'JSON, also on a terminal')
  .action(async (id: string, options: { json?: boolean }) =>
    finish(await (await commands.audit()).auditShow(settings, id, options)),
  );
audit
  .command('gaps')
  .description('Calls whose end is not in the record: open ones, and those closed as gaps, with why.')
  .option('--limit <n>', 'at most so many', '50')
  .option('--before <since,call-id>', 'only older ones: go on from the last of the page before')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: AuditGapsOptions) =>
    finish(await (await commands.auditGaps()).auditGaps(settings, options)),
  );
audit
  .command('export')
  .description('Send the record out as NDJSON, from where the last export to the same place stopped.')
  .option('--out <file>', 'a file, or - for standard output')
  .option('--to <url>', 'an address that takes it over HTTP')
  .option('--cursor <file>', 'with --out -: where to keep how far it came')
  .option('--follow', 'go on as the record grows, until interrupted')
  .option('--forget', 'with --to: give this export up, so that months may leave that it has not got')
  .option('--yes', 'forget without asking')
  .action(async (options: AuditExportOptions) =>
    finish(await (await commands.auditExport()).auditExport(settings, options)),
  );
const collected = (value: string, before: readonly string[] = []) => [...before, value];
audit
  .command('verify')
  .description('Prove that nothing of the record was lost or changed, and say what was.')
  .argument('[files...]', 'exports or archives; without them, the database')
  .option(
    '--database <url>',
    'a database other than that of the running product, as any login that may read it',
  )
  .option('--key <key>', "the signer's public key, or a file of them; may be given again", collected)
  .option('--checkpoints <file>', 'checkpoints kept elsewhere; may be given again', collected)
  .option('--archive <file>', 'an archived month of the database; may be given again', collected)
  .option('--gap-after <time>', 'how long an allowed call may have no outcome', '15m')
  .option('--resume <file>', 'keep there how far it came, and go on from there')
  .option('--json', 'JSON, also on a terminal')
  .action(async (files: string[], options: AuditVerifyOptions) =>
    finish(await (await commands.auditVerify()).auditVerify(settings, files, options)),
  );
audit
  .command('key')
  .description('The public keys by which checkpoints are verified, the one that signs first.')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: { json?: boolean }) =>
    finish((await commands.checkpointKey()).showCheckpointKey(settings, options)),
  );
audit
  .command('rotate-key')
  .description('Change the key that signs checkpoints; a last checkpoint of the old key names the new one.')
  .action(async () => finish(await (await commands.checkpointKey()).rotateCheckpointKey(settings)));
audit
  .command('archive')
  .description('Move months from the database to files: those that retention asks for, or one.')
  .option('--month <month>', 'this month alone, e.g. 2026-01')
  .option('--folder <folder>', 'where archives are kept; without it, a folder of the data folder')
  .option('--remove-expired', 'remove the archives that are older than the record is kept')
  .option('--yes', 'remove without asking')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: AuditArchiveOptions) =>
    finish(await (await commands.auditArchive()).auditArchive(settings, options)),
  );
audit
  .command('import')
  .description('Read an archive back for questions, beside the record.')
  .argument('[file]', 'an archived month')
  .option('--drop', 'let go of everything that was read back')
  .option('--json', 'JSON, also on a terminal')
  .action(async (file: string | undefined, options: { drop?: boolean; json?: boolean }) =>
    finish(await (await commands.auditArchive()).auditImport(settings, file, options)),
  );
audit
  .command('forget')
  .description("Destroy a month's key, and with it what the month's record holds of prompts.")
  .requiredOption('--month <month>', 'the month, e.g. 2026-01')
  .option('--yes', 'destroy without asking')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: AuditForgetOptions) =>
    finish(await (await commands.auditForget()).auditForget(settings, options)),
  );

const keys = program.command('keys').description('Ideogram keys: look, put, rotate.');
keys
  .command('list')
  .description('Every key, with its state, age, last use, and the calls and cost of the last day.')
  .option('--all', 'revoked ones too')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: { all?: boolean; json?: boolean }) =>
    finish(await (await commands.keys()).keysList(settings, options)),
  );
keys
  .command('add')
  .description('Put a key into the sealed store; it waits there until it is verified and activated.')
  .requiredOption('--for <slot>', 'read or write')
  .option('--from <file>', 'a file that holds it, or - for standard input; without it, you are asked')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: KeysAddOptions) =>
    finish(await (await commands.keys()).keysAdd(settings, options)),
  );

program
  .command('scan')
  .description('Look for keys and other secrets where they should not be; says where, never what.')
  .argument('[path]', 'a file, or a folder and what is below it; without it, this folder')
  .option('--history', 'everything that any commit of the repository holds')
  .option('--staged', 'what the next commit would bring')
  .option('--stdin', 'what comes on standard input, as a log')
  .option('--record', 'the words of the record')
  .option('--known <file>', 'a file with ids of known keys, as keys list prints them')
  .option('--enforce', 'stop all calls with each known key that is found, as kill --key does')
  .option('--install-hook', 'make a hook of git that refuses commits which hold a secret')
  .option('--sarif', 'SARIF 2.1.0, for code hosts')
  .option('--json', 'JSON, also on a terminal')
  .action(async (path: string | undefined, options: ScanOptions) =>
    finish(await (await commands.scan()).scanFor(settings, path, options)),
  );

const webhooks = program.command('webhooks').description('Webhooks that came in, and their delivery.');
webhooks
  .command('list')
  .description('Webhooks, newest first, and where each stands.')
  .option('--state <state>', 'only those that are waiting, delivered or dead')
  .option('--endpoint <name>', 'only those of this endpoint')
  .option('--limit <n>', 'at most so many', '50')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: WebhooksListOptions) =>
    finish(await (await commands.webhooks()).webhooksList(settings, options)),
  );
webhooks
  .command('replay')
  .description('Have webhooks delivered again.')
  .argument('[ids...]', 'which, as webhooks list shows them')
  .option('--dead', 'every dead letter')
  .option('--endpoint <name>', 'with --dead: only those of this endpoint')
  .option('--json', 'JSON, also on a terminal')
  .action(async (ids: string[], options: WebhooksReplayOptions) =>
    finish(await (await commands.webhooks()).webhooksReplay(settings, ids, options)),
  );

keys
  .command('rotate')
  .description('Replace a key without an outage, step by step; called again, it goes on where it was.')
  .requiredOption('--for <slot>', 'read or write')
  .option('--from <file>', 'unattended: a file that holds the new key, or - for standard input')
  .option(
    '--canary <percent>',
    'of a hundred calls, how many go out with the new key first; 0 for none',
    '10',
  )
  .option('--canary-time <time>', 'for how long', '60s')
  .option('--wait <time>', 'how long to wait for the old key to be idle, and then to be dead', '15m')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: KeysRotateOptions) =>
    finish(await (await commands.keysRotate()).keysRotate(settings, options)),
  );
const oneKey = (command: Command) =>
  command
    .argument('<id>', 'of the key, or its beginning')
    .option('--for <slot>', 'read or write, where one key is in both')
    .option('--json', 'JSON, also on a terminal');
oneKey(
  keys.command('verify').description('Have a gateway try a key at Ideogram, by a call that costs nothing.'),
).action(async (id: string, options: KeyOptions) =>
  finish(await (await commands.keysRotate()).keysVerify(settings, id, options)),
);
oneKey(keys.command('activate').description('Let a verified key serve, or go back to one that drains.'))
  .option('--share <percent>', 'only so many of a hundred calls')
  .action(async (id: string, options: KeyOptions & { share?: string }) =>
    finish(await (await commands.keysRotate()).keysActivate(settings, id, options)),
  );
oneKey(keys.command('revoke').description('End a key that drains, or give up one that never served.'))
  .option('--wait <time>', 'how long to wait for it to be idle, and then to be dead', '15m')
  .option('--yes', 'without asking')
  .action(async (id: string, options: KeyOptions & { wait: string; yes?: boolean }) =>
    finish(await (await commands.keysRotate()).keysRevoke(settings, id, options)),
  );
keys
  .command('reseal')
  .description('Seal all keys to other recipients.')
  .requiredOption('--to <recipient>', 'an age recipient (age1…); may be given again', collected)
  .option('--identity <file>', 'opens them now; without it, the one of the data folder')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: KeysResealOptions) =>
    finish(await (await commands.keysReseal()).keysReseal(settings, options)),
  );
keys
  .command('identity')
  .description('Who keys are sealed to; with --new, make an identity file.')
  .option('--new <file>', 'make this file, for its owner alone, and print its recipient')
  .option('--json', 'JSON')
  .action(async (options: { new?: string; json?: boolean }) =>
    finish(await (await commands.keysReseal()).keysIdentity(settings, options)),
  );

const stopping = (command: Command) =>
  command
    .option('--key <id>', 'calls that go out with this key')
    .option('--caller <subject>', 'calls of this subject, or made by it for another')
    .option('--environment <name>', 'all calls of this environment')
    .requiredOption('--reason <words>', 'why, for the record')
    .option('--json', 'JSON, also on a terminal');
stopping(
  program
    .command('kill')
    .description(
      'Stop calls at once, on every gateway, with the database down too; ends with 1 if one did not confirm.',
    ),
).action(async (options: KillOptions) => finish(await (await commands.kill()).kill(settings, options)));
stopping(program.command('revive').description('Undo the orders that stop these calls.')).action(
  async (options: KillOptions) => finish(await (await commands.kill()).lift(settings, options)),
);
program
  .command('kills')
  .description('The orders in force.')
  .option('--json', 'JSON, also on a terminal')
  .action(async (options: { json?: boolean }) =>
    finish(await (await commands.kill()).kills(settings, options)),
  );

try {
  await program.parseAsync();
} catch (error) {
  finish(report(error));
}

function report(error: unknown): number {
  // Commander has already written its own words.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.invalidInput;
  const described = describeError(error);
  if (described !== null) {
    // It may quote what somebody else wrote.
    for (const line of described.message.split('\n')) process.stderr.write(`${printed(line)}\n`);
    return described.exitCode;
  }
  process.stderr.write(`Ideogate failed: ${error instanceof Error ? error.message : String(error)}\n`);
  return EXIT.failed;
}

/** Sets the status and lets output drain; a stray timer must not keep the process alive. */
function finish(code: number): void {
  process.exitCode = code;
  setTimeout(() => process.exit(code), 500).unref();
}
