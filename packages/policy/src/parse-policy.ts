import {
  didYouMean,
  ENVIRONMENTS,
  type EnvironmentName,
  isEnvironmentName,
  isLoopback,
  isReadScope,
  isWildcard,
  type Operation,
  parseScope,
  parseScopePattern,
  SCOPE_NAMES,
  type ScopeName,
  type ScopePattern,
  WILDCARDS,
} from '@ideogate/contract';
import { compareFaults, type PolicyFault } from './policy-fault.ts';
import {
  FaultList,
  type Place,
  type PolicyEntry,
  type PolicyNode,
  quote,
  readPolicyYaml,
  ruleAt,
} from './policy-yaml.ts';
import {
  type CallerPolicy,
  type EnvironmentPolicy,
  PROMPTS,
  type Prompts,
  type Release,
  type Retention,
  releaseId,
  type Scopes,
} from './release.ts';
import { expand, overlap } from './scope-patterns.ts';

export interface PolicyFile {
  /** As faults and rules name it. */
  readonly name: string;
  readonly text: string;
}

export type ParsedPolicy =
  | { readonly ok: true; readonly release: Release }
  | { readonly ok: false; readonly faults: readonly PolicyFault[] };

/** Ceilings where the policy sets none. Production has no default: its list is always explicit. */
const DEFAULT_CEILINGS: Readonly<Record<EnvironmentName, readonly ScopePattern[] | null>> = {
  development: ['read:*'],
  staging: ['read:*', 'write:limited'],
  production: null,
};
const ALL_PATTERNS: readonly string[] = [...WILDCARDS, ...SCOPE_NAMES];
/** PCI DSS 4.0.1, requirement 10.5.1: twelve months, the last three at once. */
const LEAST_RETENTION: Retention = { months: 12, inDatabase: 3 };
const MAX_MONTHS = 600;
const DEFAULT_MAX_AGE_DAYS = 90;
const MAX_SUBJECT = 255;
const MAX_DESCRIPTION = 500;
const MAX_FILES = 100;
const ENVIRONMENT_SETTINGS = ['identifier', 'upstream', 'ceiling', 'keys', 'retention', 'record'];

/** A list of scopes, with places for faults that only show when all files are read. */
interface PlacedScopes extends Scopes {
  readonly at: Place | null;
  readonly places: ReadonlyMap<ScopePattern, Place>;
}

interface PlacedEnvironment extends EnvironmentPolicy {
  readonly at: Place;
  readonly identifierAt: Place;
  readonly ceiling: PlacedScopes;
}

interface PlacedCaller extends CallerPolicy {
  readonly at: Place;
  readonly grants: ReadonlyMap<EnvironmentName, PlacedScopes>;
}

interface ScopeChange {
  readonly at: Place;
  readonly scope: ScopeName;
}

/** What the files say, before it is known to fit together. */
interface Draft {
  readonly faults: FaultList;
  readonly catalogue: ReadonlyMap<string, Operation>;
  readonly environments: Map<EnvironmentName, PlacedEnvironment>;
  readonly callers: PlacedCaller[];
  readonly changes: Map<string, ScopeChange>;
}

/**
 * Reads one policy from one or more YAML files. Files are merged; what is declared twice, in one file or in two,
 * is a fault. Gives the release, or every fault of every file, in order.
 */
export function parsePolicy(files: readonly PolicyFile[], catalogue: readonly Operation[]): ParsedPolicy {
  const draft: Draft = {
    faults: new FaultList(),
    catalogue: new Map(catalogue.map((operation) => [operation.id, operation])),
    environments: new Map(),
    callers: [],
    changes: new Map(),
  };
  const { faults } = draft;
  const readable = readFiles(files, draft);
  const operations = catalogue.map((operation) => {
    const change = draft.changes.get(operation.id);
    return change === undefined ? operation : { ...operation, scope: change.scope };
  });
  // With a file unread, its declarations would look missing: those faults would be noise.
  if (readable) checkTogether(draft, operations, files[0]?.name ?? 'policy');
  if (faults.all.length > 0) return { ok: false, faults: [...faults.all].sort(compareFaults) };
  return {
    ok: true,
    release: {
      id: releaseId(files),
      environments: draft.environments,
      callers: draft.callers,
      operations,
      operationsById: new Map(operations.map((operation) => [operation.id, operation])),
      callersBySubject: Map.groupBy(draft.callers, (caller) => caller.subject),
    },
  };
}

