import { setTimeout as delay } from 'node:timers/promises';
import type { Fate } from '../relay.ts';
import { type Fault, underLoad } from './fault.ts';

/** The connection is silent after it until the gateway gives it up, or is reset at some moment. */
function swallowed(name: string, fate: Fate): Fault {
  return underLoad(name, async (scene) => {
    for (let time = 0; time < scene.lasting(2, 4); time++) {
      await scene.nextAppend(fate);
      if (scene.random.number() < 0.5) {
        await delay(scene.random.between(0, 300));
        scene.relay.reset();
      }
      await scene.served();
    }
  });
}

export const NETWORK: readonly Fault[] = [
  swallowed('answer to COMMIT swallowed, rows persisted', 'swallow-answer'),
  swallowed('COMMIT itself swallowed, nothing persisted', 'swallow-question'),
  underLoad('network silent', async (scene) => {
    scene.relay.freeze();
    await delay(scene.random.between(scene.lasting(100, 500), scene.lasting(1_500, 8_000)));
  }),
  underLoad('connections cut, and new ones refused', async (scene) => {
    scene.relay.cut();
    await delay(scene.random.between(scene.lasting(50, 100), scene.lasting(1_000, 6_000)));
  }),
  underLoad('connections reset', async (scene) => {
    for (let time = 0; time < scene.lasting(3, 20); time++) {
      await delay(scene.random.between(0, 150));
      scene.relay.reset();
    }
  }),
  underLoad('answers late, some later than a call waits', async (scene) => {
    for (let time = 0; time < scene.lasting(2, 6); time++) {
      scene.relay.delayAnswers(scene.random.between(1, scene.lasting(900, 2_800)));
      await delay(scene.lasting(500, 1_500));
    }
  }),
];
