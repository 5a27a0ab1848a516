import type { EnvironmentName } from '@ideogate/contract';
import type { EnvironmentPolicy, Prompts, Retention } from '../release.ts';
import { PROMPTS } from '../release.ts';
import type { DraftEnvironment, DraftScopes, PolicyDraft } from './policy-draft.ts';
import { type FaultList, type Position, ruleAt } from './policy-fault.ts';
import {
  DEFAULT_CEILINGS,
  DEFAULT_KEY_AGE,
  type EnvironmentEntry,
  type EnvironmentSettings,
  LEAST_RETENTION,
} from './policy-schema.ts';
import { readOrigin } from './read-url.ts';
import { readScopes } from './read-scopes.ts';

/** Adds an environment to the draft, with defaults for what it doesn't set. */
export function readEnvironment(name: EnvironmentName, entry: EnvironmentEntry, draft: PolicyDraft): void {
  const { faults, environments } = draft;
  const settings: EnvironmentSettings = entry.value ?? {};
  const { identifier, upstream, ceiling } = settings;
  const first = environments.get(name);
  if (first !== undefined) {
    faults.add(entry.keyAt, `environment ${name} is declared already, at ${ruleAt(first.at)}`);
  }
  const environment: DraftEnvironment = {
    name,
    at: entry.keyAt,
    identifier: identifier === undefined ? null : readOrigin('identifier', identifier, faults),
    identifierAt: identifier?.keyAt ?? entry.keyAt,
    upstream: upstream === undefined ? null : readOrigin('upstream', upstream, faults),
    ceiling:
      ceiling === undefined ? defaultCeiling(name, entry.keyAt, faults) : readScopes(name, ceiling, faults),
    keys: keysOf(settings),
    retention: readRetention(settings, faults),
    prompts: readPrompts(settings, faults),
  };
  if (first === undefined) environments.set(name, environment);
}

function defaultCeiling(name: EnvironmentName, at: Position, faults: FaultList): DraftScopes {
  const patterns = DEFAULT_CEILINGS[name];
  const rule = `default ceiling of ${name}`;
  if (patterns === null) {
    faults.add(at, `${name} has no default ceiling: list the scopes it may ever grant`);
  }
  return {
    patterns: patterns ?? [],
    rule,
    rules: new Map((patterns ?? []).map((pattern) => [pattern, rule])),
    at: null,
    positions: new Map(),
  };
}

function keysOf({ keys }: EnvironmentSettings): EnvironmentPolicy['keys'] {
  const { read, write, max_age_days: maxAgeDays, at_max_age: atMaxAge } = keys?.value ?? {};
  return {
    read: read?.value ?? null,
    write: write?.value ?? null,
    maxAgeDays: maxAgeDays?.value ?? DEFAULT_KEY_AGE.maxAgeDays,
    atMaxAge: atMaxAge?.value ?? DEFAULT_KEY_AGE.atMaxAge,
  };
}

/** A number below the least is taken only with the reason in words beside it. */
function readRetention({ retention }: EnvironmentSettings, faults: FaultList): Retention {
  const settings = retention?.value ?? {};
  const saysWhy = typeof settings.shorter_because?.value === 'string';
  const read = (name: 'months' | 'in_database', least: number) => {
    const setting = settings[name];
    const months = setting?.value ?? least;
    if (setting !== undefined && months < least && !saysWhy) {
      faults.add(
        setting.at,
        `${name} is ${months}, and PCI DSS 10.5.1 asks for at least ${least}: if less is right here, say why in shorter_because`,
      );
    }
    return months;
  };
  const months = read('months', LEAST_RETENTION.months);
  const inDatabase = read('in_database', LEAST_RETENTION.inDatabase);
  if (retention !== undefined && inDatabase > months) {
    faults.add(retention.keyAt, `in_database is ${inDatabase}, more than the ${months} months kept in all`);
  }
  return { months, inDatabase };
}

/** What the record keeps of prompts; nobody's text unless the policy says so in so many words. */
function readPrompts({ record }: EnvironmentSettings, faults: FaultList): Prompts {
  const written = record?.value?.prompts;
  const text = written?.value ?? null;
  const known = PROMPTS.find((word) => word === text);
  if (written !== undefined && text !== null && known === undefined) {
    faults.addUnknown(written.at, 'word for prompts:', text, PROMPTS);
  }
  return known ?? 'digest';
}
