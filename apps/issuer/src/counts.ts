import { AUTHENTICATION_FAULTS, type AuthenticationFault } from './client-authentication.ts';

/** Why a request for a token got none: a closed set, so that each is a series of the metrics. */
export const REFUSAL_REASONS = [
  ...AUTHENTICATION_FAULTS,
  /** A client failed again and again from one address. */
  'back-off',
  'address-rate',
  'client-rate',
  'client-waiting',
  'overloaded',
  /** What came is no request of HTTP, or its head didn't come in time. */
  'unreadable',
  'body-too-large',
  'body-too-slow',
  'body-cut-short',
  /** The client is who it says; what it asks for is wrong, or not granted. */
  'invalid-request',
  'server-error',
] as const;
/** Why a request for a token is refused: one of `REFUSAL_REASONS`. */
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** What the issuer has done since it began, and how it stands. Plain values: they go from process to process. */
export interface IssuerCounts {
  /** Tokens minted. */
  readonly tokens: number;
  readonly refusals: Readonly<Record<RefusalReason, number>>;
  /** Failed client authentications, whether they were answered 401 or, in a flood, 429. */
  readonly authenticationFailures: Readonly<Record<AuthenticationFault, number>>;
  /** Connections that had to go for others. */
  readonly connectionsEnded: number;
  readonly connections: number;
  /** Requests of clients that are being answered, or wait for it. */
  readonly inFlight: number;
}

/** The counters behind. */
export interface IssuerCounters {
  tokens: number;
  connectionsEnded: number;
  readonly refusals: Record<RefusalReason, number>;
  readonly authenticationFailures: Record<AuthenticationFault, number>;
}

/** Counters that stand at zero. */
export function newCounters(): IssuerCounters {
  return {
    tokens: 0,
    connectionsEnded: 0,
    refusals: zeros(REFUSAL_REASONS),
    authenticationFailures: zeros(AUTHENTICATION_FAULTS),
  };
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>; // as: one entry per name
}
