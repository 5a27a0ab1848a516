import {
  type EnvironmentName,
  ENVIRONMENTS,
  isReadScope,
  type Operation,
  SCOPE_NAMES,
  type ScopePattern,
  WILDCARDS,
} from '@ideogate/contract';
import { PROMPTS, type Retention } from '../release.ts';
import type { Positioned } from './read-by-schema.ts';

/** Ceilings where the policy sets none. Production has no default: its list is always explicit. */
export const DEFAULT_CEILINGS: Readonly<Record<EnvironmentName, readonly ScopePattern[] | null>> = {
  development: ['read:*'],
  staging: ['read:*', 'write:limited'],
  production: null,
};
/** PCI DSS 4.0.1, requirement 10.5.1: twelve months, the last three at once. */
export const LEAST_RETENTION: Retention = { months: 12, inDatabase: 3 };
/** Days after which a key is too old, and what happens then, where the policy does not say. */
export const DEFAULT_KEY_AGE = { maxAgeDays: 90, atMaxAge: 'warn' } as const;
/** Every word that a ceiling or a grant may hold. */
export const SCOPE_PATTERNS: readonly string[] = [...WILDCARDS, ...SCOPE_NAMES];

const MAX_MONTHS = 600;
const MAX_SUBJECT = 255;
const MAX_DESCRIPTION = 500;

/** A map with these settings and no others; `title` is what faults call it. */
function settings<const Properties extends Readonly<Record<string, object>>>(
  title: string,
  properties: Properties,
) {
  return { type: 'object', title, properties, additionalProperties: false } as const;
}

function keyName(setting: string) {
  return {
    type: 'string',
    // Without an underscore, a long run of capitals and digits is more likely a key than a name.
    pattern: '^(?=.{1,64}$)(?!.*[A-Z0-9]{25})[A-Z][A-Z0-9_]*$',
    description: 'The environment variable that says where the key is. Never a key.',
    errorMessage: `keys.${setting} must be the name of an environment variable, such as IDEOGRAM_READ_KEY; never write a key here`,
  } as const;
}

const KEYS = settings('keys', {
  read: keyName('read'),
  write: keyName('write'),
  max_age_days: {
    type: 'integer',
    minimum: 1,
    maximum: 3650,
    default: DEFAULT_KEY_AGE.maxAgeDays,
    description: 'Days after which a key is too old.',
    errorMessage: 'max_age_days must be a number of days from 1 to 3650',
  },
  at_max_age: {
    type: 'string',
    enum: ['warn', 'refuse'],
    default: DEFAULT_KEY_AGE.atMaxAge,
    description: 'What happens then: it is said, or no call goes out with such a key.',
    errorMessage: 'at_max_age must be warn or refuse',
  },
});

function months(setting: string, least: number, description: string) {
  return {
    type: 'integer',
    minimum: 1,
    maximum: MAX_MONTHS,
    default: least,
    description,
    errorMessage: `${setting} must be a number of months from 1 to ${MAX_MONTHS}`,
  } as const;
}

const RETENTION = settings('retention', {
  months: months('months', LEAST_RETENTION.months, 'Months that the record is kept in all.'),
  in_database: months(
    'in_database',
    LEAST_RETENTION.inDatabase,
    'Months of them that are kept in the database.',
  ),
  shorter_because: {
    type: 'string',
    // Ten characters, spaces around them not counted.
    pattern: '\\S[\\s\\S]{8,}\\S',
    description: 'Why less than PCI DSS 10.5.1 asks for is right here.',
    patternErrorMessage: 'shorter_because must say why, for the auditor who reads it',
  },
});

const RECORD = settings('record', {
  prompts: {
    type: 'string',
    enum: PROMPTS,
    default: 'digest',
    description: 'What the record keeps of prompts: a keyed digest and the length, or the text too, sealed.',
  },
});

/** A list of scopes. In production no wildcards: what they stand for changes with the catalogue. */
function scopes(environment: EnvironmentName, description: string) {
  const words = environment === 'production' ? SCOPE_NAMES : SCOPE_PATTERNS;
  return {
    type: 'array',
    items: { type: 'string', title: 'scope', enum: words },
    uniqueItems: true,
    description,
  } as const;
}

/** RFC 6454 section 6.2, as far as a pattern can say it. */
const ORIGIN = { type: 'string', format: 'uri', pattern: '^https?://[^/?#@]+$' } as const;

