import { AUTHENTICATION_FAULTS, type IssuerCounts, REFUSAL_REASONS } from '@ideogate/issuer';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { IssuerProcess } from './issuer-process.ts';

/** The issuer's numbers beside the gateway's: its process tells them each second. */
export function addIssuerMetrics(
  registry: Registry,
  issuer: Pick<IssuerProcess, 'counts' | 'isUp' | 'restarts'>,
): void {
  const registers = [registry];
  const total = (name: string, help: string, read: (counts: IssuerCounts) => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        const counts = issuer.counts();
        this.reset();
        if (counts !== null) this.inc(read(counts));
      },
    });
  const byReason = <Name extends string>(
    name: string,
    help: string,
    reasons: readonly Name[],
    read: (counts: IssuerCounts) => Readonly<Record<Name, number>>,
  ) =>
    new Counter({
      name,
      help,
      labelNames: ['reason'],
      registers,
      collect() {
        const counts = issuer.counts();
        this.reset();
        for (const reason of reasons) this.inc({ reason }, counts === null ? 0 : read(counts)[reason]);
      },
    });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });

  total('ideogate_issuer_tokens_total', 'Tokens minted.', ({ tokens }) => tokens);
  byReason(
    'ideogate_issuer_refusals_total',
    'Requests for tokens that got none, by the reason of the answer.',
    REFUSAL_REASONS,
    ({ refusals }) => refusals,
  );
  byReason(
    'ideogate_issuer_client_authentication_failures_total',
    'Failed client authentications, those of a flood included, by what was wrong.',
    AUTHENTICATION_FAULTS,
    ({ authenticationFailures }) => authenticationFailures,
  );
  total(
    'ideogate_issuer_connections_ended_total',
    'Connections to the issuer that had to go for others.',
    ({ connectionsEnded }) => connectionsEnded,
  );
  gauge(
    'ideogate_issuer_connections',
    'Connections to the issuer now.',
    () => issuer.counts()?.connections ?? 0,
  );
  gauge(
    'ideogate_issuer_in_flight',
    'Requests of authenticated clients that are being answered or wait for it.',
    () => issuer.counts()?.inFlight ?? 0,
  );
  gauge('ideogate_issuer_up', '1 while the issuer answers, 0 while it is started again.', () =>
    issuer.isUp() ? 1 : 0,
  );
  gauge('ideogate_issuer_restarts', 'How often the issuer died and was started again.', () =>
    issuer.restarts(),
  );
}
