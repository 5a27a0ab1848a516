import type { Method } from '@ideogate/contract';
import type { Step } from '../step.ts';

/** Step 5: what is not in the catalogue is refused, whatever the token says. */
export const findOperation: Step = (call, gateway) => {
  const route = call.path === null ? undefined : gateway.router.find(call.path);
  if (route === undefined) return { problem: 'unknown-operation', reason: 'unknown-path' };
  const operation = route.methods.get(call.method as Method); // as: a method the map does not know is simply not found
  if (operation === undefined) {
    const allow = [...route.methods.keys()].join(', ');
    return {
      problem: 'method-not-allowed',
      reason: 'unknown-method',
      detail: `${route.template} takes ${allow}.`,
      headers: { allow },
    };
  }
  call.operation = operation;
  call.quote = operation.dryRun && call.query === 'dry_run=true';
  return null;
};
