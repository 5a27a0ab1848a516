/** A number that an operator can set. Tables of these are read here, and the docs are generated from them. */
export interface NumberSetting {
  /** Variable of the environment. */
  readonly variable: string;
  readonly fallback: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  /** One sentence, for the operator. */
  readonly meaning: string;
}

export type Numbers<Table> = { readonly [name in keyof Table]: number };

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads every number of a table; what is wrong with each goes to `faults`, in the words of the operator. */
export function readNumbers<Table extends Readonly<Record<string, NumberSetting>>>(
  table: Table,
  env: Environment,
  faults: string[],
): Numbers<Table> {
  const entries = Object.entries(table).map(([name, setting]) => [name, readNumber(setting, env, faults)]);
  return Object.fromEntries(entries) as Numbers<Table>; // as: one entry per setting
}

function readNumber(setting: NumberSetting, env: Environment, faults: string[]): number {
  const { variable, fallback, unit, min, max } = setting;
  const text = env[variable];
  if (text === undefined || text === '') return fallback;
  const value = /^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  faults.push(`${variable} must be a whole number of ${unit} from ${min} to ${max}`);
  return fallback;
}

/** One row of a table. */
export function number(
  variable: string,
  fallback: number,
  unit: string,
  min: number,
  max: number,
  meaning: string,
): NumberSetting {
  return { variable, fallback, unit, min, max, meaning };
}
