import type { Method, Operation } from '@ideogate/contract';
import { checkCatalogue, isPlainSegment } from './check.ts';

/** One path template, the operations that live there by method, and what the path's parameters were. */
export interface Route {
  readonly template: string;
  readonly methods: ReadonlyMap<Method, Operation>;
  readonly params: ReadonlyMap<string, string>;
}

/** Finds the operations of a path. */
export interface Router {
  /** The route of a path (no query), compared byte for byte; undefined when there is none. */
  find(path: string): Route | undefined;
}

interface Template {
  readonly template: string;
  readonly segments: readonly string[];
  readonly methods: Map<Method, Operation>;
}

const NO_PARAMS: ReadonlyMap<string, string> = new Map();

/**
 * @throws CatalogueError when the operations contradict each other (see `checkCatalogue`).
 */
export function buildRouter(operations: readonly Operation[]): Router {
  checkCatalogue(operations);
  const templates = new Map<string, Template>();
  for (const operation of operations) {
    const known = templates.get(operation.path);
    const entry = known ?? {
      template: operation.path,
      segments: operation.path.split('/'),
      methods: new Map<Method, Operation>(),
    };
    entry.methods.set(operation.method, operation);
    templates.set(operation.path, entry);
  }
  const literal = new Map<string, Route>();
  const byLength = new Map<number, Template[]>();
  for (const entry of templates.values()) {
    if (!entry.template.includes('{')) {
      literal.set(entry.template, {
        template: entry.template,
        methods: entry.methods,
        params: NO_PARAMS,
      });
    } else {
      const siblings = byLength.get(entry.segments.length) ?? [];
      siblings.push(entry);
      byLength.set(entry.segments.length, siblings);
    }
  }
  return {
    find(path) {
      const exact = literal.get(path);
      if (exact !== undefined) return exact;
      const segments = path.split('/');
      for (const candidate of byLength.get(segments.length) ?? []) {
        const params = match(candidate.segments, segments);
        if (params !== undefined) return { template: candidate.template, methods: candidate.methods, params };
      }
      return undefined;
    },
  };
}

function match(
  template: readonly string[],
  segments: readonly string[],
): ReadonlyMap<string, string> | undefined {
  const params = new Map<string, string>();
  for (const [at, expected] of template.entries()) {
    const segment = segments[at] ?? '';
    if (!expected.startsWith('{')) {
      if (segment !== expected) return undefined;
    } else {
      if (!isPlainSegment(segment)) return undefined;
      params.set(expected.slice(1, -1), segment);
    }
  }
  return params;
}
