// What the caches of all models share: the digests' secret, the memory, and the generations that a purge raises.

import type { Clock } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";

import type { Event } from "../../core/event.ts";
import type { KeptAnswers } from "../../core/protocol.ts";
import { type Contents, openContents } from "./contents.ts";
import { type Digests, openDigests } from "./key.ts";
import type { Scope, SecondLevel, StoredAnswer } from "./second-level.ts";
import { openStore, type Shelf } from "./store.ts";

/** An answer in memory. */
export interface Kept extends StoredAnswer {
  /** When it was made, on the monotonic clock, in milliseconds. */
  readonly bornAt: number;
  /** Whose it is, where each tenant has answers of its own. */
  readonly tenant: string | undefined;
  /** The generation that it was made under. */
  readonly generation: number;
}

export interface RoomOptions {
  /** Of all models' answers together. */
  readonly maxBytes: number;
  /** At least 16 bytes; the same on all replicas that share answers. */
  readonly secret: Uint8Array;
  readonly clock: Clock;
  emit(event: Event): void;
  /** The store that replicas share. */
  readonly second?: SecondLevel;
  /** See `openDigests`. */
  readonly first?: (message: Uint8Array) => string;
}

export interface Room extends KeptAnswers {
  readonly digests: Digests;
  /** Of questions whose inputs are in use. */
  readonly contents: Contents;
  readonly second: SecondLevel | undefined;
  /** The model's answers, those of all its versions. */
  shelf(model: string, maxBytes: number): Shelf<Kept>;
  /** Counts the purges of the model and of the tenant there: an answer of another generation is none. */
  generation(model: string, tenant: string | undefined): number;
  /** Only these models have a cache. */
  retain(models: ReadonlySet<string>): void;
  close(): Promise<void>;
}

/** Tenants of a model that were purged on their own; beyond it the whole model is. */
const MOST_TENANTS = 10_000;

interface Generations {
  model: number;
  readonly tenants: Map<string, number>;
}

export function openRoom(options: RoomOptions): Room {
  const { clock, emit, second, maxBytes, secret, first } = options;
  const generations = new Map<string, Generations>();
  let configured: ReadonlySet<string> = new Set();
  let raised = 0;
  const store = openStore<Kept>({
    maxBytes,
    dead: ({ bornAt, keepMs }) => bornAt + keepMs <= clock.now(),
    changed: (model, bytes, entries) => emit({ type: "cache-size", model, bytes, entries }),
    dropped: (model, why) => emit({ type: "cache-dropped", model, why }),
  });
  const generation = (model: string, tenant: string | undefined): number => {
    const known = generations.get(model);
    if (known === undefined) return 0;
    return Math.max(known.model, tenant === undefined ? 0 : (known.tenants.get(tenant) ?? 0));
  };
  const raise = ({ model, tenant }: Scope): void => {
    raised += 1;
    const known = generations.get(model) ?? { model: 0, tenants: new Map<string, number>() };
    generations.set(model, known);
    if (tenant !== undefined && known.tenants.size < MOST_TENANTS) {
      known.tenants.set(tenant, raised);
      return;
    }
    known.model = raised;
    known.tenants.clear();
  };
  /** Those that nobody can find any longer. */
  const sweep = (model: string): number =>
    store
      .shelves()
      .get(model)
      ?.drop((one) => one.generation !== generation(model, one.tenant)) ?? 0;
  const stop = second?.onRaise((scope) => {
    if (!configured.has(scope.model)) return;
    raise(scope);
    sweep(scope.model);
  });

  return {
    contents: openContents(),
    digests: openDigests({ secret, ...(first === undefined ? {} : { first }) }),
    second,
    shelf: store.shelf,
    generation,
    async purge({ model, tenant }) {
      if (model !== undefined && !configured.has(model)) {
        throw new InferError("not-found", `model "${model}" has no cache`);
      }
      const models = model === undefined ? [...configured] : [model];
      let answers = 0;
      for (const one of models) {
        raise({ model: one, ...(tenant === undefined ? {} : { tenant }) });
        answers += sweep(one);
      }
      if (second === undefined) return { answers, shared: undefined };
      const told = await Promise.all(
        models.map((one) => second.raise({ model: one, ...(tenant === undefined ? {} : { tenant }) })),
      );
      return { answers, shared: told.every((one) => one) };
    },
    retain(models) {
      configured = models;
      store.retain(models);
      for (const model of [...generations.keys()]) if (!models.has(model)) generations.delete(model);
    },
    async close() {
      stop?.();
    },
  };
}
