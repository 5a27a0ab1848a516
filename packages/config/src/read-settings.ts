import { didYouMean } from '@ideogate/contract';
import { Secret } from './secret.ts';
import { readSecretFile, SecretFileError } from './secret-file.ts';
import type { SecretSetting, Setting } from './setting.ts';
import { SettingsError } from './settings-error.ts';
import { RELATIONS, type SettingGroup, SETTINGS, type SettingValues } from './table.ts';

/** Variables of a process, by name. An empty one counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The settings of a process, read once, by its `main.ts`. */
export interface Settings {
  /** Of a setting that has a fault: its default. */
  readonly values: SettingValues;
  /** Everything that is wrong, in the order of the table. */
  readonly faults: readonly SettingFault[];
  /** Where a setting's value comes from. @param variable of the table */
  readonly originOf: (variable: string) => SettingOrigin;
  /**
   * What a variable holds that a policy or a file of webhooks names, as the place of a secret. A function, so that
   * settings that are printed don't show it.
   */
  readonly named: (variable: string) => string | undefined;
  /** Variables that are named as if they were settings, and which nobody has asked for. */
  readonly unknown: () => readonly UnknownVariable[];
}

/** What is wrong with a setting, or with two of them together. */
export interface SettingFault {
  readonly group: SettingGroup;
  /** Of the setting; null where two of them are at odds. */
  readonly variable: string | null;
  /** One sentence for the operator, without its full stop; quotes no secret. */
  readonly words: string;
}

/** Where the value of a setting comes from. */
export type SettingOrigin =
  | { readonly kind: 'default' }
  | { readonly kind: 'environment' }
  | { readonly kind: 'file'; readonly path: string };

/** A variable with our prefix that names no setting. */
export interface UnknownVariable {
  readonly variable: string;
  /** A setting of nearly that name, or null. */
  readonly meant: string | null;
}

/** What is read of one setting. A fault makes it its default. */
interface Read {
  readonly value: unknown;
  readonly origin: SettingOrigin;
  readonly fault: string | null;
}

/** Reads every setting of the table; nothing is thrown, all that is wrong is in `faults`. */
export function readSettings(environment: Environment): Settings {
  const faults: SettingFault[] = [];
  const origins = new Map<string, SettingOrigin>();
  const groups = Object.entries(SETTINGS).map(([group, settings]) => {
    const entries = Object.entries(settings).map(([name, setting]: [string, Setting]) => {
      const { value, origin, fault } = readSetting(setting, environment);
      origins.set(setting.variable, origin);
      // as: a key of the table
      if (fault !== null)
        faults.push({ group: group as SettingGroup, variable: setting.variable, words: fault });
      return [name, value];
    });
    return [group, Object.fromEntries(entries)];
  });
  const values = Object.fromEntries(groups) as SettingValues; // as: a value for each setting, of the type it says
  for (const { group, fault } of RELATIONS) {
    const words = fault(values);
    if (words !== null) faults.push({ group, variable: null, words });
  }
  const asked = new Set<string>();
  return {
    values,
    faults,
    originOf: (variable) => origins.get(variable) ?? { kind: 'default' },
    named(variable) {
      asked.add(variable);
      return environment[variable] || undefined;
    },
    unknown: () => unknownVariables(environment, asked),
  };
}

/** Settings of which nothing is set. */
export const DEFAULT_SETTINGS: SettingValues = readSettings({}).values;

/** @throws SettingsError that lists every fault */
export function requireSettings(environment: Environment): SettingValues {
  const { values, faults } = readSettings(environment);
  if (faults.length > 0) throw new SettingsError(faults.map(({ words }) => `${words}.`));
  return values;
}

/**
 * For those who use a few settings only: a fault in others is no reason to refuse.
 *
 * @throws SettingsError that lists the faults of these variables
 */
export function requireFaultless({ faults }: Settings, ...variables: readonly string[]): void {
  const theirs = faults.filter(({ variable }) => variable !== null && variables.includes(variable));
  if (theirs.length > 0) throw new SettingsError(theirs.map(({ words }) => `${words}.`));
}

/** The variable that may name the file of a secret. */
export function fileVariable({ variable }: { readonly variable: string }): string {
  return `${variable}_FILE`;
}

function readSetting(setting: Setting, environment: Environment): Read {
  const text = environment[setting.variable] || null;
  if (setting.type === 'secret') return readSecret(setting, text, environment);
  const usual: Read = { value: setting.default, origin: { kind: 'default' }, fault: null };
  if (text === null) return usual;
  const fault = faultOf(setting, text);
  if (fault !== null) return { ...usual, fault: `${setting.variable} ${fault}` };
  return {
    value: setting.type === 'number' ? Number(text) : text,
    origin: { kind: 'environment' },
    fault: null,
  };
}

/** Why a text is no value of a setting, going on from its variable; or null. */
function faultOf(setting: Exclude<Setting, SecretSetting>, text: string): string | null {
  switch (setting.type) {
    case 'number': {
      const { unit, min, max, rule } = setting;
      const value = /^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return null;
      return rule ?? `must be a whole number of ${unit} from ${min} to ${max}`;
    }
    case 'choice':
      return setting.options.includes(text) ? null : setting.rule;
    case 'text':
    case 'list':
    case 'path':
    case 'url':
      return setting.form === undefined || setting.form.accepts(text) ? null : setting.form.rule;
    default:
      return setting satisfies never;
  }
}

function readSecret(setting: SecretSetting, text: string | null, environment: Environment): Read {
  const { variable, form } = setting;
  const none: Read = { value: null, origin: { kind: 'default' }, fault: null };
  const path = setting.hasFileSetting === true ? null : environment[fileVariable(setting)] || null;
  if (text !== null && path !== null)
    return {
      ...none,
      fault: `${variable} and ${fileVariable(setting)} are both set: which of them holds? Unset one`,
    };
  try {
    const secret = path === null ? text : readSecretFile(path);
    if (secret === null) return none;
    if (form !== undefined && !form.accepts(secret)) {
      const holder = path === null ? variable : `${fileVariable(setting)}: what ${path} holds`;
      return { ...none, fault: `${holder} ${form.rule}` };
    }
    const origin: SettingOrigin = path === null ? { kind: 'environment' } : { kind: 'file', path };
    return { value: new Secret(secret), origin, fault: null };
  } catch (error) {
    if (!(error instanceof SecretFileError)) throw error;
    return { ...none, fault: `${fileVariable(setting)}: ${error.message}` };
  }
}

const PREFIX = 'IDEOGATE_';

function unknownVariables(environment: Environment, asked: ReadonlySet<string>): readonly UnknownVariable[] {
  const known = knownVariables();
  const names = known.flatMap((variable) =>
    variable.startsWith(PREFIX) ? variable.slice(PREFIX.length) : [],
  );
  return Object.entries(environment)
    .filter(([variable, text]) => variable.startsWith(PREFIX) && text !== undefined && text !== '')
    .filter(([variable]) => !known.includes(variable) && !asked.has(variable))
    .map(([variable]) => {
      const meant = didYouMean(variable.slice(PREFIX.length), names);
      return { variable, meant: meant === undefined ? null : PREFIX + meant };
    });
}

/** Every variable of the table, and those that may name the file of a secret. */
function knownVariables(): readonly string[] {
  return Object.values(SETTINGS).flatMap((group) =>
    Object.values(group).flatMap((setting: Setting) =>
      setting.type === 'secret' ? [setting.variable, fileVariable(setting)] : [setting.variable],
    ),
  );
}
