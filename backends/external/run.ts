// One call at one server: its slot, its times, and what is learned of the server from how it ended.

import type { Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { asInferError } from "../../core/error.ts";
import { outcomeOf } from "../../core/outcome.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import { whenOver } from "../../core/stream-end.ts";
import type { Connection } from "../connection.ts";
import type { Names } from "./names.ts";
import { type Abandoned, runOn } from "./run-on.ts";
import { type CallSlots, rowsOf } from "./slots.ts";
import type { WarmRecord } from "./warm-record.ts";

/** What a call at an endpoint needs of it. */
export interface Runs {
  readonly backend: string;
  readonly id: string;
  readonly connection: Connection;
  readonly env: Env;
  readonly enter: CallSlots["enter"];
  /** The server could not be reached or was lost. */
  suspect(error: unknown): void;
  /** Work that nobody waits for any longer, and that goes on. */
  abandon(work: Abandoned): void;
  readonly record: WarmRecord | undefined;
  readonly names: Names;
}

/**
 * Waits for a slot, asks the server, and tells what the call came to; a stream holds its slot until it is over.
 *
 * @throws InferError overloaded where there is no slot, the call's abort reason, what the server answers
 */
export async function infer(runs: Runs, request: InferRequest, call: Call): Promise<Reply> {
  const { backend, id, connection, env } = runs;
  const asked = runs.enter(rowsOf(request), call);
  const permit = asked instanceof Promise ? await asked : asked;
  if (permit.waitedMs > 0) {
    call.trace.learn({ queuedMs: permit.waitedMs });
    call.trace.decide("limit", `waited ${Math.round(permit.waitedMs)} ms for a turn at ${id}`);
  }
  const startedAt = env.clock.now();
  const { select } = request.model;
  call.trace.learn({ backend, endpoint: id, ...(select.by === "version" ? { version: select.version } : {}) });
  const over = (error: unknown, version: string | undefined) => {
    permit.leave(outcomeOf(error));
    const ranMs = env.clock.now() - startedAt;
    call.trace.learn({ ranMs });
    if (error !== undefined) {
      if (isLost(error)) runs.suspect(error);
      return;
    }
    const model = request.model.name;
    env.emit({ type: "run-done", backend, model, version: version ?? "", queuedMs: permit.waitedMs, ranMs });
  };
  const wasted = async ({ ended }: Abandoned) => {
    over(await ended, undefined);
    env.emit({ type: "wasted", backend, model: request.model.name, ranMs: env.clock.now() - startedAt });
  };
  let isAbandoned = false;
  const leave = (work: Abandoned) => {
    isAbandoned = true;
    runs.abandon(work);
    void wasted(work);
  };
  const ask = connection.runsOn === true ? runOn(connection.infer, leave) : connection.infer;
  let reply: Reply;
  try {
    reply = await ask(request, call);
    const { naming } = connection;
    if (naming !== undefined) {
      const held = runs.names.hold(request, reply, naming);
      reply = held instanceof Promise ? await held : held;
    }
  } catch (error) {
    if (!isAbandoned) over(error, undefined);
    throw error;
  }
  if (reply.kind === "stream") {
    const version = select.by === "version" ? select.version : undefined;
    return { kind: "stream", parts: whenOver(reply.parts, call.signal, (error) => over(error, version)) };
  }
  call.trace.learn({ version: reply.model.version });
  over(undefined, reply.model.version);
  runs.record?.offer(request, { response: reply, ranMs: env.clock.now() - startedAt, call });
  return reply;
}

/** Whether the server could not be reached, was lost in mid-call, or said itself that it cannot serve. */
function isLost(error: unknown): boolean {
  const { code, origin } = asInferError(error);
  return outcomeOf(error) === "failure" && code === "unavailable" && origin === "backend";
}
