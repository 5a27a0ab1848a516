import { writeKillFile } from '../src/kill-file.ts';

/** Writes many orders into the file that is named, and says so; for a test that gives the process little room. */
const [, , file = ''] = process.argv;
const kills = Array.from({ length: 100 }, (_, n) => ({
  id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
  what: 'kill' as const,
  kind: 'key' as const,
  target: `key_${n}`,
  reason: 'a test',
  who: 'tester@test',
  at: '2026-01-01T00:00:00.000Z',
}));
writeKillFile(file, kills);
process.stdout.write('written');
