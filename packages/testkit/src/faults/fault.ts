import type { Scene } from './scene.ts';

/** One thing that goes wrong. The scene is judged when it is over. */
export interface Fault {
  /** What goes wrong, in words: a row of the table. */
  readonly name: string;
  /** It strikes the whole server: nothing may be played beside it. */
  readonly alone?: true;
  /** Only where the form is long: it takes its time, or more of the machine than a test may. */
  readonly long?: true;
  /** Why it can't be played on this machine, or null. */
  readonly impossible?: () => string | null;
  readonly play: (scene: Scene) => Promise<void>;
}
