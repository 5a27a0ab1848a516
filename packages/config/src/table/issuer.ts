import type { NumberSetting } from '../setting.ts';

/** Numbers of the issuer. */
export const ISSUER = {
  perClient: {
    type: 'number',
    variable: 'IDEOGATE_ISSUER_RATE_PER_CLIENT',
    unit: 'requests',
    default: 1200,
    min: 1,
    max: 100_000_000,
    meaning: 'Requests for tokens a minute by one client with its secret; they may come at once.',
    readBy: ['issuer', 'standalone'],
  },
  perAddress: {
    type: 'number',
    variable: 'IDEOGATE_ISSUER_RATE_PER_ADDRESS',
    unit: 'requests',
    default: 600,
    min: 1,
    max: 100_000_000,
    meaning:
      "Requests for tokens a minute from one address without a client's secret; they may come at once.",
    readBy: ['issuer', 'standalone'],
  },
  maxSockets: {
    type: 'number',
    variable: 'IDEOGATE_ISSUER_MAX_SOCKETS',
    unit: 'sockets',
    default: 1000,
    min: 16,
    max: 100_000,
    meaning: 'Connections to the issuer; one more ends the one that has been silent for longest.',
    readBy: ['issuer', 'standalone'],
  },
  failureRows: {
    type: 'number',
    variable: 'IDEOGATE_ISSUER_FAILURE_ROWS',
    unit: 'rows',
    default: 600,
    min: 0,
    max: 1_000_000,
    meaning: 'Failed client authentications that have rows of their own, in an hour; the rest is summed.',
    readBy: ['issuer', 'standalone'],
  },
} as const satisfies Record<string, NumberSetting>;
