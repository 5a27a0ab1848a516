import { type DatabaseFault, databaseSafety } from './settings.ts';

/** A look costs two connections, and whoever asks whether we are ready asks often. */
const LOOK_EVERY_MS = 5_000;

/** How fit a database was found to hold the record. */
interface Verdict {
  readonly faults: readonly DatabaseFault[];
  readonly survivesFailover: boolean;
}

/**
 * Goes on looking whether the database is fit to hold the record: a setting may change under us, and behind the same
 * address a standby may stand today. Gives what the last look found, at most 5 s ago. Of a database that can't be asked
 * it gives what was last known, null at first: whether it answers at all is for others to tell.
 * @param logins URL of each login
 * @param accepted faults not to speak of
 */
export function watchSafety(
  logins: Readonly<Record<'append' | 'read', string>>,
  accepted: readonly DatabaseFault[],
): () => Promise<Verdict | null> {
  let known: Promise<Verdict | null> = Promise.resolve(null);
  let lookedAt = Number.NEGATIVE_INFINITY;
  const look = async (): Promise<Verdict> => {
    const [append, read] = await Promise.all([
      databaseSafety(logins.append, 'append'),
      databaseSafety(logins.read, 'read'),
    ]);
    const faults = new Set([...append.faults, ...read.faults].map(({ fault }) => fault));
    return {
      faults: [...faults].filter((fault) => !accepted.includes(fault)),
      survivesFailover: append.survivesFailover,
    };
  };
  return () => {
    if (performance.now() - lookedAt < LOOK_EVERY_MS) return known;
    lookedAt = performance.now();
    const before = known;
    known = look().catch(() => before);
    return known;
  };
}
