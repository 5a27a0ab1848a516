import { BACKSLASH, spellings, type WrittenForm, writtenForms } from './written-forms.ts';

/** How far apart the two halves of a key may be in a body, in characters. */
const BETWEEN_HALVES = 1024;
/** Of what was passed on, so much is looked at again: what may hold a half that is short, however it is written. */
export const LOOKED_AT_AGAIN = 4 * BETWEEN_HALVES;

/** What a search found. */
export interface Found {
  /** All of a key is there. */
  readonly leak: boolean;
  /** From here on, bytes could be the beginning of a key that is not all there yet. */
  readonly safe: number;
}

const QUOTE = 0x22;
/** Zeros are skipped, as many as UTF-32 has in a row. */
const MOST_ZEROS = 3;
/** Line ends and the like between two units; more of them end a form, so that what is held back is bounded. */
const MOST_SEPARATORS = 2;
const ASCII = 128;
/** Six bits of each of three bytes. */
const GRAMS = 2 ** 18;
const UNKNOWN = 0xffff;
/** A table of 8 MB at most, of which ordinary answers need a hundredth. */
const MOST_STATES = 2 ** 15;
const NOWHERE = 0;

/**
 * Looks for keys in all their written forms, in one pass with one look into a table per byte, whatever the bytes are; and
 * with far less where nothing looks like half a key.
 *
 * The forms are one automaton with many ways through it (a node before each unit, and within each spelling of it). Which
 * of its nodes a text can have led to is one state; where a byte leads from a state is worked out when it first comes,
 * and then known (as in Thompson's construction with its sets kept). What the states don't tell, where something began,
 * is read backwards from where it ended: no more bytes than have matched.
 */
export class KeySearch {
  #graph = new Graph();
  /** Where each byte leads from each state. */
  #table = new Uint16Array(0);
  #states: State[] = [];
  #known = new Map<string, number>();
  #text: Uint8Array = new Uint8Array(0);
  /** Which three bytes in a row are in any form, a bit each. */
  #grams = new Uint32Array(0);

  constructor() {
    this.#forget();
  }

  /** Looks for these from now on, in streams under way too; the others are forgotten. */
  replace(keys: readonly Uint8Array[]): void {
    this.#graph = new Graph();
    for (const form of keys.flatMap(writtenForms)) this.#graph.add(form);
    this.#grams = this.#graph.grams();
    this.#forget();
  }

