import { CommandError, EXIT, type ExitCode } from './exit-codes.ts';

/** What a person reads of an error, and with which status the command ends. */
type Description = readonly [exitCode: ExitCode, words: string];

/**
 * Errors of the domain: packages throw them and know nothing of terminals. They are told apart by name, for their classes
 * would bring databases and cryptography along, and the lightest command would have to load them.
 */
const DESCRIPTIONS: Readonly<Record<string, (message: string, fault: string) => Description>> = {
  // Settings and the data folder.
  SettingsError: (message) => [EXIT.invalidInput, message],
  DataDirError: (message, fault) => [fault === 'not-writable' ? EXIT.invalidInput : EXIT.failed, message],
  SecretFileError: (message) => [EXIT.failed, `${message}.`],
  // What start brings up.
  StartError: (message, fault) => [fault === 'other-database' ? EXIT.invalidInput : EXIT.failed, message],
  FolderInUseError: (message) => [EXIT.failed, message],
  LocalPostgresError: (message) => [EXIT.failed, message],
  KillFileError: (message) => [EXIT.failed, `Orders to stop calls cannot be taken: ${message}.`],
  ControlError: (message) => [EXIT.failed, `Orders to stop calls cannot be taken: ${message}.`],
  // Keys.
  KeyError: (message) => [EXIT.invalidInput, `${message}.`],
  IdentityFileError: (message) => [EXIT.invalidInput, message],
  KeyBindingError: (message, fault) => [
    fault === 'other-environment' ? EXIT.invalidInput : EXIT.failed,
    message,
  ],
  RotationError: (message, fault) => [
    fault === 'not-put' || fault === 'not-sealed' ? EXIT.invalidInput : EXIT.failed,
    message,
  ],
  // The record.
  UnauditedError: (message) => [EXIT.failed, message],
  MonthKeyError: (message) => [
    EXIT.failed,
    `The record's database does not fit this data folder: ${message}. Restore keys/prompt of the environment's part of the folder that first used it.`,
  ],
  KeyFileError: (message) => [
    EXIT.failed,
    `The key for checkpoints cannot be used (${message}): restore it from a copy, or, if it is lost, remove the file and keep the public key of the one before for audit verify.`,
  ],
};

/** The error as it ends a command; null where its words are not for people, and may hold a secret. */
export function describeError(error: unknown): CommandError | null {
  if (error instanceof CommandError) return error;
  if (!(error instanceof Error) || !Object.hasOwn(DESCRIPTIONS, error.name)) return null;
  const fault = 'fault' in error && typeof error.fault === 'string' ? error.fault : '';
  const [exitCode, words] = DESCRIPTIONS[error.name]?.(error.message, fault) ?? [EXIT.failed, error.message];
  return new CommandError(exitCode, words);
}
