// One request that goes on though it will hardly be in time, so that it is seen how long an answer takes now.

import { abortReason, detach, unlessAborted } from "../../core/call.ts";
import type { Service } from "../../core/service.ts";

/** An answer that takes so many times the fastest one, and a second at least, is none: the server is to blame then. */
const TIMES = 10;
const LEAST_MS = 1000;

/**
 * The caller is told at its deadline, as any other. The call goes on without it: an answer tells how long answers take, and a
 * deadline that nobody could have kept is no fault of the server's. A caller who leaves takes the call along.
 */
export function tryOut(next: Service, fastestMs: number): Service {
  return (request, call) => {
    // a stream belongs to its reader from its first part on
    if (request.stream) return next(request, call);
    const own = detach(call, { timeoutMs: Math.max(LEAST_MS, TIMES * fastestMs) });
    const onAbort = () => {
      const reason = abortReason(call.signal);
      if (reason.code !== "deadline-exceeded") own.cancel(reason);
    };
    call.signal.addEventListener("abort", onAbort, { once: true });
    const running = next(request, { ...own, trace: call.trace }).finally(() => {
      call.signal.removeEventListener("abort", onAbort);
      own.end();
    });
    return unlessAborted(running, call.signal);
  };
}
