// What stands before one endpoint, shared by all who ask it: it counts what comes of calls and may keep the endpoint from work.

import type { Endpoint, Pool } from "./backend.ts";
import type { Env } from "./env.ts";
import type { Layer } from "./service.ts";
import { formatDuration } from "./units.ts";

/** What an operator may do with a guard by hand; `reset` takes the other two back and forgets all that was counted. */
export type ByHand = "open" | "close" | "reset";

/** What a guard says of itself to an operator. */
export interface GuardStatus {
  /** Of a breaker: `closed`: work passes; `open`: none does; `half-open`: one call at a time, to see. Of an ejection the others. */
  readonly state: "closed" | "open" | "half-open" | "in-use" | "ejected";
  /** The state was set by hand and stays until it is reset. */
  readonly forced: boolean;
  /** Why it keeps work away. */
  readonly reason?: string;
  /** How long it stays so, in milliseconds from now, where that is known. */
  readonly forMs?: number;
}

/** One policy before one endpoint. */
export interface Guard {
  /** Whether the endpoint may be given work now; cheap, for every request. */
  available(): boolean;
  /** Whether it wants one call to see how the endpoint is: some balancers would never choose one that failed before. */
  due(): boolean;
  /** Whether it takes one of the places in the half of the pool that may be out. */
  out(): boolean;
  /** An operator keeps the endpoint from all work: not even who believes no guard asks it. */
  barred(): boolean;
  /** Around the endpoint's service: refuses what may not pass, counts the rest. */
  readonly layer: Layer;
  /** The same for calls that are sent because no guard is believed: refuses nothing, and while it is out counts nothing. */
  readonly anyway: Layer;
  status(): GuardStatus;
  /** Whether it is something that can be done to this guard; then it is done. */
  byHand(action: ByHand): boolean;
  /**
   * The endpoint is gone, or nobody asks it through this guard any longer.
   *
   * @param replaced another guard tells of the endpoint under the same names
   */
  close(replaced: boolean): void;
}

/** What the guards of a pool are built with. */
export interface GuardContext {
  readonly backend: string;
  /** The model that these guards are for, where it has words of its own; all models of the backend when absent. */
  readonly model?: string;
  readonly pool: Pool;
  /** Whether this endpoint may be out too: at most half of the pool are, and one at least may be. */
  room(endpoint: Pick<Endpoint, "id">): boolean;
  readonly env: Env;
}

/** Makes the guard of each endpoint of one pool. */
export type OpenGuard = (endpoint: Endpoint) => Guard;

/** A guard as operators see it. */
export interface NamedGuard extends GuardStatus {
  /** The word of the policy. */
  readonly policy: string;
  readonly backend: string;
  readonly endpoint: string;
  readonly model?: string;
}

/** All guards in force. */
export interface Guards {
  list(): readonly NamedGuard[];
  /**
   * Does it to every guard of the endpoint that can be set by hand.
   *
   * @throws InferError not-found when there is none
   */
  byHand(endpoint: string, action: ByHand): readonly NamedGuard[];
}

/** The state in a few words: `open for 3.2s more (5 failures in a row)`. */
export function describeGuard({ state, forced, reason, forMs }: GuardStatus): string {
  const time = forMs === undefined ? "" : ` for ${formatDuration(Math.round(forMs))} more`;
  if (forced) return `${state} by hand`;
  return reason === undefined ? state : `${state}${time} (${reason})`;
}
