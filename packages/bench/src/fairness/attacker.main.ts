import { setMaxListeners } from 'node:events';
import { setPriority } from 'node:os';
import { ATTACKS, type AttackName, type AttackScene } from './attacks.ts';
import { Tally } from './tally.ts';

/** One attack, in a process of its own. */
export interface AttackOrder {
  readonly attack: AttackName;
  readonly scene: AttackScene;
}

// It stands for machines of others. Here it shares the cores with what it attacks, and must not win by taking those.
setPriority(10);
const seen = new Tally();
const end = new AbortController();
// Every connection listens for the end.
setMaxListeners(0, end.signal);
process.on('message', (order: AttackOrder | 'end') => {
  if (order === 'end') {
    end.abort();
    return;
  }
  void ATTACKS[order.attack].run(order.scene, seen, end.signal).then(() => {
    process.send?.(seen.counts(), () => process.exit(0));
  });
});
process.on('disconnect', () => process.exit(0));
