import {
  type Bound,
  type Field,
  isReadScope,
  type Operation,
  type PriceRule,
  parseScope,
} from '@ideogate/contract';

/** The catalogue contradicts itself: nothing may start with it. `faults` names every entry at fault. */
export class CatalogueError extends Error {
  override readonly name = 'CatalogueError';
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`The catalogue of Ideogram operations is not sound:\n${faults.join('\n')}`);
    this.faults = faults;
  }
}

/** The only operations that a `read:` scope opens although they are no GET: they change nothing and cost nothing. */
const FREE_POSTS: ReadonlySet<string> = new Set(['v1.provenance.verify']);

const ID = /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/;
const LITERAL_SEGMENT = /^[A-Za-z0-9._~-]+$/;
const PARAMETER_SEGMENT = /^\{[a-z_]+\}$/;

/**
 * @throws CatalogueError naming every entry that lacks a scope, repeats another, bills for a `read:` scope,
 * bounds or prices by a field it does not have, or can be mistaken for another.
 */
export function checkCatalogue(operations: readonly Operation[]): void {
  const faults = [...operations.flatMap(faultsOf), ...repeats(operations), ...mistakable(operations)];
  if (faults.length > 0) throw new CatalogueError(faults);
}

function faultsOf(operation: Operation): readonly string[] {
  const faults = [
    ...identityFaults(operation),
    ...(operation.closed === null ? scopeFaults(operation) : closedFaults(operation)),
    ...keyFaults(operation),
    ...boundFaults(operation),
    ...priceFaults(operation),
    ...callFaults(operation),
  ];
  return faults.map((fault) => `${operation.id}: ${fault}`);
}

function identityFaults({ id, path }: Operation): readonly string[] {
  const faults: string[] = [];
  if (!ID.test(id)) faults.push('the id is not words of small letters and digits joined by dots or dashes');
  const segments = path.split('/');
  const wellFormed =
    segments.shift() === '' &&
    segments.every((segment) => PARAMETER_SEGMENT.test(segment) || isPlainSegment(segment));
  if (!wellFormed) faults.push(`the path template ${path} is malformed`);
  return faults;
}

function scopeFaults(operation: Operation): readonly string[] {
  const { scope } = operation;
  if (scope === null) return ['an open operation needs a scope'];
  if (parseScope(scope) === undefined) return [`there is no scope ${scope}`];
  if (!isReadScope(scope)) {
    return operation.capability === 'read' ? ['a write operation may not use the read key'] : [];
  }
  const faults: string[] = [];
  if (operation.price.kind !== 'free') faults.push(`${scope} may not cost money`);
  if (operation.method !== 'GET' && !FREE_POSTS.has(operation.id)) {
    faults.push(`${scope} may not change anything, so the method must be GET`);
  }
  if (operation.capability === 'write') faults.push(`${scope} may not use the write key`);
  return faults;
}

function closedFaults(operation: Operation): readonly string[] {
  const faults: string[] = [];
  if (operation.scope !== null) faults.push('a closed operation may not have a scope');
  if (operation.capability !== 'none') faults.push('a closed operation may not use a key');
  if (operation.limited !== null) faults.push('a closed operation may not have limited bounds');
  return faults;
}

function keyFaults({ capability, keyRefusedStatus }: Operation): readonly string[] {
  if (capability === 'none') {
    return keyRefusedStatus.length === 0 ? [] : ['no key is sent, so no status can say that it is bad'];
  }
  return keyRefusedStatus.length > 0 ? [] : ['no status is named that says that the key is bad'];
}

function boundFaults({ limited, fields, scope }: Operation): readonly string[] {
  if (limited === null) return [];
  if (fields === null) return ['limited bounds need known fields'];
  if (scope !== null && isReadScope(scope)) return ['limited bounds are for write operations'];
  const names = limited.map((bound) => bound.field);
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  return [
    ...twice.map((name) => `${name} is bounded twice`),
    ...limited.flatMap((bound) => boundFault(bound, fieldAt(fields, bound.field))),
  ];
}

