import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { newMarker, sendHalfAHead } from './callers.ts';
import type { Fault } from './fault.ts';
import type { GatewayProcess } from './gateway-process.ts';
import type { Scene } from './scene.ts';
import type { UpstreamFate } from './upstream.ts';

/** The upstream that never ends an answer is given up soon. */
const SETTINGS = { IDEOGATE_UPSTREAM_FIRST_BYTE_MS: '1500' };

/** A few calls that end so, beside others that end well. */
function beside(name: string, ends: (scene: Scene, gateway: GatewayProcess) => Promise<unknown>): Fault {
  return {
    name,
    settings: SETTINGS,
    async play(scene) {
      const gateway = await scene.gateway();
      const load = scene.load(3);
      for (let time = 0; time < scene.lasting(1, 5); time++) await ends(scene, gateway);
      scene.calm();
      await scene.served();
      await load.stop();
    },
  };
}

function upstreamBreaksOff(when: string, fate: UpstreamFate, kind: 'paid' | 'upload' = 'paid'): Fault {
  return beside(`upstream breaks off ${when}`, async (scene, gateway) => {
    const marker = newMarker();
    scene.upstream.plan(marker, fate);
    const { answer } = await scene.callers.call(gateway, kind, { marker });
    scene.expect(
      answer === null || answer.status === 502 || !answer.whole,
      `a call whose upstream broke off was answered ${answer?.status}, whole`,
    );
  });
}

export const ABORTS: readonly Fault[] = [
  beside('caller leaves with half a head sent', async (_, gateway) => {
    const socket = await sendHalfAHead(gateway);
    socket.end();
    await once(socket.resume(), 'close');
  }),
  beside('caller leaves in the middle of its upload', async (scene, gateway) => {
    const marker = newMarker();
    const leave = scene.upstream.arrived(marker);
    await scene.callers.call(gateway, 'half-upload', { marker, leave });
  }),
  beside('caller leaves while its decision is on the way', async (scene, gateway) => {
    scene.relay.freeze();
    await scene.callers.call(gateway, 'paid', { leave: delay(scene.random.between(1, 150)) });
    scene.relay.restore();
  }),
  beside('caller leaves while the upstream works', async (scene, gateway) => {
    const marker = newMarker();
    scene.upstream.latencyMs = 100;
    await scene.callers.call(gateway, 'paid', { marker, leave: scene.upstream.arrived(marker, 'fully') });
  }),
  beside('caller leaves in the middle of its answer', async (scene, gateway) => {
    const marker = newMarker();
    scene.upstream.plan(marker, 'hold-in-answer');
    const { promise, resolve } = Promise.withResolvers<void>();
    await scene.callers.call(gateway, 'paid', { marker, leave: promise, atAnswer: resolve });
  }),
  upstreamBreaksOff('before it reads a body', 'close-at-head', 'upload'),
  upstreamBreaksOff('in the middle of an upload', 'close-in-body', 'upload'),
  upstreamBreaksOff('with the whole request read', 'close-after-request'),
  upstreamBreaksOff("in its answer's head", 'close-in-answer-head'),
  upstreamBreaksOff("in its answer's body", 'close-in-answer-body'),
];
