// One run that somebody asked for: what is to be run, who waits for it, and how it ended.

import { abortReason, type Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { WireTensor } from "./messages.ts";

/** What is to be run: inputs that have been checked, and the names of the outputs wanted. */
export interface Order {
  readonly session: string;
  /** Whose queue it waits in. */
  readonly model: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly string[];
}

export interface RunResult {
  readonly outputs: readonly WireTensor[];
  /** Waiting for a worker, in milliseconds. */
  readonly queuedMs: number;
  /** Inside the worker, in milliseconds. */
  readonly ranMs: number;
}

export interface Job {
  readonly order: Order;
  readonly queuedAt: number;
  /** When it became the one that its worker runs; undefined before. */
  startedAt: number | undefined;
  /** The number it was last posted under; 0 before. */
  run: number;
  /** It belongs to one worker (a warm-up): it ends with that worker instead of going to another. */
  readonly pinned: boolean;
  /** Nobody waits for it any more: it was answered, or its caller has left. */
  readonly settled: boolean;
  resolve(result: RunResult): void;
  reject(error: InferError): void;
}

/** @param events `left` is called at once when the caller leaves before the end; without it the job is pinned */
export function openJob(
  order: Order,
  call: Pick<Call, "signal" | "clock">,
  events: { readonly left?: (job: Job) => void } = {},
): { readonly job: Job; readonly result: Promise<RunResult> } {
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  let settled = false;
  const settle = (): boolean => {
    if (settled) return false;
    settled = true;
    call.signal.removeEventListener("abort", onAbort);
    return true;
  };
  const onAbort = () => {
    if (!settle()) return;
    reject(abortReason(call.signal));
    events.left?.(job);
  };
  const job: Job = {
    order,
    queuedAt: call.clock.now(),
    startedAt: undefined,
    run: 0,
    pinned: events.left === undefined,
    get settled() {
      return settled;
    },
    resolve(result) {
      if (settle()) resolve(result);
    },
    reject(error) {
      if (settle()) reject(error);
    },
  };
  call.signal.addEventListener("abort", onAbort, { once: true });
  return { job, result: promise };
}

/** For a call whose worker ended under it. */
export function workerLost(reason: string): InferError {
  return new InferError("bad-backend", "the worker that ran the model was lost", { cause: new Error(reason) });
}

/** For a call that would wait for workers which are not there. */
export function noWorker(why: string): InferError {
  return new InferError("unavailable", `no worker can run the model now: ${why}`, { retryAfterMs: 1_000 });
}
