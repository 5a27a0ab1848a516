export { ConfigError } from './config-error.ts';
export { readAtMost, readNamedFile, readNamedText } from './named-file.ts';
export { policyPaths, readPolicyFiles } from './policy-files.ts';
export {
  DEFAULT_SETTINGS,
  type Environment,
  readSettings,
  requireFaultless,
  requireSettings,
  type SettingFault,
  type SettingOrigin,
  type Settings,
  type UnknownVariable,
} from './read-settings.ts';
export { Secret } from './secret.ts';
export type { NumberSetting } from './setting.ts';
export { SettingsError } from './settings-error.ts';
export { type ShownSetting, shownSettings } from './show.ts';
export { type SettingGroup, SETTINGS, type SettingValues } from './table.ts';
