import { audit } from './audit.ts';
import { clock } from './clock.ts';
import { database } from './database.ts';
import { envFiles } from './env-files.ts';
import { exposed } from './exposed.ts';
import type { Finding } from './finding.ts';
import { issuers } from './issuers.ts';
import { keyAges } from './key-ages.ts';
import { keyEnvironments } from './key-environments.ts';
import { keyPlaces } from './key-places.ts';
import { keySlots } from './key-slots.ts';
import { scopes } from './scopes.ts';
import { setUp } from './set-up.ts';
import type { Surroundings } from './surroundings.ts';
import { tls } from './tls.ts';
import { webhooks } from './webhooks.ts';

interface Check {
  /** What is shown to be so. */
  readonly shows: string;
  /** How it is proved, without a grain of trust in a setting. */
  readonly how: string;
  readonly run: (surroundings: Surroundings) => Promise<readonly Finding[]>;
}

/** All that doctor looks at, in the order in which it tells. The docs are made from this table. */
export const CHECKS = {
  'set-up': {
    shows: 'the settings have no fault, and are those of the running product',
    how: 'reads them as `start` does; asks the gateway for an answer',
    run: setUp,
  },
  keys: {
    shows:
      'keys come from variables, files or the sealed store, and are in no file that git has or would take',
    how: 'scans the working folder for the ids of all known keys',
    run: keyPlaces,
  },
  'env-files': {
    shows: 'git ignores `.env` and its kin, and has none that holds a secret',
    how: 'asks git; scans what git has',
    run: envFiles,
  },
  'key-environments': {
    shows: 'each environment has keys of its own',
    how: 'fingerprints the keys at hand under each secret of the data folder, and compares with the ids of `--known` and with `key-claims.json`',
    run: keyEnvironments,
  },
  'key-slots': {
    shows: 'reading and writing have a key each',
    how: 'compares their ids',
    run: keySlots,
  },
  'key-ages': {
    shows: 'no key is too old, and no rotation stands still',
    how: 'reads since when each is known, and compares with policy',
    run: keyAges,
  },
  exposed: {
    shows: 'nothing else that looks like a secret lies in the working folder',
    how: 'scans it as `ideogate scan` does',
    run: exposed,
  },
  scopes: {
    shows: 'ceilings are the least for their environment; no grant lies unused for 30 days',
    how: 'reads the policy; asks the record which granted scopes were needed for a call',
    run: scopes,
  },
  webhooks: {
    shows: 'every endpoint asks for a signature',
    how: 'sends it a good webhook, a forged one and an old one, and looks at the answers',
    run: webhooks,
  },
  audit: {
    shows: 'the record takes rows, gives them back, and is signed',
    how: "writes a row, reads it back by the read login, verifies the last checkpoint's signature",
    run: audit,
  },
  tls: {
    shows: 'the upstream and the database are who they should be',
    how: 'opens a connection to each as the gateway does, and looks whether it was authorised; sends the upstream nothing',
    run: tls,
  },
  database: {
    shows: 'the database keeps what it acknowledged; its logins may do one thing each',
    how: 'asks it, in a session of each login',
    run: database,
  },
  clock: {
    shows: 'clocks agree with this one, within a stated bound',
    how: 'asks the database for its time, and every issuer for its `Date`',
    run: clock,
  },
  issuers: {
    shows: 'the keys that tokens are verified with can be had',
    how: 'fetches the key set of every trusted issuer, and reads it as the gateway does',
    run: issuers,
  },
} as const satisfies Readonly<Record<string, Check>>;

/** The name of a check of the table. */
export type CheckName = keyof typeof CHECKS;
