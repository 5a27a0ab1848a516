import { serveControl } from './control-socket.ts';
import type { Kill } from './kill.ts';
import { readKillFile, writeKillFile } from './kill-file.ts';
import { followKills } from './follow-kills.ts';
import { Kills } from './kills.ts';

/** One gateway: where it keeps kills, and where it hears of new ones. */
export interface KillSwitchOptions {
  /** Where this gateway keeps the kills it knows. */
  readonly file: string;
  /** Folder of control sockets; only its owner may enter it. */
  readonly controlFolder: string;
  /** Name of this gateway's socket. */
  readonly name: string;
  readonly openUrl: string;
  readonly writer: string;
  readonly instance: string;
  /** Told of each kill and lift that is new to this gateway, once it is on its disk. */
  readonly onKill: (kill: Kill) => void;
  /** Told when the database's kills cannot be followed, and with null when they can again. */
  readonly onFault: (fault: unknown) => void;
}

/** What stops calls in one gateway. */
export interface KillSwitch {
  /** What stops this call, or null. */
  readonly stops: Kills['stops'];
  /** Kills that nothing lifts. */
  active(): readonly Kill[];
  /** Whether kills that reach the database alone are heard of here. */
  ready(): { readonly ok: boolean; readonly detail: string };
  stop(): Promise<void>;
}

/** As long as the database takes a gateway that is silent for one that obeys. */
const DEAF_AFTER_MS = 10_000;

/**
 * Takes up the kills of disk and database, and obeys those that come, from here on.
 * @throws KillFileError, ControlError; what the network or Postgres says
 */
export async function openKillSwitch(options: KillSwitchOptions): Promise<KillSwitch> {
  const { file, controlFolder, name, openUrl, writer, instance, onKill, onFault } = options;
  const kills = new Kills();
  for (const kill of readKillFile(file)) kills.add(kill);

  /** First it is obeyed, then it is on the disk, then it is confirmed. */
  function take(heard: readonly Kill[]): readonly Kill[] {
    const fresh = heard.filter((kill) => kills.add(kill));
    // Also when none is new: one that was taken a moment ago may have failed to be written.
    if (heard.length > 0) writeKillFile(file, kills.all());
    for (const kill of fresh) onKill(kill);
    return kills.all();
  }

  const follower = await followKills({
    openUrl,
    writer,
    instance,
    take: (heard) => void take(heard),
    kills: () => kills.all(),
    onFault,
  });
  try {
    const control = await serveControl(
      controlFolder,
      { instance, name, peers: () => follower.peers() },
      take,
    );
    return {
      stops: (...call) => kills.stops(...call),
      active: () => kills.active(),
      ready() {
        const sinceMs = performance.now() - follower.followedAt();
        return sinceMs > DEAF_AFTER_MS
          ? {
              ok: false,
              detail: `not heard of from the database for ${Math.round(sinceMs / 1000)} s: the log says why`,
            }
          : { ok: true, detail: `followed; in force: ${kills.active().length}` };
      },
      async stop() {
        await control.close();
        await follower.stop();
      },
    };
  } catch (error) {
    await follower.stop();
    throw error;
  }
}
