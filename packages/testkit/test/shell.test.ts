import { expect, test } from 'vitest';
import { forgetShell } from '../src/shell.ts';

test("trap 39: keys and databases of the developer's shell are unknown to the tests", () => {
  const shell: NodeJS.ProcessEnv = {
    DATABASE_URL: 'postgres://real',
    REDIS_URL: 'redis://real',
    IDEOGRAM_API_KEY: 'not-a-real-key',
    IDEOGRAM_BASE_URL: 'https://api.ideogram.ai',
    IDEOGATE_DATA: '/home/developer/.ideogate',
    PGHOST: 'real',
    PGOPTIONS: '-c fsync=off',
    PATH: '/usr/bin',
    HOME: '/home/developer',
  };
  forgetShell(shell);
  expect(shell).toEqual({ PATH: '/usr/bin', HOME: '/home/developer' });
});

test('no worker that runs tests holds any of them', () => {
  const found = Object.keys(process.env).filter((name) =>
    /^(DATABASE_URL|REDIS_URL|IDEOGRAM_|IDEOGATE_|PG[A-Z])/.test(name),
  );
  expect(found).toEqual([]);
});
