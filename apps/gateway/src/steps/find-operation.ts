import { didYouMean, type Method } from '@ideogate/contract';
import { type Authenticated, learn, type Matched } from '../call.ts';
import type { Gateway } from '../context.ts';
import type { Refusal } from '../refusal.ts';
import type { Step } from './pipeline.ts';

/** Step 5: what is not in the catalogue is refused, whatever the token says. */
export const findOperation: Step<Authenticated, Matched> = (call, gateway) => {
  const route = gateway.router.find(call.path);
  if (route === undefined) return unknownPath(call.path, gateway);
  const operation = route.methods.get(call.method as Method); // as: a method the map does not know is simply not found
  if (operation === undefined) {
    const methods = [...route.methods.keys()];
    const allow = methods.join(', ');
    const near = methods.length === 1 ? methods[0] : didYouMean(call.method, methods);
    return {
      problem: 'method-not-allowed',
      reason: 'unknown-method',
      detail: `${route.template} takes ${allow}.${near === undefined ? '' : ` Did you mean ${near}?`}`,
      headers: { allow },
    };
  }
  const quote = operation.dryRun && call.query === 'dry_run=true';
  return learn(call, { operation, quote, capability: quote ? 'read' : operation.capability });
};

/** The catalogue is no secret: who is off by a few letters is told which path is near. */
function unknownPath(path: string, { release }: Gateway): Refusal {
  const refusal = { problem: 'unknown-operation', reason: 'unknown-path' } as const;
  const written = path.split('/');
  const templates = new Map<string, string>();
  for (const operation of release.operations)
    if (operation.closed === null) templates.set(filledIn(operation.path, written), operation.path);
  const near = didYouMean(path, templates.keys());
  return near === undefined
    ? refusal
    : { ...refusal, detail: `Ideogram has no such operation. Did you mean ${templates.get(near)}?` };
}

/** A template with what was written where it has a parameter, so that only the rest is compared. */
function filledIn(template: string, written: readonly string[]): string {
  const segments = template.split('/');
  if (segments.length !== written.length) return template;
  return segments.map((segment, at) => (segment.startsWith('{') ? written[at] : segment)).join('/');
}
