/** A source of numbers that a seed repeats. */
export interface Random {
  /** At least 0, less than 1. */
  number(): number;
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  of<T>(choices: readonly [T, ...T[]]): T;
}

/** SplitMix32: enough to choose moments by, and the same on every machine. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const number = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
  return {
    number,
    between: (least, most) => least + Math.floor(number() * (most - least + 1)),
    of: (choices) => choices[Math.floor(number() * choices.length)] ?? choices[0],
  };
}
