import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FolderInUseError, lockFolder } from '../src/index.ts';

// One of several processes that fight over a folder. Arguments: folder, rounds, a dead process's lock.
// Within the lock it makes a file that only one may make; how it leaves alternates between releasing and the
// look of having been killed. Says how often it won.
const [folder = '', rounds = '0', deadLock = ''] = process.argv.slice(2);
process.stdout.write('here\n');
await new Promise((resolve) => process.stdin.once('data', resolve));

let won = 0;
for (let round = 0; round < Number(rounds); round++) {
  try {
    const lock = lockFolder(folder, { pid: process.pid, port: null });
    won += 1;
    writeFileSync(join(folder, 'inside'), '', { flag: 'wx' });
    rmSync(join(folder, 'inside'));
    if (round % 2 === 0) lock.release();
    else writeFileSync(join(folder, 'lock'), deadLock);
  } catch (error) {
    if (!(error instanceof FolderInUseError)) throw error;
  }
}
process.stdout.write(`won ${won}\n`);
process.exit(0);
