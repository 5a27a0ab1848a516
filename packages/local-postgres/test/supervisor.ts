import type { startLocalPostgres } from '../src/index.ts';

// Runs the embedded Postgres as the product would, in a process that a test can kill.
// Arguments: module to start from, data folder, uid to become first ('' to stay). Speaks lines of JSON.
const [module = '', folder = '', uid = ''] = process.argv.slice(2);
const { startLocalPostgres: start }: { startLocalPostgres: typeof startLocalPostgres } = await import(module);
if (uid !== '') {
  process.setgroups?.([]);
  process.setgid?.(Number(uid));
  process.setuid?.(Number(uid));
}
const say = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
try {
  const postgres = await start({ folder, log: (log) => say({ log }) });
  const { port, notice } = postgres;
  say({ ready: { url: postgres.superuserUrl('postgres'), folder: postgres.folder, port, notice } });
  process.stdin.once('data', () => {
    void postgres.stop().then(() => process.exit(0));
  });
} catch (error) {
  say({ failed: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
  process.exit(1);
}