/** Reads each file into the draft; false when any could not be read to its end. */
function readFiles(files: readonly PolicyFile[], draft: Draft): boolean {
  const { faults } = draft;
  const names = new Set<string>();
  let readable = true;
  if (files.length > MAX_FILES) {
    faults.add({ file: 'policy', line: 1, column: 1 }, `more than ${MAX_FILES} policy files`);
    return false;
  }
  for (const { name, text } of files) {
    if (names.has(name)) faults.add({ file: name, line: 1, column: 1 }, 'this file is given twice');
    names.add(name);
    const root = readPolicyYaml(name, text, faults);
    if (root === null) readable = false;
    else readRoot(root, draft);
  }
  return readable;
}

function readRoot(root: PolicyNode, draft: Draft): void {
  const { faults } = draft;
  const top = members(root, 'a policy file', ['environments', 'callers', 'operations'], faults);
  const environments = top.get('environments');
  if (environments !== undefined) {
    for (const entry of mapEntries(environments.value, 'environments', faults)) readEnvironment(entry, draft);
  }
  const callers = top.get('callers');
  if (callers !== undefined) {
    for (const item of listItems(callers.value, 'callers', faults)) readCaller(item, draft);
  }
  const operations = top.get('operations');
  if (operations !== undefined) {
    for (const entry of mapEntries(operations.value, 'operations', faults)) readScopeChange(entry, draft);
  }
}

function readEnvironment(entry: PolicyEntry, draft: Draft): void {
  const { faults, environments } = draft;
  const name = entry.key;
  if (!isEnvironmentName(name)) {
    faults.addUnknown(entry.at, 'environment', name, ENVIRONMENTS);
    return;
  }
  const settings =
    entry.value.kind === 'empty'
      ? new Map<string, PolicyEntry>()
      : members(entry.value, `environment ${name}`, ENVIRONMENT_SETTINGS, faults);
  const identifier = settings.get('identifier');
  const keys = settings.get('keys');
  const ceiling = settings.get('ceiling');
  const first = environments.get(name);
  if (first !== undefined) {
    faults.add(entry.at, `environment ${name} is declared already, at ${ruleAt(first.at)}`);
  }
  const environment: PlacedEnvironment = {
    name,
    at: entry.at,
    identifier: identifier === undefined ? null : readOrigin(identifier, faults),
    identifierAt: identifier?.at ?? entry.at,
    upstream: readOptionalOrigin(settings.get('upstream'), faults),
    ceiling:
      ceiling === undefined ? defaultCeiling(name, entry.at, faults) : readScopes(ceiling, name, faults),
    keys: readKeys(keys, faults),
    retention: readRetention(settings.get('retention'), faults),
    prompts: readPrompts(settings.get('record'), faults),
  };
  if (first === undefined) environments.set(name, environment);
}

function defaultCeiling(name: EnvironmentName, at: Place, faults: FaultList): PlacedScopes {
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
    places: new Map(),
  };
}

/** Where keys come from: names of environment variables. A value that is no such name is never shown. */
function readKeys(entry: PolicyEntry | undefined, faults: FaultList): EnvironmentPolicy['keys'] {
  const names = ['read', 'write', 'max_age_days', 'at_max_age'];
  const settings =
    entry === undefined ? new Map<string, PolicyEntry>() : members(entry.value, 'keys', names, faults);
  return {
    read: readKeyName(settings.get('read'), faults),
    write: readKeyName(settings.get('write'), faults),
    maxAgeDays: readMaxAge(settings.get('max_age_days'), faults),
    atMaxAge: readAtMaxAge(settings.get('at_max_age'), faults),
  };
}

