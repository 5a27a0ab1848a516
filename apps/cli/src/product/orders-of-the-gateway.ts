import { hostname } from 'node:os';
import { join } from 'node:path';
import type { AuditWriter } from '@ideogate/audit/append';
import type { Log } from '@ideogate/gateway';
import { type KillSwitch, openKillSwitch } from '@ideogate/kill-switch';
import { codeOf } from './data-folder.ts';
import type { ProductConfig } from './product-config.ts';
import type { RecordDatabase } from './record-database.ts';

/**
 * Takes up the orders that stop calls, and obeys those that come, for as long as the gateway runs.
 * @throws KillFileError, ControlError; what the network or Postgres says
 */
export function obeyOrders(
  config: ProductConfig,
  folder: string,
  database: Pick<RecordDatabase, 'keysOpenUrl'>,
  record: AuditWriter,
  log: Log,
): Promise<KillSwitch> {
  const { environment, controlFolder, release } = config;
  return openKillSwitch({
    file: join(folder, 'kill-orders.json'),
    controlFolder,
    // The process id, for who has to stop it by hand; and more, for in containers that share the folder it is 1 in all.
    name: `${environment}-${process.pid}-${record.writer.slice(0, 8)}`,
    openUrl: database.keysOpenUrl,
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
        release: release.id,
        keyId: kind === 'key' ? target : null,
        detail: { order: id, kind, target, reason, given_at: at },
      });
    },
    onFault: (fault) =>
      fault === null
        ? log.info({}, 'orders in the database are followed again')
        : log.error(
            { error: codeOf(fault) },
            'orders in the database cannot be followed; those known go on, and the control socket takes new ones',
          ),
  });
}
