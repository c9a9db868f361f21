// timeout: the most time a request of a model may take, waiting included; callers may ask for less.

import { type Call, narrow } from "../core/call.ts";
import type { LayerKind } from "../core/policy.ts";
import { type InferRequest, type Reply, whenEnded } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import { formatDuration } from "../core/units.ts";
import { duration } from "../core/words.ts";

/** Milliseconds from the request's arrival. */
export const timeout: LayerKind<number> = {
  place: "layer",
  word: "timeout",
  options: duration().describe("The deadline of a request that brings none, and the cap of those that do."),
  build: (timeoutMs) => timeoutLayer(timeoutMs),
};

/** Aborts the call when its time is over. A stream's time runs until its last part. */
export function timeoutLayer(timeoutMs: number): Layer {
  const under = async (next: Service, request: InferRequest, call: Call): Promise<Reply> => {
    const limited = narrow(call, { timeoutMs });
    try {
      const reply = await next(request, limited);
      if (reply.kind === "whole") {
        limited.end();
        return reply;
      }
      return { kind: "stream", parts: whenEnded(reply.parts, () => limited.end()) };
    } catch (error) {
      limited.end();
      throw error;
    }
  };
  return (next) => (request, call) => {
    const ownMs = call.deadline - call.startedAt;
    call.foretell?.("timeout", `${formatDuration(Math.min(ownMs, timeoutMs))} for all of it`);
    // whoever asked for less has its deadline already
    return ownMs <= timeoutMs ? next(request, call) : under(next, request, call);
  };
}
