import type { Settings, SettingOrigin } from './read-settings.ts';
import { HIDDEN, Secret } from './secret.ts';
import type { Process, Setting } from './setting.ts';
import { SETTINGS } from './table.ts';

/** A setting as it may be shown to anybody. */
export interface ShownSetting {
  readonly variable: string;
  /** Null: not set. Of a secret that is set: `(hidden)`. Of a setting with a fault: its default. */
  readonly value: string | number | null;
  /** In words, where nothing is set and the value is made of something else. */
  readonly defaultIs: string | null;
  readonly unit: string | null;
  readonly origin: SettingOrigin;
  readonly secret: boolean;
  readonly readBy: readonly Process[];
}

/** Every setting in the order of the table; no secret, and nothing of a URL that may be one. */
export function shownSettings(settings: Settings): readonly ShownSetting[] {
  return Object.entries(SETTINGS).flatMap(([group, table]) => {
    const values = new Map<string, unknown>(Object.entries(settings.values[group as keyof typeof SETTINGS])); // as: a key of the table
    return Object.entries(table).map(([name, setting]: [string, Setting]) => ({
      variable: setting.variable,
      value: shown(values.get(name)),
      defaultIs: 'defaultIs' in setting ? (setting.defaultIs?.replaceAll('`', '') ?? null) : null,
      unit: setting.type === 'number' ? setting.unit : null,
      origin: settings.originOf(setting.variable),
      secret: setting.type === 'secret',
      readBy: setting.readBy,
    }));
  });
}

function shown(value: unknown): string | number | null {
  if (value instanceof Secret) return HIDDEN;
  if (typeof value === 'number') return value;
  return typeof value === 'string' ? withoutCredentials(value) : null;
}

/**
 * What stands before the host of a URL, or in its query, may be a secret that was put in the wrong place. A password may
 * hold every sign that could end it: of a list, all up to its last `@` is left out.
 */
function withoutCredentials(text: string): string {
  return text
    .replace(/(?<=[a-z][a-z0-9+.-]*:[/\\]*)[^/\\][^]*@/i, '…@')
    .replaceAll(/\?[^]*?(?=,\s*https?:\/\/|$)/g, '?…');
}