function readMaxAge(entry: PolicyEntry | undefined, faults: FaultList): number {
  if (entry === undefined) return DEFAULT_MAX_AGE_DAYS;
  const { value } = entry;
  const days = value.kind === 'number' && /^[1-9][0-9]{0,3}$/.test(value.text) ? Number(value.text) : 0;
  if (days >= 1 && days <= 3650) return days;
  faults.add(value.at, 'max_age_days must be a number of days from 1 to 3650');
  return DEFAULT_MAX_AGE_DAYS;
}

function readAtMaxAge(entry: PolicyEntry | undefined, faults: FaultList): 'warn' | 'refuse' {
  if (entry === undefined) return 'warn';
  const { value } = entry;
  if (value.kind === 'text' && (value.text === 'warn' || value.text === 'refuse')) return value.text;
  faults.add(value.at, 'at_max_age must be warn or refuse');
  return 'warn';
}

function readKeyName(entry: PolicyEntry | undefined, faults: FaultList): string | null {
  if (entry === undefined) return null;
  const { value } = entry;
  // Without an underscore, a long run of capitals and digits is more likely a key than a name.
  if (value.kind === 'text' && /^(?=.{1,64}$)(?!.*[A-Z0-9]{25})[A-Z][A-Z0-9_]*$/.test(value.text)) {
    return value.text;
  }
  faults.add(
    value.at,
    `keys.${entry.key} must be the name of an environment variable, such as IDEOGRAM_READ_KEY; never write a key here`,
  );
  return null;
}

/** A number below the least is taken only with the reason in words beside it. */
function readRetention(entry: PolicyEntry | undefined, faults: FaultList): Retention {
  if (entry === undefined) return LEAST_RETENTION;
  const settings = members(entry.value, 'retention', ['months', 'in_database', 'shorter_because'], faults);
  const because = settings.get('shorter_because');
  const saysWhy = because !== undefined && readReason(because, faults);
  const read = (name: 'months' | 'in_database', least: number) => {
    const setting = settings.get(name);
    const months = setting === undefined ? null : readMonths(setting, faults);
    if (setting !== undefined && months !== null && months < least && !saysWhy) {
      faults.add(
        setting.value.at,
        `${name} is ${months}, and PCI DSS 10.5.1 asks for at least ${least}: if less is right here, say why in shorter_because`,
      );
    }
    return months ?? least;
  };
  const months = read('months', LEAST_RETENTION.months);
  const inDatabase = read('in_database', LEAST_RETENTION.inDatabase);
  if (inDatabase > months)
    faults.add(entry.at, `in_database is ${inDatabase}, more than the ${months} months kept in all`);
  return { months, inDatabase };
}

function readMonths(entry: PolicyEntry, faults: FaultList): number | null {
  const { value } = entry;
  const months = value.kind === 'number' && /^[1-9][0-9]{0,2}$/.test(value.text) ? Number(value.text) : 0;
  if (months >= 1 && months <= MAX_MONTHS) return months;
  faults.add(value.at, `${entry.key} must be a number of months from 1 to ${MAX_MONTHS}`);
  return null;
}

function readReason(entry: PolicyEntry, faults: FaultList): boolean {
  const text = readText(entry, faults);
  if (text === null) return false;
  if (text.trim().length >= 10) return true;
  faults.add(entry.value.at, `${entry.key} must say why, for the auditor who reads it`);
  return false;
}

/** What the record keeps of prompts; nobody's text unless the policy says so in so many words. */
function readPrompts(entry: PolicyEntry | undefined, faults: FaultList): Prompts {
  if (entry === undefined) return 'digest';
  const prompts = members(entry.value, 'record', ['prompts'], faults).get('prompts');
  if (prompts === undefined) return 'digest';
  const text = readText(prompts, faults);
  const known = PROMPTS.find((word) => word === text);
  if (known === undefined && text !== null)
    faults.addUnknown(prompts.value.at, 'word for prompts:', text, PROMPTS);
  return known ?? 'digest';
}

