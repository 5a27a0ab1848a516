import { readChains } from '@ideogate/testkit';
import type { Client } from 'pg';
import type { ChainedEvent } from '../src/index.ts';

/** One writer's events, in the order of its chain. */
export function readChain(client: Client, writer: string): Promise<readonly ChainedEvent[]> {
  return readChains(client, [writer]);
}
