import { number, type Numbers, type NumberSetting } from '@ideogate/config';

/** Every number of the issuer that an operator can set. The one table; the docs are generated from it. */
export const ISSUER_SETTINGS = {
  perClient: number(
    'IDEOGATE_ISSUER_RATE_PER_CLIENT',
    1200,
    'requests',
    1,
    100_000_000,
    'Requests for tokens a minute by one client with its secret; they may come at once.',
  ),
  perAddress: number(
    'IDEOGATE_ISSUER_RATE_PER_ADDRESS',
    600,
    'requests',
    1,
    100_000_000,
    "Requests for tokens a minute from one address without a client's secret; they may come at once.",
  ),
  maxSockets: number(
    'IDEOGATE_ISSUER_MAX_SOCKETS',
    1000,
    'sockets',
    16,
    100_000,
    'Connections to the issuer; one more ends the one that has been silent for longest.',
  ),
  failureRows: number(
    'IDEOGATE_ISSUER_FAILURE_ROWS',
    600,
    'rows',
    0,
    1_000_000,
    'Failed client authentications that have rows of their own, in an hour; the rest is summed.',
  ),
} as const satisfies Record<string, NumberSetting>;

export type IssuerLimits = Numbers<typeof ISSUER_SETTINGS>;
