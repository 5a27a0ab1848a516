import type { Setting } from '../setting.ts';

/** The way to Ideogram. */
export const UPSTREAM = {
  baseUrl: {
    type: 'url',
    variable: 'IDEOGRAM_BASE_URL',
    default: null,
    defaultIs: 'https://api.ideogram.ai',
    meaning: 'Another upstream; plain http only on loopback.',
    readBy: ['gateway', 'standalone'],
  },
  egressProxy: {
    type: 'secret',
    variable: 'IDEOGATE_EGRESS_PROXY',
    meaning: 'URL of the http or https proxy through which Ideogram is reached.',
    readBy: ['gateway', 'standalone'],
  },
  extraCa: {
    type: 'path',
    variable: 'IDEOGATE_EXTRA_CA',
    default: null,
    meaning: "Certificates (PEM) trusted for Ideogram besides the system's.",
    readBy: ['gateway', 'standalone'],
  },
} as const satisfies Record<string, Setting>;

/** Ideogram's keys, and what opens those that are sealed. Policy may name other variables for the first two slots. */
export const UPSTREAM_KEYS = {
  key: {
    type: 'secret',
    variable: 'IDEOGRAM_API_KEY',
    hasFileSetting: true,
    meaning: 'Ideogram key for reading and writing.',
    readBy: ['gateway', 'standalone'],
  },
  readKey: {
    type: 'secret',
    variable: 'IDEOGRAM_READ_KEY',
    hasFileSetting: true,
    meaning: 'Key for operations that read; needs the other one too.',
    readBy: ['gateway', 'standalone'],
  },
  writeKey: {
    type: 'secret',
    variable: 'IDEOGRAM_WRITE_KEY',
    hasFileSetting: true,
    meaning: 'Key for operations that bill or change.',
    readBy: ['gateway', 'standalone'],
  },
  keyFile: {
    type: 'path',
    variable: 'IDEOGRAM_API_KEY_FILE',
    default: null,
    meaning: 'File that holds the key for reading and writing; followed as it changes.',
    readBy: ['gateway', 'standalone'],
  },
  readKeyFile: {
    type: 'path',
    variable: 'IDEOGRAM_READ_KEY_FILE',
    default: null,
    meaning: 'File that holds the key for reading.',
    readBy: ['gateway', 'standalone'],
  },
  writeKeyFile: {
    type: 'path',
    variable: 'IDEOGRAM_WRITE_KEY_FILE',
    default: null,
    meaning: 'File that holds the key for writing.',
    readBy: ['gateway', 'standalone'],
  },
  from: {
    type: 'choice',
    variable: 'IDEOGATE_KEYS',
    options: ['sealed'],
    default: null,
    rule: 'is sealed, for the sealed store, or not set, for variables and files',
    meaning: '`sealed` takes keys from the sealed store, and from no variable or file.',
    readBy: ['gateway', 'standalone'],
  },
  identityFile: {
    type: 'path',
    variable: 'IDEOGATE_KEYS_IDENTITY_FILE',
    default: null,
    defaultIs: "`keys-identity` in the environment's part of the data folder",
    meaning: "File of the age identity that opens sealed keys; made when it isn't there.",
    readBy: ['gateway', 'standalone', 'cli'],
  },
  identity: {
    type: 'secret',
    variable: 'IDEOGATE_KEYS_IDENTITY',
    hasFileSetting: true,
    meaning: 'The identity itself, where there is no file.',
    readBy: ['gateway', 'standalone'],
  },
  checkPath: {
    type: 'text',
    variable: 'IDEOGATE_KEYS_CHECK_PATH',
    default: '/models',
    meaning: 'What a key is tried with: a GET that needs a key and costs nothing.',
    readBy: ['gateway', 'standalone'],
  },
  fingerprintSecretFile: {
    type: 'path',
    variable: 'IDEOGATE_FINGERPRINT_SECRET_FILE',
    default: null,
    meaning:
      'For `scan` alone, where there is no data folder: file of the secret that key ids are made with.',
    readBy: ['cli'],
  },
} as const satisfies Record<string, Setting>;
