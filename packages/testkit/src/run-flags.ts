import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

type Values<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options }>
>['values'];

/** The flags of a run that is started by hand. */
export interface RunFlags<Options extends ParseArgsOptionsConfig> {
  readonly flags: Values<Options>;
  /** A whole number of at least `least`. */
  readonly whole: (name: keyof Options & string, least: number) => number;
  readonly number: (name: keyof Options & string, isOne: (number: number) => boolean, what: string) => number;
}

/** Reads them. One that there isn't, or that isn't the number it should be, ends the process with 3 and says so. */
export function runFlags<const Options extends ParseArgsOptionsConfig>(options: Options): RunFlags<Options> {
  const flags = valuesOf(options);
  const number: RunFlags<Options>['number'] = (name, isOne, what) => {
    const text = String((flags as Record<string, unknown>)[name]); // as: whatever its options are, values have names
    const value = text.trim() === '' ? Number.NaN : Number(text);
    return isOne(value) ? value : refuse(options, `--${name} ${text}: it takes ${what}.`);
  };
  return {
    flags,
    number,
    whole: (name, least) =>
      number(name, (value) => Number.isSafeInteger(value) && value >= least, `a whole number from ${least}`),
  };
}

function valuesOf<Options extends ParseArgsOptionsConfig>(options: Options): Values<Options> {
  try {
    return parseArgs<{ options: Options }>({ options }).values;
  } catch (error) {
    return refuse(options, error instanceof Error ? error.message : String(error));
  }
}

function refuse(options: ParseArgsOptionsConfig, why: string): never {
  const known = Object.entries(options).map(([name, { type }]) =>
    type === 'string' ? `--${name} …` : `--${name}`,
  );
  process.stderr.write(`${why}\nThe flags: ${known.join(', ')}\n`);
  process.exit(3);
}