function boundFault(bound: Bound, field: Field | undefined): readonly string[] {
  if (field === undefined) return [`the limited bound names an unknown field ${bound.field}`];
  if ('forbidden' in bound) return field.required ? [`${bound.field} is required, yet forbidden`] : [];
  if ('max' in bound) {
    if (field.type !== 'integer' && field.type !== 'number') return [`${bound.field} is no number`];
    return sameDefault(field, bound.absent);
  }
  const unknown = bound.oneOf.filter((value) => field.enum !== undefined && !field.enum.includes(value));
  return [
    ...(field.type === 'string' ? [] : [`${bound.field} is no string`]),
    ...(bound.oneOf.length === 0 ? [`${bound.field} has no allowed value`] : []),
    ...unknown.map((value) => `${bound.field} never has the value ${value}`),
    ...sameDefault(field, bound.absent),
  ];
}

/** A bound that took an absent field for another value than Ideogram does would let the dear one through. */
function sameDefault(field: Field, absent: string | number | undefined): readonly string[] {
  if (absent === undefined || absent === field.default) return [];
  return [`${field.name} absent does not mean ${absent}`];
}

function priceFaults({ price, fields }: Operation): readonly string[] {
  return ruleFields(price)
    .filter((path) => fields === null || fieldAt(fields, path) === undefined)
    .map((path) => `the price hangs on an unknown field ${path}`);
}

function callFaults({ dryRun, query, asynchronous, fields }: Operation): readonly string[] {
  const faults: string[] = [];
  if (dryRun !== query.some((field) => field.name === 'dry_run')) {
    faults.push('dryRun and the query parameter dry_run disagree');
  }
  if (asynchronous === 'optional' && fields !== null && fieldAt(fields, 'async') === undefined) {
    faults.push('asynchronous on demand, but there is no field async');
  }
  return faults;
}

function repeats(operations: readonly Operation[]): readonly string[] {
  const ids = new Set<string>();
  const routes = new Map<string, string>();
  return operations.flatMap(({ id, method, path }) => {
    const faults: string[] = [];
    if (ids.has(id)) faults.push(`${id}: the id is used twice`);
    const other = routes.get(`${method} ${path}`);
    if (other !== undefined) faults.push(`${id}: ${method} ${path} is ${other} already`);
    ids.add(id);
    routes.set(`${method} ${path}`, id);
    return faults;
  });
}

function mistakable(operations: readonly Operation[]): readonly string[] {
  const templates = [...new Map(operations.map((operation) => [operation.path, operation.id]))];
  return templates.flatMap(([path, id], at) =>
    templates
      .slice(at + 1)
      .filter(([other]) => canMatchOnePath(path, other))
      .map(([other, otherId]) => `${id}: ${path} and ${other} (${otherId}) can match one path`),
  );
}

function canMatchOnePath(one: string, other: string): boolean {
  const left = one.split('/');
  const right = other.split('/');
  return (
    left.length === right.length &&
    left.every((segment, at) => {
      const opposite = right[at] ?? '';
      return segment === opposite || PARAMETER_SEGMENT.test(segment) || PARAMETER_SEGMENT.test(opposite);
    })
  );
}

/**
 * One non-empty segment of unreserved characters (RFC 3986 section 2.3) that is no dot segment: the only kind
 * that has one meaning, and the only kind a `{parameter}` takes.
 */
export function isPlainSegment(segment: string): boolean {
  return LITERAL_SEGMENT.test(segment) && segment !== '.' && segment !== '..';
}

/** The field at a path of member names, e.g. `image_request.num_images`, or undefined. */
export function fieldAt(fields: readonly Field[], path: string): Field | undefined {
  const [name, ...rest] = path.split('.');
  const field = fields.find((candidate) => candidate.name === name);
  return rest.length === 0 || field === undefined ? field : fieldAt(field.fields ?? [], rest.join('.'));
}

/** The request fields that a price rule looks at, `num_images` apart. */
export function ruleFields(price: PriceRule): readonly string[] {
  if (price.kind !== 'per-image-by-field') return [];
  return [
    price.by,
    ...(price.tables === undefined ? [] : [price.tables.by]),
    ...(price.surcharge?.fields ?? []),
  ];
}
