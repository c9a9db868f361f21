// One run that somebody asked for: what is to be run, who waits for it, and how it ended.

import { abortReason, type Call } from "../../core/call.ts";
import type { Clock } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import { seatOf, type Waiter, type Waiting } from "../../core/limit/queue.ts";
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

export interface Job extends Waiting {
  readonly order: Order;
  readonly queuedAt: number;
  /** When its answer is worthless, on the monotonic clock. */
  readonly deadline: number;
  /** When it became the one that its worker runs; undefined before. */
  startedAt: number | undefined;
  /** The number it was last posted under; 0 before. */
  run: number;
  /** It belongs to one worker (a warm-up): it ends with that worker instead of going to another. */
  readonly pinned: boolean;
  /** The pool counts it among its runs. */
  counted: boolean;
  /** Nobody waits for it any more: it was answered, or its caller has left. */
  readonly settled: boolean;
  resolve(result: RunResult): void;
  reject(error: InferError): void;
}

/** What a job takes of its call. */
export type JobCall = Pick<Call, "signal" | "clock" | "deadline"> & Waiter;

/** The caller of a warm-up: what is too long for it is runTimeout. */
export function nobody(clock: Clock): JobCall {
  const { signal } = new AbortController();
  return { signal, clock, deadline: Number.POSITIVE_INFINITY, priority: 0, purpose: "warm-up" };
}

/** @param events `left` is called at once when the caller leaves before the end; without it the job is pinned */
export function openJob(
  order: Order,
  call: JobCall,
  events: { readonly left?: (job: Job) => void } = {},
): { readonly job: Job; readonly result: Promise<RunResult> } {
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const settle = (): boolean => {
    if (job.settled) return false;
    job.settled = true;
    call.signal.removeEventListener("abort", onAbort);
    return true;
  };
  const onAbort = () => {
    if (!settle()) return;
    reject(abortReason(call.signal));
    events.left?.(job);
  };
  // no getter: see core/chain.ts
  const job: Job & { settled: boolean } = {
    ...seatOf(order.inputs[0]?.shape[0] ?? 1, call),
    order,
    queuedAt: call.clock.now(),
    deadline: call.deadline,
    startedAt: undefined,
    run: 0,
    pinned: events.left === undefined,
    counted: false,
    settled: false,
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

/** For a call whose place in the queue was another's by then, or never its own. */
export function full(waiting: number): InferError {
  const text = `${waiting} runs wait for the model already`;
  return new InferError("overloaded", text, { retryAfterMs: 1_000, unsent: true });
}

/** For a call that has waited until no run could be in time. */
export function tooLate(runMs: number, leftMs: number): InferError {
  const [needed, left] = [runMs, Math.max(0, leftMs)].map((ms) => Math.round(ms * 10) / 10);
  const text = `the model needs about ${needed} ms of work, and ${left} ms are left`;
  return new InferError("overloaded", text, { unsent: true });
}

/** For a call that would wait for workers which are not there. */
export function noWorker(why: string): InferError {
  return new InferError("unavailable", `no worker can run the model now: ${why}`, { retryAfterMs: 1_000 });
}
