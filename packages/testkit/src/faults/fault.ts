import type { LocalPostgres } from '@ideogate/local-postgres';
import type { Scene } from './scene.ts';

/** One thing that goes wrong. The scene is judged when it is over. */
export interface Fault {
  /** What goes wrong, in words: a row of the table. */
  readonly name: string;
  /** It takes its time, or more of the machine than a test may: only where the form is long. */
  readonly long?: true;
  /** Why it can't be played on this machine, or null. */
  readonly impossible?: () => string | null;
  /** Settings of its gateways. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The server it needs, if that of its lane won't do. */
  readonly server?: () => Promise<OwnServer>;
  readonly play: (scene: Scene) => Promise<void>;
}

export interface OwnServer {
  readonly postgres: LocalPostgres;
  end(): Promise<void>;
}

/** Many calls on one gateway while this happens; then all must be well again. */
export function underLoad(
  name: string,
  happens: (scene: Scene) => Promise<void>,
  more: Pick<Fault, 'long'> = {},
): Fault {
  return {
    name,
    ...more,
    async play(scene) {
      await scene.gateway();
      const load = scene.load(8);
      await scene.madeMore(scene.random.between(5, 40));
      await happens(scene);
      scene.calm();
      await scene.served();
      await load.stop();
    },
  };
}

/** Several faults on one scene, one after the other. */
export function inTurn(name: string, faults: readonly Fault[]): Fault {
  return {
    name,
    settings: Object.assign({}, ...faults.map(({ settings }) => settings ?? {})) as Record<string, string>, // as: what settings are
    async play(scene) {
      for (const fault of faults) {
        await fault.play(scene);
        scene.calm();
      }
    },
  };
}
