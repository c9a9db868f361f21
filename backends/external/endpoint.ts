// One server of a backend as an endpoint: its connection, its calls, its health and what it has.

import type { Endpoint } from "../../core/backend.ts";
import { checkCall } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { BROKEN_OFF, type Connection } from "../connection.ts";
import type { Source } from "./catalog.ts";
import type { Place } from "./discovery.ts";
import { type Health, openHealth } from "./health.ts";
import { hasReady, type Look, lookOf } from "./looks.ts";
import type { Names } from "./names.ts";
import { infer } from "./run.ts";
import type { Abandoned } from "./run-on.ts";
import { openSlots } from "./slots.ts";
import type { WarmGate } from "./warm-gate.ts";
import type { WarmRecord } from "./warm-record.ts";
import type { HealthWords, LimitWords } from "./words.ts";

/** An endpoint as its backend knows it. */
export interface ServerEndpoint extends Endpoint, Source {
  readonly connection: Connection;
  /** What it was found to be now, perhaps with another weight, zone, tier or tags; true when anything is another. */
  move(place: Place): boolean;
  /** Asks it soon for what it has; resolves when it has told, or cannot tell. */
  lookNow(): Promise<void>;
}

export interface EndpointOptions {
  readonly backend: string;
  readonly id: string;
  readonly place: Place;
  readonly connection: Connection;
  closeConnection(): Promise<void>;
  readonly env: Env;
  readonly health: HealthWords;
  readonly maxCalls: number;
  /** The limit within those, and its queue. */
  readonly limit?: LimitWords | undefined;
  /** The models that somebody wants. */
  wanted(): readonly string[];
  /** The looks of the other endpoints. */
  looks(): Iterable<Look>;
  /** Its health or what it has changed. */
  changed(): void;
  /**
   * What was known of these models from this endpoint is old: they have become ready there. All of them when the server
   * came back or is another one than before.
   */
  renewed(models: readonly string[]): void;
  /** A server that was healthy is gone, ended a connection under a request or is not ready: who is there next may be another. */
  unreached(): void;
  /** Keeps models that have become ready from work until they are warm; no such gate when absent. */
  readonly gate?: WarmGate | undefined;
  readonly names: Names;
  /** Hears what the model answered; nobody when absent. */
  readonly record?: WarmRecord | undefined;
}

export function openEndpoint(options: EndpointOptions): ServerEndpoint {
  const { backend, id, connection, env } = options;
  const slots = openSlots({ env, backend, endpoint: id, most: options.maxCalls, limit: options.limit });
  let place = options.place;
  let look: Look | undefined;
  let server: string | undefined;
  let told: string | undefined;
  let closing: Promise<void> | undefined;
  const renewed = (models: readonly string[]) => {
    // in the turn in which they become ready: no work comes in between
    options.gate?.close(models);
    options.renewed(models);
  };

  let isHealthy = false;
  // one that is not healthy is asked again and again, and comes back as another one
  const doubt = (isAway: boolean) => {
    if (isHealthy && isAway) options.unreached();
  };
  const health: Health = openHealth({
    words: options.health,
    env,
    async ask(signal) {
      try {
        told = await connection.health(signal);
      } catch (error) {
        // one that goes down says so before nobody listens, and may be back before it is asked again; one that is late is there
        doubt(isAway(error) && !signal.aborted);
        throw error;
      }
    },
    async look(signal) {
      const seen = lookOf(await connection.models(options.wanted(), signal), looksWith(look, options.looks()));
      if (closing !== undefined) return;
      const before = server === told ? look : undefined;
      const isNew = seen !== look;
      look = seen;
      server = told;
      // while it is not healthy nobody looks; when it becomes so, all it has is new
      if (!health.healthy) return;
      if (isNew) options.changed();
      const fresh = freshIn(seen, before);
      if (fresh.length > 0) renewed(fresh);
    },
    changed(healthy, reason) {
      isHealthy = healthy;
      const state = healthy ? "healthy" : "unhealthy";
      env.emit({ type: "endpoint-state", backend, endpoint: id, state, reason });
      if (healthy) env.log.info({ backend, endpoint: id, server }, "endpoint is healthy");
      else env.log.warn({ backend, endpoint: id, reason }, "endpoint is not healthy");
      options.changed();
      if (healthy && look !== undefined) renewed(freshIn(look, undefined));
    },
    blind: (reason) => env.log.warn({ backend, endpoint: id, reason }, "models of the endpoint cannot be listed now"),
  });
  const close = async () => {
    health.close();
    options.gate?.end();
    // nobody waits for them: they do not hold up the close
    for (const { cancel } of abandoned) cancel(closed());
    // now, not when its calls have ended: a new one may stand under the same id by then
    env.emit({ type: "endpoint-state", backend, endpoint: id, state: "gone", reason: undefined });
    await slots.idle();
    await options.closeConnection();
  };
  const abandoned = new Set<Abandoned>();
  const abandon = (work: Abandoned) => {
    if (closing !== undefined) return work.cancel(closed());
    abandoned.add(work);
    void work.ended.then(() => abandoned.delete(work));
  };
  const runs = {
    backend,
    id,
    connection,
    env,
    enter: slots.enter,
    suspect(error: unknown) {
      const { unsent, message } = asInferError(error);
      // a restart may be over before anybody looks: that a connection ended in mid-request is all that is seen of it then
      doubt(isAway(error) && (unsent || message === BROKEN_OFF));
      health.suspect();
    },
    abandon,
    record: options.record,
    names: options.names,
  };

  return {
    id,
    ...(options.place.foundAs === undefined ? {} : { foundAs: options.place.foundAs }),
    get zone() {
      return place.zone;
    },
    get weight() {
      return place.weight;
    },
    get tier() {
      return place.tier;
    },
    get tags() {
      return place.tags;
    },
    slots,
    connection,
    get healthy() {
      return health.healthy && closing === undefined;
    },
    get look() {
      return look;
    },
    async infer(request, call) {
      checkCall(call);
      if (closing !== undefined)
        throw new InferError("unavailable", "the endpoint is no longer in use", { unsent: true });
      // a socket may hold bytes of a call that has ended
      call.loan.keep();
      return infer(runs, request, call);
    },
    available: (model) =>
      closing === undefined && health.healthy && (model === undefined || options.gate?.isOpen(model.name) !== false),
    serves: (model) => look !== undefined && hasReady(look, model),
    async ready(model, signal) {
      return hasReady(lookOf(await connection.models([model.name], signal), []), model);
    },
    move(found) {
      const same = JSON.stringify(found) === JSON.stringify(place);
      place = found;
      return !same;
    },
    lookNow: health.lookNow,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function closed(): InferError {
  return new InferError("cancelled", "the endpoint is closed");
}

function* looksWith(own: Look | undefined, others: Iterable<Look>): Generator<Look> {
  if (own !== undefined) yield own;
  yield* others;
}

/** The models with a version that is ready now and was not before. */
function freshIn(now: Look, before: Look | undefined): readonly string[] {
  if (now === before) return [];
  return [...now.ready].flatMap(([name, versions]) => {
    const known = before?.ready.get(name) ?? [];
    return versions.some((version) => !known.includes(version)) ? [name] : [];
  });
}

/** Whether nobody was there, or somebody who says to be unavailable. */
function isAway(error: unknown): boolean {
  const { code, origin } = asInferError(error);
  return code === "unavailable" && origin === "backend";
}
