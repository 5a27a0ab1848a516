import { createServer } from 'node:net';
import { StartError } from './start-error.ts';

/**
 * Looks at every port before anything is started, so that nothing is half started.
 *
 * @throws StartError naming each port in use.
 */
export async function requireFreePorts(ports: ReadonlyMap<string, number>): Promise<void> {
  const taken: string[] = [];
  for (const [what, port] of ports) {
    if (!(await isFree(port)))
      taken.push(`Port ${port} (${what}) is in use: stop what uses it, or set IDEOGATE_PORT to another.`);
  }
  if (taken.length > 0) throw new StartError('port-in-use', taken);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
