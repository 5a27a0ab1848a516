import { basename } from 'node:path';

/** `.env`, `.env.local` and the like; not those that are there to be copied. */
export function isEnvironmentFile(file: string): boolean {
  return /^\.env(?:\.|$)/.test(basename(file)) && !/\.(?:example|sample|template|dist|defaults?)$/.test(file);
}

const ASSIGNMENT =
  /^[ \t]*(?:export[ \t]+)?[A-Z0-9_]*(?:KEY|SECRET|TOKEN|PASSWORD|CREDENTIALS?|DATABASE_URL)[A-Z0-9_]*[ \t]*=[ \t]*(["']?)([^\s"'#]{8,})/gm;
const NO_SECRET = /^(?:\$|<|your|change-?me|example|placeholder|todo|xxx|file:|[./~])/i;

/** Where an environment file gives something a value that is a secret by its name; -1 when nowhere. */
export function secretAssigned(text: string): number {
  for (const match of text.matchAll(ASSIGNMENT)) if (!NO_SECRET.test(match[2] ?? '')) return match.index;
  return -1;
}
