/**
 * The emulator as a process of its own. Environment: `IDEOGATE_EMULATOR_PORT` (0, the default, takes any free port)
 * and `IDEOGATE_EMULATOR_KEYS` (the keys it accepts, joined by commas). Prints one JSON line `{"url": …}` when it
 * listens; SIGTERM or SIGINT, or the end of a parent that it has an IPC channel to, stops it with exit code 0.
 */
import { createEmulator } from './emulator.ts';

const INVALID_INPUT = 3;
const FAILED = 1;

const port = Number(process.env['IDEOGATE_EMULATOR_PORT'] ?? '0');
const keys = (process.env['IDEOGATE_EMULATOR_KEYS'] ?? '')
  .split(',')
  .map((key) => key.trim())
  .filter((key) => key !== '');

if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  give('IDEOGATE_EMULATOR_PORT must be a port number from 0 to 65535.', INVALID_INPUT);
} else if (keys.length === 0) {
  give('IDEOGATE_EMULATOR_KEYS must name at least one key.', INVALID_INPUT);
} else {
  await run(port, keys);
}

async function run(wanted: number, accept: readonly string[]): Promise<void> {
  let emulator: Awaited<ReturnType<typeof createEmulator>>;
  try {
    emulator = await createEmulator({ port: wanted, keys: { accept } });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    give(`The emulator cannot listen on 127.0.0.1:${wanted} (${code}).`, FAILED);
    return;
  }
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    if (process.connected) process.disconnect?.();
    void emulator.close();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // Without its parent an emulator would go on holding the port.
  process.on('disconnect', stop);
  process.stdout.write(`${JSON.stringify({ url: emulator.url })}\n`);
}

function give(reason: string, exitCode: number): void {
  process.stderr.write(`${reason}\n`);
  process.exitCode = exitCode;
}
