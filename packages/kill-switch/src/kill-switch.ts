import { serveControl } from './control-socket.ts';
import type { KillEntry } from './kill-entry.ts';
import { readOrderFile, writeOrderFile } from './order-file.ts';
import { followOrders } from './follow-orders.ts';
import { Orders } from './orders.ts';

export interface KillSwitchOptions {
  /** Where this gateway keeps the orders it knows. */
  readonly file: string;
  /** Folder of control sockets; only its owner may enter it. */
  readonly controlFolder: string;
  /** Name of this gateway's socket. */
  readonly name: string;
  readonly openUrl: string;
  readonly writer: string;
  readonly instance: string;
  /** Told of each entry that is new to this gateway, once it is on its disk. */
  readonly onEntry: (entry: KillEntry) => void;
  /** Told when the database's orders cannot be followed, and with null when they can again. */
  readonly onFault: (fault: unknown) => void;
}

/** What stops calls in one gateway. */
export interface KillSwitch {
  /** What stops this call, or null. */
  readonly stops: Orders['stops'];
  inForce(): readonly KillEntry[];
  /** Whether orders that reach the database alone are heard of here. */
  ready(): { readonly ok: boolean; readonly detail: string };
  stop(): Promise<void>;
}

/** As long as the database takes a gateway that is silent for one that obeys. */
const DEAF_AFTER_MS = 10_000;

/**
 * Takes up the orders of disk and database, and obeys those that come, from here on.
 * @throws OrderFileError, ControlError; what the network or Postgres says
 */
export async function openKillSwitch(options: KillSwitchOptions): Promise<KillSwitch> {
  const { file, controlFolder, name, openUrl, writer, instance, onEntry, onFault } = options;
  const orders = new Orders();
  for (const entry of readOrderFile(file)) orders.add(entry);

  /** First it is obeyed, then it is on the disk, then it is confirmed. */
  function take(entries: readonly KillEntry[]): readonly KillEntry[] {
    const fresh = entries.filter((entry) => orders.add(entry));
    // Also when none is new: one that was taken a moment ago may have failed to be written.
    if (entries.length > 0) writeOrderFile(file, orders.entries());
    for (const entry of fresh) onEntry(entry);
    return orders.entries();
  }

  const follower = await followOrders({
    openUrl,
    writer,
    instance,
    take: (entries) => void take(entries),
    entries: () => orders.entries(),
    onFault,
  });
  try {
    const control = await serveControl(
      controlFolder,
      { instance, name, peers: () => follower.peers() },
      take,
    );
    return {
      stops: (...call) => orders.stops(...call),
      inForce: () => orders.inForce(),
      ready() {
        const sinceMs = performance.now() - follower.followedAt();
        return sinceMs > DEAF_AFTER_MS
          ? {
              ok: false,
              detail: `not heard of from the database for ${Math.round(sinceMs / 1000)} s: the log says why`,
            }
          : { ok: true, detail: `followed; in force: ${orders.inForce().length}` };
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
