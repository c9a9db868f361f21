// What was thrown and caught by nobody: logged with the request that it belongs to, which alone ends of it where there is one.

import { AsyncLocalStorage } from "node:async_hooks";
import type { Env } from "../core/env.ts";
import { InferError } from "../core/error.ts";

/** A request on its way, as far as a fault of it is concerned. */
export interface Ongoing {
  /** Fields of the log line by which it is known. */
  about(): object;
  /** Answers it with the fault, unless it has an answer; once and never again after it. */
  fail(fault: InferError): void;
}

export interface ProcessFaults {
  /** Serves a request: whatever is thrown on its behalf, now or later, belongs to it. */
  serve(request: Ongoing, work: () => void): void;
  /**
   * Takes note of what nobody caught. `request`: it ends that one alone, and the process goes on; `process`: it belongs to
   * none, or there are so many that something must be broken: the process should end what it has begun, and then itself.
   */
  caught(error: unknown): "request" | "process";
}

/** A request whose work has thrown beside it has this long for an answer of its own, in milliseconds. */
const GRACE_MS = 1000;
/** So many faults of requests within a minute, and the process is taken to be broken. */
const MOST_FAULTS = 20;
const MINUTE_MS = 60_000;

export function openProcessFaults(env: Env): ProcessFaults {
  const current = new AsyncLocalStorage<Ongoing>();
  let times: readonly number[] = [];
  const isTooMany = () => {
    const now = env.clock.now();
    times = [...times.filter((at) => now - at < MINUTE_MS), now].slice(-MOST_FAULTS);
    return times.length >= MOST_FAULTS;
  };
  return {
    serve: (request, work) => current.run(request, work),
    caught(error) {
      const request = current.getStore();
      if (request === undefined) {
        env.emit({ type: "process-fault", ends: "process" });
        env.log.error({ err: error }, "a fault that nobody caught and that belongs to no request: the process ends");
        return "process";
      }
      const ends = isTooMany() ? "process" : "request";
      env.emit({ type: "process-fault", ends });
      env.log.error({ ...request.about(), err: error }, "a fault that nobody caught ends its request");
      const fault = new InferError("internal", "internal error", { cause: error });
      // what was thrown beside the work need not keep it from its answer
      env.clock.after(GRACE_MS, () => request.fail(fault));
      return ends;
    },
  };
}
