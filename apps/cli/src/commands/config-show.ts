import {
  type SettingOrigin,
  type Settings,
  SettingsError,
  type ShownSetting,
  shownSettings,
} from '@ideogate/config';
import { EXIT } from '../exit-codes.ts';
import { readProductConfig } from '../standalone.ts';
import { printed, wantsJson, writeJson } from '../terminal.ts';
import { unknownInWords } from '../unknown-settings.ts';

/** Every setting: its value, and where that comes from; secrets are hidden. Each fault is told, and is exit 3. */
export function configShow(settings: Settings, options: { json?: boolean }): number {
  const faults = faultsOf(settings);
  const shown = shownSettings(settings);
  // Asked last: by now policy and the file of webhooks have said which variables they name.
  const unknown = settings.unknown();
  if (wantsJson(options)) writeJson({ settings: shown, faults, unknown });
  else {
    process.stdout.write(table(shown));
    for (const line of [...unknownInWords(unknown), ...faults]) process.stderr.write(`${printed(line)}\n`);
  }
  return faults.length === 0 ? EXIT.fine : EXIT.invalidInput;
}

/** Everything that keeps `start` from starting with these settings, the files that they name included. */
function faultsOf(settings: Settings): readonly string[] {
  try {
    readProductConfig(settings);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
}

function table(settings: readonly ShownSetting[]): string {
  const rows = [
    ['variable', 'value', 'from'],
    ...settings.map((setting) => [
      setting.variable,
      printed(valueInWords(setting)),
      fromWhere(setting.origin),
    ]),
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 2);
  const line = (cells: readonly string[]) => cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('');
  return `${rows.map((cells) => line(cells).trimEnd()).join('\n')}\n`;
}

function valueInWords({ value, unit, defaultIs }: ShownSetting): string {
  if (value === null) return defaultIs ?? '-';
  return unit === null ? String(value) : `${value} ${unit}`;
}

function fromWhere(origin: SettingOrigin): string {
  return origin.kind === 'file' ? printed(`file ${origin.path}`) : origin.kind;
}
