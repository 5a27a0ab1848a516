import { type EnvironmentName, isEnvironmentName } from '@ideogate/contract';
import type { DraftScopes, PolicyDraft } from './policy-draft.ts';
import { ruleAt } from './policy-fault.ts';
import type { CallerEntry } from './policy-schema.ts';
import { readIssuer } from './read-url.ts';
import { readScopes } from './read-scopes.ts';

/** Adds a caller to the draft, where it has a subject and its issuer can be read. */
export function readCaller(entry: CallerEntry, { faults, callers }: PolicyDraft): void {
  if (entry.value === null) return;
  const { subject, issuer: writtenIssuer, description, grants: writtenGrants } = entry.value;
  if (subject === undefined) faults.add(entry.at, 'a caller needs a subject');
  if (writtenGrants === undefined) faults.add(entry.at, 'a caller needs grants');
  const grants = new Map<EnvironmentName, DraftScopes>();
  for (const [name, grant] of Object.entries(writtenGrants?.value ?? {})) {
    if (isEnvironmentName(name)) grants.set(name, readScopes(name, grant, faults));
  }
  const issuer = writtenIssuer === undefined ? null : readIssuer('issuer', writtenIssuer, faults);
  // An issuer that cannot be read must not widen the entry to every issuer.
  if (subject === undefined || subject.value === null || (writtenIssuer !== undefined && issuer === null))
    return;
  callers.push({
    subject: subject.value,
    issuer,
    description: description?.value ?? null,
    rule: ruleAt(subject.keyAt),
    grants,
    at: subject.keyAt,
  });
}
