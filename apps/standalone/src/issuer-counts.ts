import type { IssuerCounts } from '@ideogate/issuer';

/** What processes of the issuer have done together; where the second runs, its standing is the one that holds. */
export function addedCounts(before: IssuerCounts | null, now: IssuerCounts | null): IssuerCounts | null {
  if (before === null) return now;
  if (now === null) return { ...before, connections: 0, inFlight: 0 };
  return {
    tokens: before.tokens + now.tokens,
    connectionsEnded: before.connectionsEnded + now.connectionsEnded,
    refusals: added(before.refusals, now.refusals),
    authenticationFailures: added(before.authenticationFailures, now.authenticationFailures),
    connections: now.connections,
    inFlight: now.inFlight,
  };
}

function added<Name extends string>(
  one: Readonly<Record<Name, number>>,
  other: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> {
  const names = Object.keys(one) as Name[]; // as: both have the same names
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as Record<Name, number>; // as: one entry per name
}
