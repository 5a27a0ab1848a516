/**
 * What the pass over the events saw that no writer leaves behind, one table for all kinds. An anomaly doesn't say why:
 * `classify` does, once all of a chain are known. A run of alike ones is one that grows; none is ever taken back.
 * `seq` is the event's, or the first one's.
 */
export type Anomaly =
  /** The chain begins with another event than its writer's opening. `sound`: some event of it matches its hash. */
  | { readonly kind: 'unopened'; readonly seq: number; sound: boolean }
  /**
   * The hash is that of no such event, here or nearby. `detached`: nor does it name the event before it. `form`: null
   * beyond the first ones.
   */
  | {
      readonly kind: 'mismatched';
      readonly seq: number;
      readonly hash: string;
      readonly form: string | null;
      readonly detached: boolean;
    }
  /** The hashes of these events are right `by` places further on. */
  | { readonly kind: 'displaced'; readonly seq: number; to: number; readonly by: number }
  /** The next event, sound, names another than this one. */
  | { readonly kind: 'unlinked'; readonly seq: number }
  /** They came after event `after`, and fit where they were missing. */
  | { readonly kind: 'late'; readonly seq: number; to: number; readonly after: number }
  /** A second event is here, as sound as the first, and after the same one. */
  | { readonly kind: 'forked'; readonly seq: number }
  /** A second event is here. `fits`: it alone is the one that belongs here. */
  | { readonly kind: 'second'; readonly seq: number; readonly fits: boolean }
  /** Second events, each chained to the one before it, that led to nothing known. */
  | { readonly kind: 'replayed'; readonly seq: number; readonly to: number }
  | { readonly kind: 'after-closing'; readonly seq: number }
  | { readonly kind: 'impossible-seq'; readonly seq: null }
  /** Said once of a chain: events keep their hashes wherever they are put. */
  | {
      readonly kind: 'other-environment';
      readonly seq: number;
      readonly environment: string;
      readonly expected: string;
    }
  /** The first event that isn't the one which checkpoint `number` fixes; `after` is the last that is. */
  | { readonly kind: 'contradicted'; readonly seq: number; readonly number: number; readonly after: number }
  /** The first event that the last checkpoint, `number`, doesn't know, though it is of long before. */
  | { readonly kind: 'unknown'; readonly seq: number; readonly at: number; readonly number: number }
  /** Of months alone: checkpoint `number` fixes that the chain grew within one of them before its first event here. */
  | { readonly kind: 'beheaded'; readonly seq: number; readonly to: number; readonly number: number }
  /** The first of the events that are said to be archived names another before it. */
  | { readonly kind: 'archived-unlinked'; readonly seq: number }
  /** They cannot have left with the month that is said to have taken them. */
  | {
      readonly kind: 'not-archived';
      readonly seq: number;
      readonly to: number;
      readonly month: string;
      readonly why: string;
    };

/** An anomaly of one kind. */
export type AnomalyOf<Kind extends Anomaly['kind']> = Extract<Anomaly, { readonly kind: Kind }>;

/** More are counted, not kept: whoever broke everything doesn't fill our memory too. */
export const MAX_ANOMALIES = 10_000;

/** The last anomaly of a kind, if there is one. */
export function lastOf<Kind extends Anomaly['kind']>(
  anomalies: readonly Anomaly[],
  kind: Kind,
): AnomalyOf<Kind> | undefined {
  return anomalies.findLast((anomaly): anomaly is AnomalyOf<Kind> => anomaly.kind === kind);
}

/** The anomalies of a kind, in the order seen. */
export function allOf<Kind extends Anomaly['kind']>(
  anomalies: readonly Anomaly[],
  kind: Kind,
): readonly AnomalyOf<Kind>[] {
  return anomalies.filter((anomaly): anomaly is AnomalyOf<Kind> => anomaly.kind === kind);
}
