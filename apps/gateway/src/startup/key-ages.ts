import type { EnvironmentPolicy } from '@ideogate/policy';
import { ageOfKey, type AgeVerdict, type KeyRing } from '@ideogate/upstream-keys';
import type { Log } from '../context.ts';
import type { KeyAgeInSight } from '../metrics.ts';

/** A key in use, and since when it is known. */
export interface KeySince {
  readonly id: string;
  readonly slot: string;
  readonly since: Date;
}

const LOOK_MS = 60_000;
/** A key that is due is told of again each day. */
const TELL_MS = 86_400_000;

/**
 * Watches how old the keys in use are: tells of those that are due or over, and where policy says so lets no call go out
 * with one that is over.
 */
export function watchKeyAges(options: {
  readonly policy: EnvironmentPolicy['keys'];
  readonly ring: KeyRing;
  readonly keys: () => readonly KeySince[];
  readonly log: Log;
  readonly now: () => Date;
}): { ages(): readonly KeyAgeInSight[]; look(): void; stop(): void } {
  const { policy, ring, keys, log, now } = options;
  const { maxAgeDays, atMaxAge } = policy;
  const told = new Map<string, { verdict: AgeVerdict; at: number }>();

  function look(): void {
    const over: string[] = [];
    for (const { id, slot, since } of keys()) {
      const { days, verdict } = ageOfKey(since, now(), maxAgeDays);
      if (verdict === 'over') over.push(id);
      const last = told.get(id);
      if (verdict === 'young' || (last?.verdict === verdict && now().getTime() - last.at < TELL_MS)) continue;
      told.set(id, { verdict, at: now().getTime() });
      log.error(
        { key: id, slot, days, max_days: maxAgeDays },
        verdict === 'due'
          ? 'an Ideogram key is to be replaced soon: ideogate keys rotate'
          : atMaxAge === 'refuse'
            ? 'ALARM: an Ideogram key is too old, and policy refuses calls with it: ideogate keys rotate'
            : 'ALARM: an Ideogram key is too old: ideogate keys rotate',
      );
    }
    ring.refuseTooOld(atMaxAge === 'refuse' ? over : []);
  }

  look();
  const timer = setInterval(look, LOOK_MS);
  timer.unref();
  return {
    look,
    ages: () =>
      keys().map(({ id, slot, since }) => ({
        id,
        slot,
        days: ageOfKey(since, now(), maxAgeDays).days,
        maxDays: maxAgeDays,
      })),
    stop: () => clearInterval(timer),
  };
}
