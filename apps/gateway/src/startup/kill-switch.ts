import { hostname } from 'node:os';
import { join } from 'node:path';
import type { AuditWriter } from '@ideogate/audit/append';
import { type EnvironmentName, errorCode } from '@ideogate/contract';
import { type KillSwitch, openKillSwitch } from '@ideogate/kill-switch';
import type { Log } from '../context.ts';

/**
 * Takes up the orders that stop calls, and those that come, for as long as the gateway runs.
 * @throws KillFileError, ControlError; what the network or Postgres says
 */
export function openGatewayKillSwitch(options: {
  readonly environment: EnvironmentName;
  /** Id of the policy's release. */
  readonly release: string;
  /** The environment's part of the data folder: orders are kept in it. */
  readonly dir: string;
  /** Folder of the sockets by which orders come straight to gateways. */
  readonly controlDir: string;
  /** The login that opens keys, which reads orders too. */
  readonly openUrl: string;
  readonly record: AuditWriter;
  readonly log: Log;
}): Promise<KillSwitch> {
  const { environment, release, dir, controlDir, openUrl, record, log } = options;
  return openKillSwitch({
    file: join(dir, 'kill-orders.json'),
    controlFolder: controlDir,
    // The process id, for who has to stop it by hand; and more, for in containers that share the folder it is 1 in all.
    name: `${environment}-${process.pid}-${record.writer.slice(0, 8)}`,
    openUrl,
    writer: record.writer,
    instance: `${hostname()} ${process.pid}`,
    onKill({ what, kind, target, reason, who, id, at }) {
      log.error({ kind, target, order: id }, what === 'kill' ? 'an order stops calls' : 'an order is undone');
      record.note({
        kind: 'notice',
        result: what === 'kill' ? 'calls-killed' : 'calls-revived',
        atMicros: BigInt(Date.now()) * 1000n,
        environment,
        subject: who,
        operation: `${what} --${kind}`,
        problem: null,
        reason: null,
        release,
        keyId: kind === 'key' ? target : null,
        detail: { order: id, kind, target, reason, given_at: at },
      });
    },
    onFault: (fault) =>
      fault === null
        ? log.info({}, 'orders in the database are followed again')
        : log.error(
            { error: errorCode(fault) },
            'orders in the database cannot be followed; those known go on, and the control socket takes new ones',
          ),
  });
}
