import { openReadPool } from '@ideogate/audit';
import { recordBegins, scopesUsed } from '@ideogate/audit/query';
import { isReadScope, isWildcard, parseScope, type ScopePattern } from '@ideogate/contract';
import { type EnvironmentPolicy, expandPattern, type Release } from '@ideogate/policy';
import { loginOf } from '../running-product.ts';
import { bounded } from './bounded.ts';
import { fault, type Finding, NO_SETTINGS, ok, unknown, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

const DAY_MS = 86_400_000;
const UNUSED_DAYS = 30;
const PART_MS = 20_000;

/** No environment may grant more than its kind needs, none grants what nobody has, and no grant lies unused. */
export async function scopes(surroundings: Surroundings): Promise<readonly Finding[]> {
  const { config } = surroundings;
  if (config === null) return [NO_SETTINGS];
  const { release } = config;
  const ceilings = [...release.environments.values()].flatMap((policy) => ceilingFindings(release, policy));
  // What the policy says counts, whether the record can be asked or not.
  const unused = await bounded(() => unusedGrants(surroundings, release), PART_MS);
  return [
    ...(ceilings.length > 0
      ? ceilings
      : [
          ok(
            `the ceilings of ${[...release.environments.keys()].join(', ')} are the least: nothing wider than its kind needs, nothing that nobody is granted`,
          ),
        ]),
    ...unused,
  ];
}

function ceilingFindings(release: Release, policy: EnvironmentPolicy): readonly Finding[] {
  const { name, ceiling } = policy;
  const wide = ceiling.patterns.filter((pattern) => isTooWide(name, pattern));
  const granted = new Set(
    release.callers.flatMap(({ grants }) =>
      (grants.get(name)?.patterns ?? []).flatMap((pattern) => expandPattern(release, pattern)),
    ),
  );
  const idle = ceiling.patterns.filter(
    (pattern) =>
      !wide.includes(pattern) && !expandPattern(release, pattern).some((scope) => granted.has(scope)),
  );
  return [
    ...wide.map((pattern) =>
      fault(
        `the ceiling of ${name} has ${pattern} (${ceiling.rules.get(pattern) ?? ceiling.rule}), which is more than ${name} needs`,
        'take it out of the policy, then ideogate policy check and start again',
      ),
    ),
    ...(idle.length === 0
      ? []
      : [
          warning(
            `the ceiling of ${name} has what no caller is granted: ${idle.join(', ')} (${ceiling.rule})`,
            'take it out of the policy, then ideogate policy check and start again',
          ),
        ]),
  ];
}

/** Development reads; staging writes inside limits alone; production has each scope by name. */
function isTooWide(environment: string, pattern: ScopePattern): boolean {
  if (environment === 'production') return isWildcard(pattern);
  const scope = parseScope(pattern);
  if (scope !== undefined) return !isReadScope(scope);
  return environment === 'development' && pattern === 'write:limited';
}

async function unusedGrants({ ready, noted }: Surroundings, release: Release): Promise<readonly Finding[]> {
  if (ready === null || (await noted()) === null)
    return [unknown('which grants are used is in the record, and nothing runs to ask', 'pnpm start')];
  const environment = ready.environment;
  const pool = openReadPool(loginOf(ready, 'read'));
  try {
    const since = new Date(Date.now() - UNUSED_DAYS * DAY_MS);
    const begun = await recordBegins(pool);
    if (begun === null || begun > since)
      return [
        ok(
          `the record of ${environment} begins ${begun?.toISOString().slice(0, 10) ?? 'now'}: too short to say which grants lie unused for ${UNUSED_DAYS} days`,
        ),
      ];
    const granted = release.callers.flatMap(({ subject, issuer, grants, rule }) =>
      (grants.get(environment)?.patterns ?? []).flatMap((pattern) =>
        expandPattern(release, pattern).map((scope) => ({ subject, issuer, scope, pattern, rule })),
      ),
    );
    const used = new Set(await scopesUsed(pool, granted, since));
    const findings = [
      ...Map.groupBy(granted, ({ subject, pattern }) => `${subject} ${pattern}`).values(),
    ].flatMap((group) => {
      const [first] = group;
      const scopesOf = group.filter((each) => used.has(each)).map(({ scope }) => scope);
      if (first === undefined || scopesOf.length === group.length) return [];
      const { subject, pattern, rule } = first;
      if (scopesOf.length === 0)
        return [
          warning(
            `${subject} did not use its grant of ${pattern} in ${environment} for ${UNUSED_DAYS} days (${rule})`,
            'take the grant out of the policy, then ideogate policy check and start again',
          ),
        ];
      return [
        warning(
          `of its grant of ${pattern} in ${environment}, ${subject} used in ${UNUSED_DAYS} days ${scopesOf.join(', ')} alone (${rule})`,
          'grant those by name, then ideogate policy check and start again',
        ),
      ];
    });
    return findings.length > 0
      ? findings
      : [ok(`every grant in ${environment} was used within ${UNUSED_DAYS} days`)];
  } finally {
    await pool.end();
  }
}
