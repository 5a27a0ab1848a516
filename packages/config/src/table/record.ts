import { isAbsolute } from 'node:path';
import type { Setting } from '../setting.ts';

/** The database of the record, and where the record goes from there. */
export const RECORD = {
  databaseUrl: {
    type: 'secret',
    variable: 'DATABASE_URL',
    form: {
      accepts: (text) => URL.canParse(text) && /^postgres(?:ql)?:$/.test(new URL(text).protocol),
      rule: 'must look like postgres://user:password@host:5432/database',
    },
    meaning: 'Postgres for the record, as a role that may create roles and schemas.',
    readBy: ['standalone', 'cli'],
  },
  acceptUnsafeDatabase: {
    type: 'list',
    variable: 'IDEOGATE_ACCEPT_UNSAFE_DATABASE',
    default: null,
    meaning: 'In development only: faults of that database to put up with, joined by commas.',
    readBy: ['gateway', 'standalone'],
  },
  checkpointKeyFile: {
    type: 'path',
    variable: 'IDEOGATE_CHECKPOINT_KEY_FILE',
    default: null,
    defaultIs: "`checkpoint-key` in the environment's part of the data folder",
    meaning: "File of the key that signs checkpoints of the record; made when it isn't there.",
    readBy: ['worker', 'standalone', 'cli'],
  },
  checkpointsTo: {
    type: 'list',
    variable: 'IDEOGATE_CHECKPOINTS_TO',
    default: null,
    meaning: 'Where checkpoints go too, joined by commas: `stdout`, absolute file paths, https URLs.',
    readBy: ['worker', 'standalone'],
  },
  exportTo: {
    type: 'list',
    variable: 'IDEOGATE_EXPORT_TO',
    default: null,
    meaning: 'Where the record is sent as it grows, joined by commas: https URLs.',
    readBy: ['worker', 'standalone'],
  },
  exportAuthorization: {
    type: 'secret',
    variable: 'IDEOGATE_EXPORT_AUTHORIZATION',
    form: {
      accepts: (text) => /^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/.test(text),
      rule: 'must be one line of printable ASCII, such as Bearer and a token',
    },
    meaning: 'Value of `Authorization` for these addresses, and for `audit export --to`.',
    readBy: ['worker', 'standalone', 'cli'],
  },
  archiveFolder: {
    type: 'path',
    variable: 'IDEOGATE_ARCHIVE_FOLDER',
    default: null,
    form: { accepts: isAbsolute, rule: 'must be an absolute path' },
    meaning:
      'Where months that retention wants out of the database are archived, hourly; without it, by command alone.',
    readBy: ['worker', 'standalone', 'cli'],
  },
} as const satisfies Record<string, Setting>;
