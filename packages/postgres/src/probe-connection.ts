import type { SessionTimeouts } from './connection-config.ts';
import { type Session, withSession } from './session.ts';

/** How a connection to a database was really made, and how its clock stands to ours. */
export interface DatabaseProbe {
  readonly tls: ReturnType<Session['tls']>;
  /** The server's clock minus ours, milliseconds; it is right within `boundMs`, half of what the question took. */
  readonly aheadMs: number;
  readonly boundMs: number;
}

const TIMEOUTS: SessionTimeouts = { connectMs: 2_000, statementMs: 2_000, graceMs: 500 };

/** Connects as every process does with this URL, and looks at the connection. @throws what Postgres or the network says */
export function probeDatabase(url: string): Promise<DatabaseProbe> {
  return withSession(url, 'ideogate-probe', TIMEOUTS, async (session) => {
    const asked = performance.now();
    const [row] = await session.rows<{ now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
    );
    const boundMs = Math.ceil((performance.now() - asked) / 2);
    const aheadMs = Math.round((row?.now ?? Number.NaN) - (Date.now() - boundMs));
    return { tls: session.tls(), aheadMs, boundMs };
  });
}
