import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface CpuProfile {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Node {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** Where a process spent its busy time. Shares are of that time, from 0 to 1. */
export interface Profile {
  /** The functions with the most time in themselves. */
  hottest(count: number): readonly { readonly name: string; readonly share: number }[];
  /** The share of all that the functions of a file do, with whatever they call. */
  shareOf(file: string): number;
}

/** Reads what `node --cpu-prof` wrote into a folder. */
export function readProfile(folder: string): Profile {
  const file = readdirSync(folder).find((entry) => entry.endsWith('.cpuprofile'));
  if (file === undefined) throw new Error(`no CPU profile was written to ${folder}`);
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile; // as: the format of node --cpu-prof
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const own = new Map<number, number>();
  for (const [i, id] of samples.entries()) {
    if (byId.get(id)?.callFrame.functionName !== '(idle)')
      own.set(id, (own.get(id) ?? 0) + (timeDeltas[i] ?? 0));
  }
  const busy = sum(own.values());
  const isIn = (id: number | undefined, url: string): boolean =>
    id !== undefined && (byId.get(id)?.callFrame.url.endsWith(url) === true || isIn(parents.get(id), url));
  return {
    hottest(count) {
      const byName = new Map<string, number>();
      for (const [id, micros] of own) {
        const name = nameOf(byId.get(id));
        byName.set(name, (byName.get(name) ?? 0) + micros);
      }
      return [...byName]
        .sort(([, a], [, b]) => b - a)
        .slice(0, count)
        .map(([name, micros]) => ({ name, share: micros / busy }));
    },
    shareOf: (url) => sum([...own].filter(([id]) => isIn(id, url)).map(([, micros]) => micros)) / busy,
  };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function nameOf(node: Node | undefined): string {
  if (node === undefined) return '?';
  const { functionName, url, lineNumber } = node.callFrame;
  const place = url.replace(/^.*\/(?:node_modules\/(?!.*node_modules\/)|(?=(?:apps|packages)\/))/, '');
  return `${functionName || '(anonymous)'}${place === '' ? '' : ` ${place}:${lineNumber + 1}`}`;
}