  /**
   * Searches bytes that follow on others.
   * @param before the last bytes before them, `LOOKED_AT_AGAIN` of them or all there were
   * @param between how far apart the halves of a key may be
   */
  in(bytes: Uint8Array, before: Uint8Array, between: number = BETWEEN_HALVES): Found {
    if (this.#graph.isEmpty) return { leak: false, safe: bytes.length };
    const length = before.length + bytes.length;
    if (this.#text.length < length) this.#text = new Uint8Array(length);
    const text = this.#text;
    text.set(before);
    text.set(bytes, before.length);
    const heads: Heads = new Map();
    let state = NOWHERE;
    let zeros = 0;
    let zerosInRow = 0;
    const from = this.#mayHoldHalf(length) ? 0 : Math.max(0, length - LOOKED_AT_AGAIN);
    for (let at = from; at < length; at++) {
      const byte = text[at] ?? 0;
      if (byte === 0) {
        zeros++;
        if (++zerosInRow > MOST_ZEROS) state = NOWHERE;
        continue;
      }
      zerosInRow = 0;
      if (byte >= ASCII) {
        state = NOWHERE;
        continue;
      }
      const next = this.#table[state * ASCII + byte] ?? UNKNOWN;
      state = next === UNKNOWN ? this.#workOut(state, byte) : next;
      const reached = this.#states[state];
      if (reached === undefined || !reached.tells) continue;
      if (reached.isWhole) return LEAK;
      const [end, chars] = [at + 1, at + 1 - zeros];
      if (reached.rests.length > 0 && this.#textsFrom(reached.rests, end, chars, heads, between) !== null)
        return LEAK;
      for (const head of reached.heads) this.#noteHead(head, end, chars, heads);
    }
    const open = this.#openFrom(state, length, length - zeros, heads, between);
    return { leak: false, safe: Math.max(0, Math.min(length, open) - before.length) };
  }

  /**
   * True when a half of a form may be in the text. It is in one piece, whose every three bytes in a row are three bytes
   * of a form: so three bytes now and then are enough to look at, and other text has next to none. Of two-byte
   * characters and what else has zeros, all is read.
   */
  #mayHoldHalf(length: number): boolean {
    const half = this.#graph.shortestHalf;
    for (let at = 0; at + 2 < length; at += half - 2) {
      if (this.#text[at] === 0 || this.#text[at + 1] === 0) return true;
      if (!this.#isGramAt(at)) continue;
      let start = at;
      while (start > 0 && this.#isGramAt(start - 1)) start--;
      let end = at + 3;
      while (end < length && this.#isGramAt(end - 2)) end++;
      if (end - start >= half) return true;
    }
    return false;
  }

  #isGramAt(at: number): boolean {
    const text = this.#text;
    const [a, b, c] = [text[at] ?? ASCII, text[at + 1] ?? ASCII, text[at + 2] ?? ASCII];
    if ((a | b | c) >= ASCII) return false;
    const gram = ((a & 63) << 12) | ((b & 63) << 6) | (c & 63);
    return (((this.#grams[gram >> 5] ?? 0) >>> (gram & 31)) & 1) === 1;
  }

  #forget(): void {
    this.#table = new Uint16Array(ASCII * 64).fill(UNKNOWN);
    this.#states = [];
    this.#known = new Map();
    this.#stateOf([]);
  }

  /** The state that a byte leads to. */
  #workOut(from: number, byte: number): number {
    const ways = this.#states[from]?.ways ?? [];
    const next = this.#graph.after(ways, byte);
    if (this.#states.length < MOST_STATES) {
      const state = this.#stateOf(next);
      this.#table[from * ASCII + byte] = state;
      return state;
    }
    this.#forget();
    return this.#stateOf(next);
  }

  #stateOf(ways: readonly number[]): number {
    const name = ways.join();
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const state = this.#states.length;
    this.#states.push(this.#graph.describe(ways));
    this.#known.set(name, state);
    if (this.#states.length * ASCII > this.#table.length) {
      const larger = new Uint16Array(this.#table.length * 2).fill(UNKNOWN);
      larger.set(this.#table);
      this.#table = larger;
    }
    return state;
  }

  /** A text ended with the first part of a form. */
  #noteHead(node: number, end: number, chars: number, heads: Heads): void {
    const unit = this.#graph.unitBefore(node);
    let known = heads.get(unit);
    if (known === undefined) heads.set(unit, (known = { node, ends: [], chars: [] }));
    known.ends.push(end);
    known.chars.push(chars);
  }

  /** Where the first of what can have led to these nodes began. */
  #startOf(nodes: readonly number[], end: number): number {
    let start = end;
    this.#graph.backwards(nodes, this.#text, end, 0, (node, at) => {
      if (this.#graph.isFirst(node)) start = at;
    });
    return start;
  }

  /**
   * Texts that began with what led to these nodes, when the part of the form before it ended another text before.
   * @returns from where on they, or the larger part before, are to be held back; null when there are none
   */
  #textsFrom(
    nodes: readonly number[],
    end: number,
    chars: number,
    heads: Heads,
    between: number,
  ): number | null {
    let from: number | null = null;
    if (heads.size === 0) return null;
    this.#graph.backwards(nodes, this.#text, end, chars, (node, at, charsBefore, quote) => {
      if (this.#text[quote] !== QUOTE) return;
      const ofUnit = heads.get(node);
      if (ofUnit === undefined) return;
      let last = ofUnit.ends.length - 1;
      while (last >= 0 && (ofUnit.ends[last] ?? 0) > at) last--;
      if (last < 0 || charsBefore - (ofUnit.chars[last] ?? 0) >= between) return;
      const start = this.#graph.isLarger(node) ? this.#startOf([ofUnit.node], ofUnit.ends[last] ?? 0) : quote;
      from = Math.min(from ?? start, start);
    });
    return from;
  }

  /** From where on the last bytes could be the beginning of a form, or what stands between its halves. */
  #openFrom(state: number, end: number, chars: number, heads: Heads, between: number): number {
    const { begun, resting, isAfterQuote } = this.#states[state] as State; // as: states stay while they are used
    let open = begun.length === 0 ? end : this.#startOf(begun, end);
    open = Math.min(open, this.#textsFrom(resting, end, chars, heads, between) ?? open);
    for (const [unit, ofUnit] of heads) {
      if (!this.#graph.isLarger(unit)) continue;
      for (let last = ofUnit.ends.length - 1; last >= 0; last--) {
        if (chars - (ofUnit.chars[last] ?? 0) >= between) break;
        open = Math.min(open, this.#startOf([ofUnit.node], ofUnit.ends[last] ?? 0));
      }
    }
    // The quote stays with what may follow it.
    return isAfterQuote ? Math.min(open, lastCharBefore(this.#text, end)) : open;
  }
}

const LEAK: Found = { leak: true, safe: 0 };

/** What a state says, once it was worked out. */
interface State {
  readonly ways: readonly number[];
  /** There is more to do than to go on. */
  readonly tells: boolean;
  /** A form is all there. */
  readonly isWhole: boolean;
  /** A form ended, of which a text has held the last part from its own beginning. */
  readonly rests: readonly number[];
  /** A text ended with the first part of a form. */
  readonly heads: readonly number[];
  /** What follows may complete these: begun with a form, or within one at the beginning of a text. */
  readonly begun: readonly number[];
  readonly resting: readonly number[];
  readonly isAfterQuote: boolean;
}

/** Texts that ended with the first part of a form: after the quotes that closed them. */
interface Closed {
  readonly node: number;
  readonly ends: number[];
  /** How many characters, zeros not among them, come before each end. */
  readonly chars: number[];
}

/** By the node that the rest begins at. */
type Heads = Map<number, Closed>;

type Kind = 'within' | 'unit' | 'whole' | 'closing' | 'head';

interface Node {
  readonly kind: Kind;
  /** Of a unit, how many are before it. */
  readonly unit: number;
  readonly isLarger: boolean;
  readonly next: Map<number, number[]>;
  readonly before: Map<number, number[]>;
  /** What is before it most often, known without looking it up. */
  usual: { readonly byte: number; readonly nodes: readonly number[] } | null;
}

/**
 * The written forms as nodes with a byte on each way between two. A way through them is its node twice, and one more
 * when it began within a form, at the beginning of a text.
 */
class Graph {
  readonly #nodes: Node[] = [];
  readonly #starts = new Map<number, number[]>();
  readonly #restStarts = new Map<number, number[]>();

  /** Bytes of half the shortest form. */
  shortestHalf = Number.POSITIVE_INFINITY;

  get isEmpty(): boolean {
    return this.#nodes.length === 0;
  }

  /** Every three bytes in a row on any way, by six bits of each. */
  grams(): Uint32Array<ArrayBuffer> {
    const grams = new Uint32Array(GRAMS / 32);
    const pairs = this.#nodes.map(({ next }) => {
      const ofNode: number[] = [];
      for (const [byte, nodes] of next) {
        for (const node of nodes) {
          for (const second of this.#at(node).next.keys()) ofNode.push(((byte & 63) << 6) | (second & 63));
        }
      }
      return ofNode;
    });
    for (const { next } of this.#nodes) {
      for (const [byte, nodes] of next) {
        for (const node of nodes) {
          for (const pair of pairs[node] ?? []) {
            const gram = ((byte & 63) << 12) | pair;
            grams[gram >> 5] = (grams[gram >> 5] ?? 0) | (1 << (gram & 31));
          }
        }
      }
    }
    return grams;
  }

  add({ units, separators }: WrittenForm): void {
    const half = Math.ceil(units.length / 2);
    this.shortestHalf = Math.min(this.shortestHalf, half);
    const before = [...units, null].map((_, unit) =>
      this.#node(unit === units.length ? 'whole' : 'unit', unit, unit >= half),
    );
    for (const [unit, expected] of units.entries()) {
      const [here = 0, after = 0] = [before[unit], before[unit + 1]];
      const from = [here];
      if (unit > 0) {
        for (let count = 0; count < MOST_SEPARATORS; count++) {
          const separated = this.#node('within', unit, false);
          this.#connect(from.slice(-1), separators(unit), separated);
          from.push(separated);
        }
        const head = this.#node('head', unit, unit >= half);
        const closing = this.#node('closing', unit, false);
        this.#edge(here, QUOTE, head);
        this.#edge(here, BACKSLASH, closing);
        this.#edge(closing, QUOTE, head);
      }
      this.#connect(from, spellings(expected), after);
      for (const [byte, nodes] of this.#at(here).next) {
        const starts = unit === 0 ? this.#starts : this.#restStarts;
        const known = starts.get(byte);
        if (known === undefined) starts.set(byte, [...nodes]);
        else known.push(...nodes);
      }
    }
  }

  /** Where ways lead with one more byte, in order; -1 stands for every way that can begin after a quote. */
  after(ways: readonly number[], byte: number): readonly number[] {
    const next = new Set<number>();
    const put = (nodes: readonly number[] | undefined, isRest: number) => {
      for (const node of nodes ?? []) {
        const { kind } = this.#at(node);
        if (isRest === 0 || (kind !== 'head' && kind !== 'closing')) next.add(node * 2 + isRest);
      }
    };
    for (const way of ways) {
      if (way === AFTER_QUOTE) put(this.#restStarts.get(byte), 1);
      else put(this.#at(way >> 1).next.get(byte), way & 1);
    }
    put(this.#starts.get(byte), 0);
    if (byte === QUOTE) next.add(AFTER_QUOTE);
    return [...next].sort((a, b) => a - b);
  }

  describe(ways: readonly number[]): State {
    const nodes = (isRest: number, isWanted: (kind: Kind) => boolean) =>
      ways
        .filter((way) => way !== AFTER_QUOTE && (way & 1) === isRest && isWanted(this.#at(way >> 1).kind))
        .map((way) => way >> 1);
    const isWhole = nodes(0, (kind) => kind === 'whole').length > 0;
    const rests = nodes(1, (kind) => kind === 'whole');
    const heads = nodes(0, (kind) => kind === 'head');
    const isOpen = (kind: Kind) => kind !== 'whole' && kind !== 'head';
    return {
      ways,
      tells: isWhole || rests.length > 0 || heads.length > 0,
      isWhole,
      rests,
      heads,
      begun: nodes(0, isOpen),
      resting: nodes(1, isOpen),
      isAfterQuote: ways.includes(AFTER_QUOTE),
    };
  }

  /**
   * Goes back from a place, over all that can have led to these nodes.
   * @param onUnit told of each node before a unit, where its spelling begins, how many characters are before that, and
   *   where the last of them is
   */
  backwards(
    nodes: readonly number[],
    text: Uint8Array,
    end: number,
    chars: number,
    onUnit: (node: number, at: number, chars: number, before: number) => void,
  ): void {
    let here: readonly number[] = nodes;
    let at = end;
    for (let left = chars; here.length > 0; left--) {
      let before = at - 1;
      while (before >= 0 && text[before] === 0) before--;
      for (let index = 0; index < here.length; index++) {
        const node = here[index] ?? 0;
        if (this.#at(node).kind === 'unit') onUnit(node, at, left, before);
      }
      if (before < 0) return;
      at = before;
      const byte = text[at] ?? 0;
      here = here.length === 1 ? this.#oneBack(here[0] ?? 0, byte) : this.#allBack(here, byte);
    }
  }

  #oneBack(node: number, byte: number): readonly number[] {
    const { before, usual } = this.#at(node);
    return usual !== null && usual.byte === byte ? usual.nodes : (before.get(byte) ?? NO_NODES);
  }

  #allBack(nodes: readonly number[], byte: number): readonly number[] {
    const earlier: number[] = [];
    for (const node of nodes) {
      for (const before of this.#oneBack(node, byte)) {
        if (!earlier.includes(before)) earlier.push(before);
      }
    }
    return earlier;
  }

  isFirst(node: number): boolean {
    return this.#at(node).unit === 0;
  }

  isLarger(node: number): boolean {
    return this.#at(node).isLarger;
  }

  /** The unit that would come next where a text ended. */
  unitBefore(head: number): number {
    return this.#at(head).before.get(QUOTE)?.[0] ?? head;
  }

  #connect(from: readonly number[], ways: readonly (readonly number[])[], to: number): void {
    const within = new Map<string, number>();
    for (const way of ways) {
      let here = from;
      for (const [at, byte] of way.entries()) {
        const name = way.slice(0, at + 1).join();
        const next = at + 1 === way.length ? to : (within.get(name) ?? this.#node('within', -1, false));
        within.set(name, next);
        for (const node of here) this.#edge(node, byte, next);
        here = [next];
      }
    }
  }

  #node(kind: Kind, unit: number, isLarger: boolean): number {
    return this.#nodes.push({ kind, unit, isLarger, next: new Map(), before: new Map(), usual: null }) - 1;
  }

  #edge(from: number, byte: number, to: number): void {
    addTo(this.#at(from).next, byte, to);
    const { before } = this.#at(to);
    addTo(before, byte, from);
    this.#at(to).usual ??= { byte, nodes: before.get(byte) ?? NO_NODES };
  }

  #at(node: number): Node {
    return this.#nodes[node] as Node; // as: nodes are never taken away
  }
}

/** Every rest of a form may begin. */
const AFTER_QUOTE = -1;
const NO_NODES: readonly number[] = [];

function addTo(ways: Map<number, number[]>, byte: number, node: number): void {
  const nodes = ways.get(byte);
  if (nodes === undefined) ways.set(byte, [node]);
  else if (!nodes.includes(node)) nodes.push(node);
}

/** The last byte before a place that is no zero; -1 when there is none. */
function lastCharBefore(text: Uint8Array, at: number): number {
  let before = at - 1;
  while (before >= 0 && text[before] === 0) before--;
  return before;
}

/** The last so many bytes of two pieces. */
export function endOf(first: Uint8Array, second: Uint8Array, count: number): Uint8Array {
  if (second.length >= count) return second.subarray(second.length - count);
  return Buffer.concat([first.subarray(Math.max(0, first.length + second.length - count)), second]);
}
