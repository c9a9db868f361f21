// The endpoints of a backend as servers come and go.

import type { Pool } from "../../core/backend.ts";
import type { Env } from "../../core/env.ts";
import { asInferError } from "../../core/error.ts";
import { formatServerAddress } from "./addresses.ts";
import type { Place } from "./discovery.ts";
import type { ServerEndpoint } from "./endpoint.ts";

/** A pool that follows what is found. */
export interface ServerPool extends Pool {
  list(): readonly ServerEndpoint[];
  /**
   * These servers and no others: new ones are opened, known ones stay as they are, those no longer found get no new calls
   * and are closed when their calls have ended.
   */
  follow(places: readonly Place[]): void;
  /** Closes all of them; resolves when their calls have ended. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly backend: string;
  readonly env: Env;
  /** Opens the endpoint of a place under an id that is unique in the process. */
  open(id: string, place: Place): ServerEndpoint;
}

export function openPool({ backend, env, open }: PoolOptions): ServerPool {
  const listeners = new Set<() => void>();
  const leaving = new Set<Promise<void>>();
  const byKey = new Map<string, ServerEndpoint>();
  let list: readonly ServerEndpoint[] = [];
  let closed = false;

  const retire = (endpoint: ServerEndpoint) => {
    const gone = endpoint
      .close()
      .catch((error: unknown) => env.log.warn({ backend, endpoint: endpoint.id, err: error }, "endpoint closed badly"))
      .finally(() => leaving.delete(gone));
    leaving.add(gone);
  };
  const openOne = (place: Place): ServerEndpoint | undefined => {
    const address = formatServerAddress(place.address);
    try {
      return open(`${backend}/${address}`, place);
    } catch (error) {
      env.log.error({ backend, err: error }, `no endpoint at ${address}: ${asInferError(error).message}`);
      return undefined;
    }
  };

  return {
    list: () => list,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    follow(places) {
      if (closed) return;
      const wanted = new Map(places.map((place) => [keyOf(place), place]));
      const lost = [...byKey].filter(([key]) => !wanted.has(key));
      let changed = lost.length > 0;
      for (const [key] of lost) byKey.delete(key);
      // known ones keep their order, whatever order a name service answers in
      for (const [key, place] of wanted) {
        const known = byKey.get(key);
        if (known !== undefined) {
          changed = known.move(place) || changed;
          continue;
        }
        const endpoint = openOne(place);
        if (endpoint === undefined) continue;
        byKey.set(key, endpoint);
        changed = true;
      }
      if (!changed) return;
      // a new list also where only weights or tags changed: who keeps the old one looks again
      list = [...byKey.values()];
      for (const listener of listeners) listener();
      for (const [, endpoint] of lost) retire(endpoint);
    },
    async close() {
      closed = true;
      for (const endpoint of byKey.values()) retire(endpoint);
      while (leaving.size > 0) await Promise.all(leaving);
    },
  };
}

function keyOf({ address }: Place): string {
  return `${address.scheme ?? ""}//${formatServerAddress(address)}`;
}