function readOptionalOrigin(entry: PolicyEntry | undefined, faults: FaultList): string | null {
  return entry === undefined ? null : readOrigin(entry, faults);
}

/** An origin in its one spelling (RFC 6454 section 6.2): https, or http to a loopback address. */
function readOrigin(entry: PolicyEntry, faults: FaultList): string | null {
  const url = readUrl(entry, faults);
  if (url === null) return null;
  if (url.text !== url.parsed.origin) {
    faults.add(
      entry.value.at,
      `${entry.key} must be an origin, without path or trailing slash`,
      url.parsed.origin,
    );
    return null;
  }
  return url.text;
}

/** An issuer identifier (RFC 8414 section 2): no query, no fragment. Compared character for character. */
function readIssuer(entry: PolicyEntry, faults: FaultList): string | null {
  return readUrl(entry, faults)?.text ?? null;
}

function readUrl(
  entry: PolicyEntry,
  faults: FaultList,
): { readonly text: string; readonly parsed: URL } | null {
  const text = readText(entry, faults);
  if (text === null) return null;
  const parsed = URL.canParse(text) ? new URL(text) : null;
  const secure =
    parsed?.protocol === 'https:' || (parsed?.protocol === 'http:' && isLoopback(parsed.hostname));
  if (parsed === null || !secure) {
    faults.add(entry.value.at, `${entry.key} must be an https:// URL (http:// only to a loopback address)`);
    return null;
  }
  if (parsed.username !== '' || parsed.password !== '' || /[?#]/.test(text)) {
    faults.add(entry.value.at, `${entry.key} must not hold user, password, query or fragment`);
    return null;
  }
  return { text, parsed };
}

function readCaller(node: PolicyNode, draft: Draft): void {
  const { faults } = draft;
  const settings = members(node, 'a caller', ['subject', 'issuer', 'description', 'grants'], faults);
  if (node.kind !== 'map') return;
  const subjectEntry = settings.get('subject');
  const issuerEntry = settings.get('issuer');
  const subject = subjectEntry === undefined ? null : readSubject(subjectEntry, faults);
  if (subjectEntry === undefined) faults.add(node.at, 'a caller needs a subject');
  const grants = readGrants(settings.get('grants'), node.at, faults);
  const issuer = issuerEntry === undefined ? null : readIssuer(issuerEntry, faults);
  const description = readDescription(settings.get('description'), faults);
  // An issuer that cannot be read must not widen the entry to every issuer.
  if (subject === null || (issuerEntry !== undefined && issuer === null)) return;
  const at = subjectEntry?.at ?? node.at;
  draft.callers.push({ subject, issuer, description, rule: ruleAt(at), grants, at });
}

function readSubject(entry: PolicyEntry, faults: FaultList): string | null {
  const text = readText(entry, faults);
  if (text === null) return null;
  if (text.length <= MAX_SUBJECT && text !== '' && text === text.trim() && !/[\r\n\t]/.test(text))
    return text;
  faults.add(
    entry.value.at,
    `subject must be 1 to ${MAX_SUBJECT} characters on one line, without space around it`,
  );
  return null;
}

function readDescription(entry: PolicyEntry | undefined, faults: FaultList): string | null {
  const text = entry === undefined ? null : readText(entry, faults);
  if (entry !== undefined && text !== null && text.length > MAX_DESCRIPTION) {
    faults.add(entry.value.at, `description is longer than ${MAX_DESCRIPTION} characters`);
  }
  return text;
}

function readGrants(
  entry: PolicyEntry | undefined,
  callerAt: Place,
  faults: FaultList,
): ReadonlyMap<EnvironmentName, PlacedScopes> {
  const grants = new Map<EnvironmentName, PlacedScopes>();
  if (entry === undefined) {
    faults.add(callerAt, 'a caller needs grants');
    return grants;
  }
  for (const grant of mapEntries(entry.value, 'grants', faults)) {
    if (isEnvironmentName(grant.key)) grants.set(grant.key, readScopes(grant, grant.key, faults));
    else faults.addUnknown(grant.at, 'environment', grant.key, ENVIRONMENTS);
  }
  return grants;
}

/** A list of scopes. In production a wildcard is a fault: what it stands for changes with the catalogue. */
function readScopes(entry: PolicyEntry, environment: EnvironmentName, faults: FaultList): PlacedScopes {
  const places = new Map<ScopePattern, Place>();
  for (const item of listItems(entry.value, entry.key, faults)) {
    if (item.kind !== 'text') {
      faults.add(item.at, `expected a scope, found ${nameOf(item)}`);
      continue;
    }
    const pattern = parseScopePattern(item.text);
    if (pattern === undefined) {
      faults.add(item.at, `unknown scope ${quote(item.text)}`, suggestScope(item.text));
    } else if (places.has(pattern)) {
      faults.add(item.at, `${pattern} is listed twice`);
    } else {
      places.set(pattern, item.at);
      if (environment === 'production' && isWildcard(pattern)) {
        faults.add(item.at, `${pattern} is not allowed in production: list the scopes one by one`);
      }
    }
  }
  return {
    patterns: [...places.keys()],
    rule: ruleAt(entry.at),
    rules: new Map([...places].map(([pattern, at]) => [pattern, ruleAt(at)])),
    at: entry.at,
    places,
  };
}

function suggestScope(written: string): string | undefined {
  return written === 'write:*' ? 'write:limited' : didYouMean(written, ALL_PATTERNS);
}

/** One change to the operation → scope map. It may narrow or rename, never open or cheapen. */
function readScopeChange(entry: PolicyEntry, draft: Draft): void {
  const { faults, catalogue, changes } = draft;
  const operation = catalogue.get(entry.key);
  const settings = members(entry.value, `operation ${quote(entry.key)}`, ['scope'], faults);
  if (operation === undefined) {
    faults.addUnknown(entry.at, 'operation', entry.key, [...catalogue.keys()]);
    return;
  }
  if (operation.closed !== null || operation.scope === null) {
    faults.add(entry.at, `${operation.id} is closed: no scope opens it`);
    return;
  }
  const scopeEntry = settings.get('scope');
  if (scopeEntry === undefined) {
    if (entry.value.kind === 'map') faults.add(entry.at, `operation ${operation.id} needs a scope`);
    return;
  }
  const text = readText(scopeEntry, faults);
  if (text === null) return;
  const scope = parseScope(text);
  const first = changes.get(operation.id);
  if (scope === undefined) {
    faults.add(scopeEntry.value.at, `unknown scope ${quote(text)}`, didYouMean(text, SCOPE_NAMES));
  } else if (isReadScope(scope) && !isReadScope(operation.scope)) {
    faults.add(
      scopeEntry.value.at,
      `${operation.id} changes something or costs money, so it cannot need a read: scope`,
    );
  } else if (!isReadScope(scope) && isReadScope(operation.scope)) {
    faults.add(scopeEntry.value.at, `${operation.id} only reads, so it cannot need a write: scope`);
  } else if (first !== undefined) {
    faults.add(entry.at, `the scope of ${operation.id} is changed already, at ${ruleAt(first.at)}`);
  } else {
    changes.set(operation.id, { at: entry.at, scope });
  }
}

/** Faults that no single entry shows. */
function checkTogether(draft: Draft, operations: readonly Operation[], firstFile: string): void {
  const { faults, environments, callers } = draft;
  if (environments.size === 0 && faults.all.length === 0) {
    faults.add({ file: firstFile, line: 1, column: 1 }, 'no environment is declared');
  }
  const identifiers = new Map<string, PlacedEnvironment>();
  for (const environment of environments.values()) {
    if (environment.identifier === null) continue;
    const other = identifiers.get(environment.identifier);
    if (other === undefined) {
      identifiers.set(environment.identifier, environment);
    } else {
      faults.add(
        environment.identifierAt,
        `${environment.name} and ${other.name} (${ruleAt(other.identifierAt)}) have one identifier: a token for one would be good in the other`,
      );
    }
  }
  for (const [subject, entries] of Map.groupBy(callers, (caller) => caller.subject)) {
    checkOverlaps(subject, entries, faults);
  }
  for (const caller of callers) checkGrants(caller, environments, operations, faults);
}

function checkOverlaps(subject: string, entries: readonly PlacedCaller[], faults: FaultList): void {
  for (const [index, entry] of entries.entries()) {
    const earlier = entries
      .slice(0, index)
      .find((other) => other.issuer === null || entry.issuer === null || other.issuer === entry.issuer);
    if (earlier !== undefined) {
      faults.add(
        entry.at,
        `caller ${quote(subject)} is declared already for the same issuer, at ${earlier.rule}`,
      );
    }
  }
}

/** A grant must be for a declared environment, and each of its scopes must have some effect under the ceiling. */
function checkGrants(
  caller: PlacedCaller,
  environments: ReadonlyMap<EnvironmentName, PlacedEnvironment>,
  operations: readonly Operation[],
  faults: FaultList,
): void {
  for (const [name, grant] of caller.grants) {
    const environment = environments.get(name);
    if (environment === undefined) {
      faults.add(grant.at ?? caller.at, `environment ${name} is not declared`);
      continue;
    }
    for (const [pattern, at] of grant.places) {
      const { ceiling } = environment;
      if (expand(operations, pattern).length === 0) {
        faults.add(at, `${pattern} stands for no scope in this catalogue`);
      } else if (overlap(operations, ceiling.patterns, [pattern]).length === 0) {
        faults.add(
          at,
          `${pattern} is outside the ceiling of ${name} (${ceiling.rule}), so it can never apply`,
        );
      }
    }
  }
}

/** The members of a map by name; unknown names, and a value that is no map, are faults. */
function members(
  node: PolicyNode,
  what: string,
  known: readonly string[],
  faults: FaultList,
): ReadonlyMap<string, PolicyEntry> {
  const found = new Map<string, PolicyEntry>();
  for (const entry of mapEntries(node, what, faults)) {
    if (known.includes(entry.key)) found.set(entry.key, entry);
    else faults.addUnknown(entry.at, `setting in ${what}:`, entry.key, known);
  }
  return found;
}

/** Entries of a map, the first of each key; a repeated key is a fault already. */
function mapEntries(node: PolicyNode, what: string, faults: FaultList): readonly PolicyEntry[] {
  if (node.kind === 'map') {
    const first = new Map<string, PolicyEntry>();
    for (const entry of node.entries) if (!first.has(entry.key)) first.set(entry.key, entry);
    return [...first.values()];
  }
  faults.add(node.at, `${what} must be a map, found ${nameOf(node)}`);
  return [];
}

function listItems(node: PolicyNode, what: string, faults: FaultList): readonly PolicyNode[] {
  if (node.kind === 'list') return node.items;
  faults.add(node.at, `${what} must be a list, found ${nameOf(node)}`);
  return [];
}

function readText(entry: PolicyEntry, faults: FaultList): string | null {
  if (entry.value.kind === 'text') return entry.value.text;
  const hint = entry.value.kind === 'other' || entry.value.kind === 'number' ? ' (put it in quotes)' : '';
  faults.add(entry.value.at, `${entry.key} must be text, found ${nameOf(entry.value)}${hint}`);
  return null;
}

const KIND_NAMES = {
  text: 'text',
  number: 'a number',
  list: 'a list',
  map: 'a map',
  empty: 'nothing',
} as const;

function nameOf(node: PolicyNode): string {
  return node.kind === 'other' ? node.name : KIND_NAMES[node.kind];
}