function environment(name: EnvironmentName) {
  const map = settings(`environment ${name}`, {
    identifier: { ...ORIGIN, description: "The gateway's public origin: the audience of its tokens." },
    upstream: { ...ORIGIN, description: 'Origin of the Ideogram API.' },
    ceiling: scopes(name, 'Scopes that the environment may ever grant.'),
    keys: KEYS,
    retention: RETENTION,
    record: RECORD,
  });
  const required = DEFAULT_CEILINGS[name] === null ? ['ceiling'] : [];
  return { anyOf: [{ ...map, required }, { type: 'null' }] } as const;
}

const CALLER = {
  ...settings('a caller', {
    subject: {
      type: 'string',
      pattern: `^(?!\\s)[^\\r\\n\\t]{1,${MAX_SUBJECT}}(?<!\\s)$`,
      description: "The sub of the caller's tokens.",
      patternErrorMessage: `subject must be 1 to ${MAX_SUBJECT} characters on one line, without space around it`,
    },
    issuer: {
      type: 'string',
      format: 'uri',
      description: 'The only issuer whose tokens count. Left out: any trusted one.',
    },
    description: {
      type: 'string',
      pattern: `^[\\s\\S]{0,${MAX_DESCRIPTION}}$`,
      patternErrorMessage: `description is longer than ${MAX_DESCRIPTION} characters`,
    },
    grants: byEnvironment('grants', (name) => scopes(name, `Scopes that the caller has in ${name}.`)),
  }),
  required: ['subject', 'grants'],
} as const;

/** A map with a value for each environment. */
function byEnvironment<Value extends object>(title: string, of: (name: EnvironmentName) => Value) {
  const properties = {
    development: of('development'),
    staging: of('staging'),
    production: of('production'),
  };
  return { ...settings(title, properties), propertyNames: { title: 'environment', enum: ENVIRONMENTS } };
}

function scopeChange(words: readonly string[]) {
  return {
    ...settings('operation', { scope: { type: 'string', enum: words } }),
    required: ['scope'],
  } as const;
}

/**
 * The shape of a policy file, as JSON Schema. `readBySchema` holds a file against it, and tells what is wrong in the
 * words of `title`, `errorMessage` and `patternErrorMessage`; the latter two are keywords of VS Code, which shows the
 * same. A constraint without words is for editors alone: what breaks it, `parsePolicy` tells in words of its own.
 *
 * It is written out because a library that builds such schemas (TypeBox) takes 120 ms of every start to load, and stops
 * at eight faults without positions; a test holds what is published against that library's reading of it.
 */
export const POLICY_SCHEMA = settings('a policy file', {
  environments: byEnvironment('environments', environment),
  callers: { type: 'array', items: CALLER },
  operations: { type: 'object', additionalProperties: scopeChange(SCOPE_NAMES) },
});

/** As it is published (JSON Schema, draft 7): with the operations whose scope can be changed, and to which. */
export function publishedSchema(catalogue: readonly Operation[]): object {
  const changes = catalogue.flatMap(({ id, closed, scope, summary }) => {
    if (closed !== null || scope === null) return [];
    const kind = isReadScope(scope) ? 'read' : 'write';
    return [[id, { description: summary, $ref: `#/definitions/${kind}` }]];
  });
  const { properties } = POLICY_SCHEMA;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...POLICY_SCHEMA,
    properties: { ...properties, operations: settings('operations', Object.fromEntries(changes)) },
    definitions: {
      read: scopeChange(SCOPE_NAMES.filter(isReadScope)),
      write: scopeChange(SCOPE_NAMES.filter((scope) => !isReadScope(scope))),
    },
  };
}

/** What stands under an environment's name. */
export type EnvironmentEntry = Positioned<ReturnType<typeof environment>>;
/** The settings of an environment, as far as they are there. */
export type EnvironmentSettings = NonNullable<EnvironmentEntry['value']>;
/** An item of the list of callers. */
export type CallerEntry = Positioned<typeof CALLER>;
/** A ceiling or a grant. */
export type ScopesEntry = Positioned<ReturnType<typeof scopes>>;
/** What stands under an operation's name. */
export type ScopeChangeEntry = Positioned<ReturnType<typeof scopeChange>>;
