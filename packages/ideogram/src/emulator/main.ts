/**
 * The emulator as a process of its own. Environment: `IDEOGATE_EMULATOR_PORT` (0, the default, takes any free port)
 * `IDEOGATE_EMULATOR_KEYS` (the keys it accepts, joined by commas), and `IDEOGATE_EMULATOR_READ_KEYS` (keys that
 * open only what changes and costs nothing). Prints one JSON line `{"url": …}` when it
 * listens; SIGTERM or SIGINT, or the end of a parent that it has an IPC channel to, stops it with exit code 0.
 */
import type { EmulatorKeys } from './credentials.ts';
import { createEmulator } from './emulator.ts';

const INVALID_INPUT = 3;
const FAILED = 1;

const port = Number(process.env['IDEOGATE_EMULATOR_PORT'] ?? '0');
const keys = listOf('IDEOGATE_EMULATOR_KEYS');
const readKeys = listOf('IDEOGATE_EMULATOR_READ_KEYS');

if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  give('IDEOGATE_EMULATOR_PORT must be a port number from 0 to 65535.', INVALID_INPUT);
} else if (keys.length === 0) {
  give('IDEOGATE_EMULATOR_KEYS must name at least one key.', INVALID_INPUT);
} else {
  await run(port, readKeys.length === 0 ? { accept: keys } : { read: readKeys, write: keys });
}

async function run(wanted: number, accepted: EmulatorKeys): Promise<void> {
  let emulator: Awaited<ReturnType<typeof createEmulator>>;
  try {
    emulator = await createEmulator({ port: wanted, keys: accepted });
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

function listOf(variable: string): readonly string[] {
  return (process.env[variable] ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
}

function give(reason: string, exitCode: number): void {
  process.stderr.write(`${reason}\n`);
  process.exitCode = exitCode;
}
