// timeout: the most time a request of a model may take, waiting included; callers may ask for less.

import { narrow } from "../core/call.ts";
import type { LayerKind } from "../core/policy.ts";
import { whenEnded } from "../core/request.ts";
import type { Layer } from "../core/service.ts";
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
  return (next) => async (request, call) => {
    const limited = narrow(call, { timeoutMs });
    call.foretell?.("timeout", `${formatDuration(limited.deadline - call.startedAt)} for all of it`);
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
}
