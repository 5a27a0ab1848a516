import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startLocalPostgres } from '@ideogate/local-postgres';
import { OPERATIONS } from '@ideogate/ideogram';
import { parsePolicy } from '@ideogate/policy';
import { createFuzzMint, FUZZ_ISSUER } from '../fuzz/tokens.ts';
import { TEST_POLICY } from '../test-policy.ts';
import type { Fault } from './fault.ts';
import { randomOf } from './random.ts';
import { type Form, type Played, Scene, type World } from './scene.ts';

export interface FaultRunOptions {
  readonly faults: readonly Fault[];
  readonly seeds: readonly number[];
  readonly form: Form;
  /** How many faults are played at once. */
  readonly lanes: number;
  readonly onPlayed?: (played: PlayedFault) => void;
}

/** One fault with one seed. */
export interface PlayedFault extends Played {
  readonly fault: string;
  readonly seed: number;
  readonly seconds: number;
}

interface Play {
  readonly fault: Fault;
  readonly seed: number;
}

const IDENTIFIER = 'http://127.0.0.1:8';

/**
 * Plays every fault with every seed, and gives them in that order. Each lane has a Postgres of its own, so that a fault
 * may strike all of it.
 */
export async function runFaults(options: FaultRunOptions): Promise<readonly PlayedFault[]> {
  const { faults, seeds, lanes } = options;
  const waiting = faults.flatMap((fault) => seeds.map((seed) => ({ fault, seed })));
  const folder = mkdtempSync(join(tmpdir(), 'ideogate-faults-'));
  // mkdtemp makes it 0700, and as root the server runs under another account.
  chmodSync(folder, 0o755);
  try {
    const world = worldIn(folder);
    const played = await Promise.all(
      Array.from({ length: Math.min(lanes, waiting.length) }, (_, lane) =>
        playLane(waiting, options, { ...world, folder: join(folder, `postgres-${lane}`) }),
      ),
    );
    const places = new Map(faults.map(({ name }, place) => [name, place]));
    const placeOf = ({ fault }: PlayedFault) => places.get(fault) ?? 0;
    return played.flat().toSorted((a, b) => placeOf(a) - placeOf(b) || a.seed - b.seed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function worldIn(folder: string): Omit<World, 'postgres'> {
  const parsed = parsePolicy([{ name: 'policy.yaml', text: TEST_POLICY }], OPERATIONS);
  if (!parsed.ok) throw new Error('the policy of the fault runs has faults');
  const mint = createFuzzMint(
    () => parsed.release,
    () => IDENTIFIER,
  );
  const keySetFile = join(folder, 'jwks.json');
  writeFileSync(keySetFile, mint.keySet);
  return {
    issuer: FUZZ_ISSUER,
    identifier: IDENTIFIER,
    keySetFile,
    compileCache: join(folder, 'compiled'),
    tokens: { of: (subject) => mint.token(subject, undefined, 0) },
  };
}

/** Takes from what waits until nothing does. */
async function playLane(
  waiting: Play[],
  { form, onPlayed }: FaultRunOptions,
  { folder, ...world }: Omit<World, 'postgres'> & { readonly folder: string },
): Promise<readonly PlayedFault[]> {
  const results: PlayedFault[] = [];
  const postgres = await startLocalPostgres({ folder, log: () => undefined });
  try {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const played = await playOne(next, form, { ...world, postgres });
      results.push(played);
      onPlayed?.(played);
    }
  } finally {
    await postgres.stop();
  }
  return results;
}

async function playOne({ fault, seed }: Play, form: Form, world: World): Promise<PlayedFault> {
  const began = performance.now();
  const own = await fault.server?.();
  const { postgres } = own ?? world;
  const scene = await Scene.open({
    world,
    form,
    postgres,
    random: randomOf(seed),
    settings: fault.settings ?? {},
  });
  const played = await outcomeOf(scene, fault);
  await scene.close();
  await own?.end();
  return { fault: fault.name, seed, seconds: (performance.now() - began) / 1000, ...played };
}

/** A fault that could not be played to its end has failed, whatever the record says. */
async function outcomeOf(scene: Scene, fault: Fault): Promise<Played> {
  try {
    await fault.play(scene);
    return await scene.settle();
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const { kills, callers } = scene;
    return { calls: callers.made.length, kills, gaps: 0, lost: [], double: [], wrong: [why] };
  }
}
