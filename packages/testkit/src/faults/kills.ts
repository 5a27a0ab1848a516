import { setTimeout as delay } from 'node:timers/promises';
import { newMarker, sendHalfAHead } from './callers.ts';
import type { Fault } from './fault.ts';
import type { GatewayProcess } from './gateway-process.ts';
import type { Fate } from '../relay.ts';
import type { Scene } from './scene.ts';

interface Step {
  readonly at: string;
  readonly reach: (scene: Scene, gateway: GatewayProcess) => Promise<void>;
}

/** Steps of a call, in their order: each resolves when a call is there, and the gateway can be killed. */
const STEPS: readonly Step[] = [
  {
    at: 'half a head is sent',
    reach: async (_, gateway) => void (await sendHalfAHead(gateway)),
  },
  {
    at: 'its decision is on the way to Postgres',
    reach: async (scene, gateway) => {
      const lost = scene.nextAppend('swallow-question');
      void scene.callers.call(gateway);
      await lost;
      // Time for a gateway that did not wait to send it on.
      await delay(200);
    },
  },
  {
    at: 'its decision is committed, unknown to the gateway',
    reach: async (scene, gateway) => {
      const lost = scene.nextAppend('swallow-answer');
      void scene.callers.call(gateway);
      await lost;
    },
  },
  {
    at: 'its upload is half-way to the upstream',
    reach: async (scene, gateway) => {
      const marker = newMarker();
      const arrived = scene.upstream.arrived(marker);
      void scene.callers.call(gateway, 'half-upload', { marker });
      await arrived;
    },
  },
  {
    at: 'the upstream has it',
    reach: async (scene, gateway) => {
      const marker = newMarker();
      scene.upstream.plan(marker, 'hold');
      const arrived = scene.upstream.arrived(marker, 'fully');
      void scene.callers.call(gateway, 'paid', { marker });
      await arrived;
    },
  },
  {
    at: 'its answer is half-way to the caller',
    reach: async (scene, gateway) => {
      const marker = newMarker();
      scene.upstream.plan(marker, 'hold-in-answer');
      await new Promise<void>((resolve) => {
        void scene.callers.call(gateway, 'paid', { marker, atAnswer: resolve });
      });
    },
  },
  {
    at: 'it is answered, its outcome on the way to Postgres',
    reach: async (scene, gateway) => {
      await scene.callers.call(gateway);
      await scene.nextAppend('swallow-question');
    },
  },
  {
    at: 'it is answered, its outcome committed, unknown to the gateway',
    reach: async (scene, gateway) => {
      await scene.callers.call(gateway);
      await scene.nextAppend('swallow-answer');
    },
  },
];

const atEachStep: readonly Fault[] = STEPS.map(({ at, reach }) => ({
  name: `gateway killed when ${at}`,
  async play(scene) {
    const gateway = await scene.gateway();
    await scene.calls(gateway, scene.random.between(0, 5));
    await reach(scene, gateway);
    await scene.killGateway(gateway);
    await scene.calls(await scene.gateway(), 3);
  },
}));

const underLoad: Fault = {
  name: 'gateway killed at any moment of many calls',
  async play(scene) {
    scene.upstream.latencyMs = scene.random.between(0, 20);
    const load = scene.load(8);
    for (let kill = 0; kill < scene.lasting(1, 3); kill++) {
      const gateway = await scene.gateway();
      await scene.madeMore(scene.random.between(1, 60));
      await moment(scene);
      await scene.killGateway(gateway);
    }
    await scene.gateway();
    await scene.madeMore(20);
    await load.stop();
  },
};

const ofPostgres: Fault = {
  name: 'Postgres killed at any moment of many calls',
  async play(scene) {
    await scene.gateway();
    const load = scene.load(8);
    for (let kill = 0; kill < scene.lasting(1, 3); kill++) {
      await scene.madeMore(scene.random.between(5, 60));
      await moment(scene);
      await scene.killPostgres();
      await scene.served();
    }
    await load.stop();
  },
};

/** Kills by the dozen: gateways under load, at any step of whichever call, and Postgres now and then. */
export function stormOf(kills: number): Fault {
  return {
    name: `${kills} kills in a row`,
    async play(scene) {
      const load = scene.load(8);
      while (scene.kills < kills) {
        const gateway = await scene.startGateway();
        await scene.madeMore(scene.random.between(1, 20));
        if (scene.random.number() < 0.1) {
          await scene.killPostgres();
          await scene.served();
        }
        await moment(scene);
        await scene.killGateway(gateway);
        scene.relay.restore();
      }
      await scene.startGateway();
      await scene.madeMore(20);
      await load.stop();
    },
  };
}

/** Some moment by the seed: of the clock, or of the next batch's way to Postgres and back. */
async function moment(scene: Scene): Promise<void> {
  const fate = scene.random.of<'clock' | Fate>(['clock', 'pass', 'swallow-question', 'swallow-answer']);
  if (fate === 'clock') await delay(scene.random.between(0, 40));
  // With no batch under way any more (all callers wait for a call that is lost), any moment is as good.
  else await Promise.race([scene.nextAppend(fate), delay(1_000)]);
}

export const KILLS: readonly Fault[] = [...atEachStep, underLoad, ofPostgres];
