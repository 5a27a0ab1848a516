import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './fault.ts';

const IN_FLIGHT = 50;

export const STOPS: readonly Fault[] = [
  {
    name: 'gateway stopped where it stands for a while (SIGSTOP)',
    async play(scene) {
      const gateway = await scene.gateway();
      scene.upstream.latencyMs = 20;
      const load = scene.load(8);
      await scene.madeMore(scene.random.between(5, 40));
      gateway.pause();
      await delay(scene.lasting(1_500, 30_000));
      gateway.resume();
      await scene.served();
      await load.stop();
    },
  },
  {
    name: `gateway told to stop (SIGTERM) with ${IN_FLIGHT} calls in flight`,
    async play(scene) {
      const gateway = await scene.gateway();
      scene.upstream.latencyMs = 500;
      const before = scene.upstream.arrivals.length;
      const calls = Array.from({ length: IN_FLIGHT }, () => scene.callers.call(gateway));
      await scene.until(
        'all are at the upstream',
        async () => scene.upstream.arrivals.length === before + IN_FLIGHT,
      );
      const code = await gateway.stop(60_000);
      const answers = (await Promise.all(calls)).map(({ answer }) => answer?.status);
      scene.expect(code === 0, `the gateway ended with ${code}`);
      scene.expect(
        answers.every((status) => status === 200),
        `calls in flight at the stop were answered ${answers.join(' ')}`,
      );
    },
  },
  {
    name: 'two gateways at once, one killed',
    async play(scene) {
      const [one, other] = [await scene.startGateway(), await scene.startGateway()];
      const load = scene.load(12);
      await scene.madeMore(scene.random.between(20, 80));
      await scene.killGateway(scene.random.of([one, other]));
      await scene.madeMore(40);
      await load.stop();
    },
  },
];
