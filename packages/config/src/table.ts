import type { Setting, ValueOf } from './setting.ts';
import { ACCESS_TOKENS } from './table/access-tokens.ts';
import { GATEWAY } from './table/gateway.ts';
import { GENERAL, LISTEN } from './table/general.ts';
import { ISSUER } from './table/issuer.ts';
import { RECORD } from './table/record.ts';
import { UPSTREAM, UPSTREAM_KEYS } from './table/upstream.ts';

/**
 * Every variable that an operator can set, by what it is about. The one table: settings are read by it, and
 * `.env.example`, the tables of `docs/run.md` and `ideogate config show` are made from it.
 */
export const SETTINGS = {
  general: GENERAL,
  listen: LISTEN,
  record: RECORD,
  upstream: UPSTREAM,
  upstreamKeys: UPSTREAM_KEYS,
  gateway: GATEWAY,
  accessTokens: ACCESS_TOKENS,
  issuer: ISSUER,
} as const satisfies Record<string, Record<string, Setting>>;

/** The name of a group of the table. */
export type SettingGroup = keyof typeof SETTINGS;

/** What the settings are, all of them valid: `values.gateway.maxInFlight` is a number, `values.listen.tlsCert` a path or null. */
export type SettingValues = {
  readonly [Group in SettingGroup]: {
    readonly [Name in keyof (typeof SETTINGS)[Group]]: (typeof SETTINGS)[Group][Name] extends infer One extends
      Setting
      ? ValueOf<One>
      : never;
  };
};

/** What must hold between two settings. Each gives the fault, in the words of the operator, or null. */
export const RELATIONS: readonly {
  readonly group: SettingGroup;
  readonly fault: (values: SettingValues) => string | null;
}[] = [
  {
    group: 'gateway',
    fault: ({ gateway: { requestMs, headersMs } }) =>
      notShorter(
        ['IDEOGATE_REQUEST_TIMEOUT_MS', requestMs],
        ['IDEOGATE_HEADERS_TIMEOUT_MS', headersMs],
        'ms',
      ),
  },
  {
    group: 'upstreamKeys',
    fault: ({ upstreamKeys: { identity, identityFile } }) =>
      identity !== null && identityFile !== null
        ? 'IDEOGATE_KEYS_IDENTITY and IDEOGATE_KEYS_IDENTITY_FILE are both set: which of them holds? Unset one'
        : null,
  },
  {
    group: 'accessTokens',
    fault: ({ accessTokens: { keySetTrustSeconds, keySetFreshSeconds } }) =>
      notShorter(
        ['IDEOGATE_KEY_SET_TRUST_SECONDS', keySetTrustSeconds],
        ['IDEOGATE_KEY_SET_FRESH_SECONDS', keySetFreshSeconds],
        's',
      ),
  },
  {
    group: 'accessTokens',
    fault: ({ accessTokens: { keySetFreshSeconds, keySetCooldownSeconds } }) =>
      notShorter(
        ['IDEOGATE_KEY_SET_FRESH_SECONDS', keySetFreshSeconds],
        ['IDEOGATE_KEY_SET_COOLDOWN_SECONDS', keySetCooldownSeconds],
        's',
      ),
  },
];

type Named = readonly [variable: string, value: number];

function notShorter([long, longer]: Named, [short, shorter]: Named, unit: string): string | null {
  return longer < shorter
    ? `${long} (${longer} ${unit}) must not be shorter than ${short} (${shorter} ${unit})`
    : null;
}
