// Below a model's cache: no more of its requests are under way at once than the config allows, so that one model cannot take all.

import type { Call } from "../../core/call.ts";
import { openLimiter, type Permit } from "../../core/limit/limiter.ts";
import { outcomeOf } from "../../core/outcome.ts";
import type { PolicyContext } from "../../core/policy.ts";
import type { InferRequest } from "../../core/request.ts";
import type { Layer } from "../../core/service.ts";
import { whenOver } from "../../core/stream-end.ts";
import type { Concurrency } from "./words.ts";

/** One limit and one queue, however many services the layer is put around. A stream holds its permit until it is over. */
export function bulkheadLayer({ limit, queue }: Concurrency, { env, model }: PolicyContext): Layer {
  const of = { at: "model", model } as const;
  const limiter = openLimiter({
    what: `model "${model}"`,
    limit: () => limit,
    queue,
    // a fallback to another model may cure it at once
    retryable: "elsewhere",
    shed: (reason) => env.emit({ type: "shed", of, reason }),
    waits: (waiting) => env.emit({ type: "limit-queue", of, waiting }),
  });
  env.emit({ type: "limit", of, limit });
  const foretell = (request: InferRequest, call: Call) => {
    const refused = limiter.look(rowsOf(request), { ...call, purpose: "user" });
    if (refused !== undefined) throw refused;
    const { running, waiting, free } = limiter;
    const places = `${running} of ${limit} places taken`;
    call.foretell?.("limit", free > 0 ? places : `${places}, it would wait, ${waiting} of at most ${queue} waiting`);
  };
  return (next) => async (request, call) => {
    if (call.purpose === "explain") {
      foretell(request, call);
      return next(request, call);
    }
    const asked = limiter.enter(rowsOf(request), call);
    const permit: Permit = asked instanceof Promise ? await asked : asked;
    if (permit.waitedMs > 0)
      call.trace.decide("limit", `waited ${Math.round(permit.waitedMs)} ms for one of ${limit} places`);
    try {
      const reply = await next(request, call);
      if (reply.kind === "stream") {
        return { kind: "stream", parts: whenOver(reply.parts, call.signal, (error) => permit.leave(outcomeOf(error))) };
      }
      permit.leave("success");
      return reply;
    } catch (error) {
      permit.leave(outcomeOf(error));
      throw error;
    }
  };
}

function rowsOf(request: InferRequest): number {
  return Math.max(1, request.inputs[0]?.shape[0] ?? 1);
}
