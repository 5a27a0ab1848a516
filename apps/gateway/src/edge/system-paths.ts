import type { Call } from '../call.ts';

/** The gateway's own pages live apart from every path of Ideogram's. */
export function isSystemPath(path: string): boolean {
  return path.startsWith('/-/') || path.startsWith('/.well-known/');
}

/** Whether the process lives. */
export const HEALTH = '/-/health';
/** Whether calls can be served. */
export const READY = '/-/ready';

const METHODS: ReadonlySet<string | null> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Who asks whether the gateway lives or is ready is under no limit of callers, on whatever port. */
export function isProbe({ target, method }: Pick<Call, 'target' | 'method'>): boolean {
  return (target === HEALTH || target === READY) && METHODS.has(method);
}
