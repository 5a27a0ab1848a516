/** An event's place and hash, as a checkpoint fixed it. */
export interface FixedPoint {
  readonly seq: number;
  readonly number: number;
  /** The first 128 bits of the hash, in hex: as many as nobody can make another event for. */
  readonly hash: string;
}

const HASH_BYTES = 16;

/** One writer's points, 32 bytes each: a year of checkpoints must fit in memory. */
class Points {
  #seqs = new Float64Array(4);
  #numbers = new Float64Array(4);
  #hashes = Buffer.alloc(4 * HASH_BYTES);
  #length = 0;
  #cursor = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): FixedPoint {
    return {
      seq: this.#seqs[index] ?? 0,
      number: this.#numbers[index] ?? 0,
      hash: this.#hashes.toString('hex', index * HASH_BYTES, (index + 1) * HASH_BYTES),
    };
  }

  add({ seq, number, hash }: FixedPoint): void {
    if (this.#length === this.#seqs.length) this.#grow();
    this.#seqs[this.#length] = seq;
    this.#numbers[this.#length] = number;
    this.#hashes.write(hash, this.#length * HASH_BYTES, HASH_BYTES, 'hex');
    this.#length += 1;
  }

  /** The point at `seq`, asked for in ascending order. */
  next(seq: number): FixedPoint | undefined {
    while (this.#cursor < this.#length && (this.#seqs[this.#cursor] ?? 0) < seq) this.#cursor += 1;
    return this.#seqs[this.#cursor] === seq && this.#cursor < this.#length
      ? this.at(this.#cursor)
      : undefined;
  }

  #grow(): void {
    const [seqs, numbers, hashes] = [this.#seqs, this.#numbers, this.#hashes];
    this.#seqs = new Float64Array(seqs.length * 2);
    this.#numbers = new Float64Array(seqs.length * 2);
    this.#hashes = Buffer.alloc(hashes.length * 2);
    this.#seqs.set(seqs);
    this.#numbers.set(numbers);
    this.#hashes.set(hashes);
  }
}

/** What genuine checkpoints say of chains. */
export class FixedPoints {
  #writers = new Map<string, Points>();

  /** @param hash 64 hex digits */
  add(writer: string, seq: number, hash: string, number: number): void {
    let points = this.#writers.get(writer);
    if (points === undefined) this.#writers.set(writer, (points = new Points()));
    points.add({ seq, number, hash: shortened(hash) });
  }

  /**
   * Puts the points of each writer in order, once all are in.
   * @param onContradiction told of two points that fix different events at one place
   */
  settle(onContradiction: (writer: string, one: FixedPoint, other: FixedPoint) => void): void {
    for (const [writer, points] of this.#writers) {
      const list = Array.from({ length: points.length }, (_, index) => points.at(index));
      if (list.every(({ seq }, index) => seq > (list[index - 1]?.seq ?? 0))) continue;
      const settled = new Points();
      let last: FixedPoint | undefined;
      for (const point of list.toSorted((a, b) => a.seq - b.seq || a.number - b.number)) {
        if (point.seq !== last?.seq) settled.add((last = point));
        else if (point.hash !== last.hash) onContradiction(writer, last, point);
      }
      this.#writers.set(writer, settled);
    }
  }

  /** What is fixed at a place, if anything; to be asked in ascending order of `seq` for each writer. */
  at(writer: string, seq: number): FixedPoint | undefined {
    return this.#writers.get(writer)?.next(seq);
  }

  /** The first point of a chain. */
  first(writer: string): FixedPoint | undefined {
    return this.#writers.get(writer)?.at(0);
  }

  /** The first point of a chain that fixes this event or a later one. */
  firstFrom(writer: string, seq: number): FixedPoint | undefined {
    const points = this.#writers.get(writer);
    for (let index = 0; index < (points?.length ?? 0); index++) {
      const point = points?.at(index);
      if (point !== undefined && point.seq >= seq) return point;
    }
    return undefined;
  }

  /** The last point of a chain, of those that count. */
  last(writer: string, counts: (point: FixedPoint) => boolean = () => true): FixedPoint | undefined {
    const points = this.#writers.get(writer);
    for (let index = (points?.length ?? 0) - 1; index >= 0; index--) {
      const point = points?.at(index);
      if (point !== undefined && counts(point)) return point;
    }
    return undefined;
  }

  writers(): Iterable<string> {
    return this.#writers.keys();
  }
}

export function shortened(hash: string): string {
  return hash.slice(0, HASH_BYTES * 2);
}
