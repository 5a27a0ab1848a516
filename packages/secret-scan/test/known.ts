import { keyIdOf } from '@ideogate/upstream-keys';
import { ExactFinder, type Finding, scan, type Source } from '../src/index.ts';

export const KEY = 'fake-ideogram-key-MARKED-0123456789-abcdef';
export const FINGERPRINT = 'fake-fingerprint-secret';

export function finder(...keys: readonly string[]): ExactFinder {
  const ids = keys.map((key) => keyIdOf(Buffer.from(key), FINGERPRINT));
  return new ExactFinder([{ fingerprintSecret: FINGERPRINT, ids: new Set(ids) }]);
}

async function* cutInto(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export function source(
  text: string | Buffer,
  more: Partial<Source> & { readonly size?: number } = {},
): Source {
  const { size = 65_536, ...rest } = more;
  return { file: 'src/a.ts', object: null, inGit: true, chunks: cutInto(Buffer.from(text), size), ...rest };
}

/** Every finding in one source. */
export async function inOne(one: Source, exact: ExactFinder): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of scan(one, exact)) findings.push(finding);
  return findings;
}

export async function all(sources: AsyncIterable<Source>, exact: ExactFinder): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const one of sources) findings.push(...(await inOne(one, exact)));
  return findings;
}
