// Notices that a server has another signature of a model than it had, where nothing else tells that the model was replaced.

import type { BackendModel } from "../../core/backend.ts";
import type { Env } from "../../core/env.ts";
import { asInferError } from "../../core/error.ts";
import type { Signature } from "../../core/model.ts";
import { differenceOf } from "./difference.ts";
import { openErrands } from "./errands.ts";

export interface SignatureWatch {
  /** Somebody goes by what the model is: the servers are asked for its signature at once, and then for as long as it is in use. */
  use(model: BackendModel): void;
  /** The server's models are others, as is known already: what it tells next is no change. */
  renewed(server: string, models: readonly string[]): void;
  close(): void;
}

/** A server that may be asked. */
export interface WatchedServer {
  readonly id: string;
  readonly healthy: boolean;
  serves(model: BackendModel): boolean;
}

export interface WatchOptions {
  readonly env: Pick<Env, "clock">;
  /** How often each server is asked for each model in use, in milliseconds. */
  readonly everyMs: number;
  servers(): readonly WatchedServer[];
  /** What that server tells now. @throws InferError unsupported where such servers tell no signature */
  ask(server: string, model: BackendModel): Promise<Signature>;
  /** The server has another signature of the model than it told the last time. */
  changed(model: string, seen: { readonly server: string; readonly difference: string }): void;
}

/** Models in use beyond these are not watched. */
const MOST_MODELS = 1_000;

/** Nobody is asked about models that nobody has used since the last time. */
export function openSignatureWatch(options: WatchOptions): SignatureWatch {
  const { env, everyMs } = options;
  const errands = openErrands();
  /** What each server told last, by model; undefined where it tells nothing. */
  const told = new Map<string, Map<string, Signature | undefined>>();
  let used = new Map<string, BackendModel>();
  let stop: (() => void) | undefined;
  let closed = false;

  const look = async (server: string, model: BackendModel): Promise<void> => {
    const key = keyOf(model);
    const known = told.get(server);
    if (known?.has(key) === true && known.get(key) === undefined) return;
    const now = await options.ask(server, model).catch((error: unknown) => {
      // it will not tell later either; what only failed says nothing
      if (asInferError(error).code === "unsupported") remember(server, key, undefined);
      return undefined;
    });
    if (now === undefined || closed) return;
    const before = told.get(server)?.get(key);
    remember(server, key, now);
    const difference = differenceOf(before, now);
    if (difference !== undefined) options.changed(model.name, { server, difference });
  };
  const remember = (server: string, key: string, signature: Signature | undefined) => {
    const known = told.get(server) ?? new Map<string, Signature | undefined>();
    told.set(server, known);
    if (known.size >= MOST_MODELS) known.clear();
    known.set(key, signature);
  };
  const lookAll = (models: Iterable<BackendModel>) => {
    const servers = options.servers();
    for (const id of [...told.keys()]) if (!servers.some((server) => server.id === id)) told.delete(id);
    for (const model of models) {
      for (const server of servers) {
        if (!server.healthy || !server.serves(model)) continue;
        errands.add(JSON.stringify([server.id, keyOf(model)]), () => look(server.id, model));
      }
    }
  };
  const turn = () => {
    stop = undefined;
    if (used.size === 0) return;
    const models = [...used.values()];
    used = new Map();
    stop = env.clock.after(everyMs, turn);
    lookAll(models);
  };

  return {
    use(model) {
      const key = keyOf(model);
      if (used.has(key) || used.size >= MOST_MODELS || closed) return;
      used.set(key, model);
      if (stop === undefined) turn();
    },
    renewed(server, models) {
      const known = told.get(server);
      const names = new Set(models);
      for (const key of known?.keys() ?? []) if (names.has(nameIn(key))) known?.delete(key);
    },
    close() {
      closed = true;
      stop?.();
      errands.close();
    },
  };
}

/** Asked for every request, so it is no more than two texts put together. */
function keyOf({ name, version = "" }: BackendModel): string {
  return `${name}\0${version}`;
}

function nameIn(key: string): string {
  return key.slice(0, key.lastIndexOf("\0"));
}
