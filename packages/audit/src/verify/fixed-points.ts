/** An event's place and hash, as a checkpoint fixed it. */
export interface FixedPoint {
  readonly seq: number;
  /** Of the checkpoint. */
  readonly number: number;
  /** The first 128 bits of the hash, in hex: as many as nobody can make another event for. */
  readonly hash: string;
}

const HASH_BYTES = 16;
/** Two doubles and the hash: a year of checkpoints must fit in memory. */
const POINT_BYTES = 16 + HASH_BYTES;

/** What verified checkpoints fix of one chain. */
export class FixedPoints {
  #bytes = Buffer.alloc(POINT_BYTES);
  #length = 0;
  /** For `at`: the index of the next point, and its place. */
  #next = 0;
  #nextSeq = 0;

  /** @param hash hex */
  add({ seq, number, hash }: FixedPoint): void {
    const from = this.#length * POINT_BYTES;
    if (from === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], 2 * from);
    this.#bytes.writeDoubleLE(seq, from);
    this.#bytes.writeDoubleLE(number, from + 8);
    this.#bytes.write(shortened(hash), from + 16, HASH_BYTES, 'hex');
    this.#length += 1;
  }

  /** The point at `seq`, if there is one; to be asked for in ascending order. */
  at(seq: number): FixedPoint | undefined {
    while (this.#nextSeq < seq) {
      this.#next += 1;
      this.#nextSeq = this.#get(this.#next - 1)?.seq ?? Number.MAX_SAFE_INTEGER;
    }
    return this.#nextSeq === seq ? this.#get(this.#next - 1) : undefined;
  }

  first(): FixedPoint | undefined {
    return this.#get(0);
  }

  /** The first point that fixes this event or a later one. */
  firstFrom(seq: number): FixedPoint | undefined {
    return this.all().find((point) => point.seq >= seq);
  }

  /** The last point, of those that count. */
  last(counts: (point: FixedPoint) => boolean = () => true): FixedPoint | undefined {
    for (let index = this.#length - 1; index >= 0; index--) {
      const point = this.#get(index);
      if (point !== undefined && counts(point)) return point;
    }
    return undefined;
  }

  all(): readonly FixedPoint[] {
    return Array.from({ length: this.#length }, (_, index) => this.#get(index)).filter(
      (point) => point !== undefined,
    );
  }

  /**
   * The same in the order of places, once all are in.
   * @param onContradiction told of two points that fix different events at one place
   */
  inOrder(onContradiction: (one: FixedPoint, other: FixedPoint) => void): FixedPoints {
    const all = this.all();
    if (all.every(({ seq }, index) => seq > (all[index - 1]?.seq ?? 0))) return this;
    const ordered = new FixedPoints();
    let last: FixedPoint | undefined;
    for (const point of all.toSorted((a, b) => a.seq - b.seq || a.number - b.number)) {
      if (point.seq !== last?.seq) ordered.add((last = point));
      else if (point.hash !== last.hash) onContradiction(last, point);
    }
    return ordered;
  }

  #get(index: number): FixedPoint | undefined {
    if (index >= this.#length) return undefined;
    const from = index * POINT_BYTES;
    return {
      seq: this.#bytes.readDoubleLE(from),
      number: this.#bytes.readDoubleLE(from + 8),
      hash: this.#bytes.toString('hex', from + 16, from + POINT_BYTES),
    };
  }
}

/** As much of a hash as a point keeps. */
export function shortened(hash: string): string {
  return hash.slice(0, HASH_BYTES * 2);
}
