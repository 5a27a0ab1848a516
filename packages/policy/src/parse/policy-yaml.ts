import {
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml';
import { type FaultList, HIDDEN, LOOKS_SECRET, type Position } from './policy-fault.ts';

/** Largest policy file, in UTF-16 code units. */
const MAX_LENGTH = 262_144;
/** A policy needs six levels. */
const MAX_DEPTH = 16;

/** A value in a policy file, with the position it was written at. */
export type PolicyNode =
  | { readonly kind: 'text'; readonly at: Position; readonly text: string }
  /** A number as it is written: `012` and `1e1` mean something else to some readers, so the reader looks at the text. */
  | { readonly kind: 'number'; readonly at: Position; readonly text: string }
  | { readonly kind: 'list'; readonly at: Position; readonly items: readonly PolicyNode[] }
  | { readonly kind: 'map'; readonly at: Position; readonly entries: readonly PolicyEntry[] }
  | { readonly kind: 'empty'; readonly at: Position }
  /** A boolean, which no setting takes. */
  | { readonly kind: 'other'; readonly at: Position; readonly name: string };

/** A key of a map and its value. */
interface PolicyEntry {
  readonly key: string;
  /** Where the key stands. */
  readonly at: Position;
  readonly value: PolicyNode;
}

/**
 * Reads one YAML 1.2 file in its plainest form: one document of maps, lists and scalars. What makes a file mean
 * something else than it shows is a fault: repeated keys, anchors, aliases, merge keys, tags, directives, hidden
 * characters. Null when nothing in the file can be trusted (faults say why).
 */
export function readPolicyYaml(file: string, text: string, faults: FaultList): PolicyNode | null {
  const start: Position = { file, line: 1, column: 1 };
  if (text.length > MAX_LENGTH) {
    faults.add(start, `the file is longer than ${MAX_LENGTH} characters`);
    return null;
  }
  const lines = new LineCounter();
  const before = faults.all.length;
  const documents = compose(text, lines);
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (documents === null) {
    faults.add(start, 'the file is nested too deep');
    return null;
  }
  const hidden = HIDDEN.exec(text);
  if (hidden !== null) {
    faults.add(positionAt(hidden.index), 'the file holds a hidden or control character here');
  }
  let broken = false;
  for (const document of documents) {
    for (const problem of [...document.errors, ...document.warnings]) {
      // A repeated key leaves the rest of the file readable; after any other fault, more would be guesses.
      if (problem.code !== 'DUPLICATE_KEY') broken = true;
      faults.add(positionAt(problem.pos[0]), describe(problem.code, problem.message));
    }
  }
  const [document, second] = documents;
  if (second !== undefined) {
    faults.add(
      positionAt(second.range?.[0] ?? 0),
      'a policy file holds one YAML document, this is a second one',
    );
    broken = true;
  }
  if (document?.directives?.yaml.explicit === true || /^%/m.test(text.slice(0, document?.range?.[0] ?? 0))) {
    faults.add(start, 'YAML directives are not allowed');
  }
  if (document?.contents === null || document?.contents === undefined) {
    if (faults.all.length === before) faults.add(start, 'the file is empty');
    return null;
  }
  const node = broken ? null : convert(document.contents, 0, { positionAt, faults });
  return node;
}

/** Null when the composer ran out of stack, which only absurd nesting brings about. */
function compose(text: string, lineCounter: LineCounter) {
  try {
    const documents = parseAllDocuments(text, {
      lineCounter,
      prettyErrors: false,
      uniqueKeys: true,
      merge: false,
      version: '1.2',
      schema: 'core',
      logLevel: 'silent',
    });
    // An empty stream comes back as an empty list with extra members.
    return Array.isArray(documents) ? [...documents] : [];
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function describe(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'this key is written twice in one map';
  // The library's sentences may quote the source over several lines.
  const line = message.split('\n', 1)[0] ?? '';
  return `not readable as YAML: ${LOOKS_SECRET.test(line) ? code : line}`;
}

interface Reading {
  readonly positionAt: (offset: number) => Position;
  readonly faults: FaultList;
}

function convert(node: Node, depth: number, reading: Reading): PolicyNode {
  const { faults } = reading;
  const at = reading.positionAt(node.range?.[0] ?? 0);
  if (isAlias(node)) {
    faults.add(at, 'aliases are not allowed: write the value out');
    return { kind: 'empty', at };
  }
  if (depth > MAX_DEPTH) {
    faults.add(at, 'nested too deep');
    return { kind: 'empty', at };
  }
  if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) {
    faults.add(at, 'anchors are not allowed: write the value out where it is needed');
  }
  if (node.tag !== undefined) faults.add(at, 'tags are not allowed');
  if (isMap(node)) return convertMap(node.items, at, depth, reading);
  if (isSeq(node)) {
    // as: a parsed sequence holds nodes, the library's type leaves that open
    const items = (node.items as (Node | null)[]).map((item) =>
      item === null ? ({ kind: 'empty', at } as const) : convert(item, depth + 1, reading),
    );
    return { kind: 'list', at, items };
  }
  if (!isScalar(node) || node.value === null) return { kind: 'empty', at };
  if (typeof node.value === 'number') return { kind: 'number', at, text: node.source ?? String(node.value) };
  if (typeof node.value !== 'string') return { kind: 'other', at, name: `a ${typeof node.value}` };
  if (LOOKS_SECRET.test(node.value)) {
    faults.add(at, 'this looks like a key or a token: a policy holds names, never secrets');
  }
  return { kind: 'text', at, text: node.value };
}

function convertMap(items: readonly unknown[], at: Position, depth: number, reading: Reading): PolicyNode {
  const entries: PolicyEntry[] = [];
  for (const item of items) {
    const { key, value } = item as { key: Node | null; value: Node | null }; // as: a parsed pair holds nodes
    const keyAt = key === null ? at : reading.positionAt(key.range?.[0] ?? 0);
    if (key === null || !isScalar(key) || typeof key.value !== 'string') {
      reading.faults.add(keyAt, 'a key must be plain text');
      continue;
    }
    if (key.anchor !== undefined) reading.faults.add(keyAt, 'anchors are not allowed');
    if (key.tag !== undefined) reading.faults.add(keyAt, 'tags are not allowed');
    if (key.value === '<<') {
      reading.faults.add(keyAt, 'merge keys are not allowed: write the values out');
      continue;
    }
    const read: PolicyNode =
      value === null ? { kind: 'empty', at: keyAt } : convert(value, depth + 1, reading);
    entries.push({
      key: key.value,
      at: keyAt,
      value: read.kind === 'empty' ? { kind: 'empty', at: keyAt } : read,
    });
  }
  return { kind: 'map', at, entries };
}
