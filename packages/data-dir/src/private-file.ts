import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file that only its owner may read (0600), whole or not at all. */
export function writePrivateFile(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600, flush: true });
  renameSync(temporary, file);
}
