import { DATABASE_FAULTS, databaseSafety } from '@ideogate/audit';
import { errorCode } from '@ideogate/contract';
import { findLogin } from '@ideogate/data-dir';
import { loginOf } from '../running-product.ts';
import { fault, type Finding, NOT_RUNNING, ok, unknown, warning } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

/** The database keeps what it acknowledged, and each of the record's logins may do one thing. */
export async function database({ ready, config }: Surroundings): Promise<readonly Finding[]> {
  if (ready === null) return [NOT_RUNNING];
  const logins = [
    ['append', loginOf(ready, 'append')],
    ['read', loginOf(ready, 'read')],
  ] as const;
  try {
    const safeties = await Promise.all(
      logins.map(async ([login, url]) => ({ login, ...(await databaseSafety(url, login)) })),
    );
    const found = safeties.flatMap(({ login, faults }) =>
      faults.map(({ fault: name, detail }) => {
        const evidence = `${name}${detail === null ? '' : ` (${detail})`}, by the ${login} login`;
        const accepted = config?.acceptedFaults.includes(name) === true;
        return (accepted ? warning : fault)(
          accepted ? `${evidence}; accepted for development` : evidence,
          DATABASE_FAULTS[name],
        );
      }),
    );
    const alone =
      findLogin(ready.dir, 'owner') === null && safeties.some(({ survivesFailover }) => !survivesFailover);
    return [
      ...(found.length > 0
        ? found
        : [ok('fsync, synchronous_commit and full_page_writes are on; each login may do one thing')]),
      ...(alone
        ? [
            warning(
              'a failover may lose the last acknowledged rows: no standby must have them',
              'set synchronous_standby_names',
            ),
          ]
        : []),
    ];
  } catch (error) {
    return [unknown(`the database cannot be reached (${errorCode(error)})`, 'see that it is up')];
  }
}
