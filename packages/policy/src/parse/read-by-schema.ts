import { type FaultList, type Position, quote } from './policy-fault.ts';
import type { PolicyNode } from './policy-yaml.ts';

/** A value of a file, with where it stands. */
export interface Positioned<Schema> {
  /** Where its key stands. An item of a list has none: there it is the same as `at`. */
  readonly keyAt: Position;
  readonly at: Position;
  /** Null where the file has nothing, or not what the schema asks for: then there is a fault. */
  readonly value: Shaped<Schema> | null;
}

/** What a file holds under a schema: scalars as they are, and what is in a map or a list with its position. */
export type Shaped<Schema> = Schema extends { readonly anyOf: readonly [infer Filled, ...unknown[]] }
  ? Shaped<Filled>
  : Schema extends { readonly properties: infer Properties }
    ? { readonly [Key in keyof Properties]?: Positioned<Properties[Key]> }
    : Schema extends { readonly additionalProperties: infer Value }
      ? { readonly [key: string]: Positioned<Value> }
      : Schema extends { readonly items: infer Item }
        ? readonly Positioned<Item>[]
        : Schema extends { readonly type: 'integer' }
          ? number
          : Schema extends { readonly enum: readonly (infer Word)[]; readonly errorMessage: string }
            ? Word
            : string;

/** The keywords that are looked at. */
interface SchemaNode {
  readonly type?: string;
  /** A map, or nothing. */
  readonly anyOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  /** Of what is not among the properties; false: there is nothing else. */
  readonly additionalProperties?: SchemaNode | false;
  /** What faults call the keys, where they are no settings. */
  readonly propertyNames?: { readonly title: string };
  readonly items?: SchemaNode;
  /** What faults call the value, where they don't call it by its key. */
  readonly title?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  /** The fault, whatever is wrong with the value. */
  readonly errorMessage?: string;
  /** The fault of a text that the pattern doesn't match. */
  readonly patternErrorMessage?: string;
}

/**
 * Reads a file by its schema, and tells each misfit at its position: another kind of value, a setting that nobody knows,
 * and what the schema has words for. Of a key that is written twice the first counts. Null when the file is no map.
 */
export function readBySchema<const Schema extends SchemaNode>(
  schema: Schema,
  node: PolicyNode,
  faults: FaultList,
): Shaped<Schema> | null {
  return read(schema, node, schema.title ?? '', faults) as Shaped<Schema> | null; // as: it was read by that schema
}

/** @param what as faults call the value */
function read(schema: SchemaNode, node: PolicyNode, what: string, faults: FaultList): unknown {
  const [filled] = schema.anyOf ?? [];
  if (filled !== undefined) {
    return node.kind === 'empty' ? null : read(filled, node, filled.title ?? what, faults);
  }
  if (schema.errorMessage !== undefined) return readScalar(schema, schema.errorMessage, node, faults);
  switch (schema.type) {
    case 'object':
      return readMap(schema, node, what, faults);
    case 'array':
      return readList(schema, node, what, faults);
    default:
      return readText(schema, node, what, faults);
  }
}

function readMap(schema: SchemaNode, node: PolicyNode, what: string, faults: FaultList): unknown {
  if (node.kind !== 'map') {
    faults.add(node.at, `${what} must be a map, found ${kindOf(node)}`);
    return null;
  }
  const { properties = {}, additionalProperties = false, propertyNames } = schema;
  const seen = new Set<string>();
  const found: [key: string, value: unknown][] = [];
  for (const { key, at, value } of node.entries) {
    if (seen.has(key)) continue;
    seen.add(key);
    const inner = Object.hasOwn(properties, key) ? properties[key] : additionalProperties;
    if (inner === undefined || inner === false) {
      faults.addUnknown(at, propertyNames?.title ?? `setting in ${what}:`, key, Object.keys(properties));
    } else {
      const called = inner === additionalProperties ? `${inner.title} ${quote(key)}` : (inner.title ?? key);
      found.push([key, { keyAt: at, at: value.at, value: read(inner, value, called, faults) }]);
    }
  }
  // Own members, `__proto__` too: whatever a key is called, it is no more than a key.
  return Object.fromEntries(found);
}

function readList(schema: SchemaNode, node: PolicyNode, what: string, faults: FaultList): unknown {
  const { items } = schema;
  if (node.kind !== 'list' || items === undefined) {
    faults.add(node.at, `${what} must be a list, found ${kindOf(node)}`);
    return null;
  }
  return node.items.map((item) => ({ keyAt: item.at, at: item.at, value: readItem(items, item, faults) }));
}

function readItem(schema: SchemaNode, item: PolicyNode, faults: FaultList): unknown {
  const what = schema.title ?? 'item';
  if (schema.type !== 'string' || item.kind === 'text') return read(schema, item, what, faults);
  faults.add(item.at, `expected a ${what}, found ${kindOf(item)}`);
  return null;
}

function readText(schema: SchemaNode, node: PolicyNode, what: string, faults: FaultList): string | null {
  if (node.kind !== 'text') {
    const hint = node.kind === 'other' || node.kind === 'number' ? ' (put it in quotes)' : '';
    faults.add(node.at, `${what} must be text, found ${kindOf(node)}${hint}`);
    return null;
  }
  if (schema.patternErrorMessage === undefined || fits(schema, node.text)) return node.text;
  faults.add(node.at, schema.patternErrorMessage);
  return null;
}

/** A text, or a number in its shortest spelling: others mean something else to some readers. */
function readScalar(
  schema: SchemaNode,
  fault: string,
  node: PolicyNode,
  faults: FaultList,
): string | number | null {
  const value =
    node.kind === 'text'
      ? node.text
      : node.kind === 'number' && String(Number(node.text)) === node.text
        ? Number(node.text)
        : null;
  if (value !== null && fits(schema, value)) return value;
  faults.add(node.at, fault);
  return null;
}

function fits({ type, enum: words, pattern, minimum, maximum }: SchemaNode, value: string | number): boolean {
  if (type === 'integer') {
    return Number.isSafeInteger(value) && Number(value) >= (minimum ?? 0) && Number(value) <= (maximum ?? 0);
  }
  if (typeof value !== 'string') return false;
  return words?.includes(value) !== false && (pattern === undefined || new RegExp(pattern).test(value));
}

const KINDS = { text: 'text', number: 'a number', list: 'a list', map: 'a map', empty: 'nothing' } as const;

function kindOf(node: PolicyNode): string {
  return node.kind === 'other' ? node.name : KINDS[node.kind];
}
