// The pool: takes runs from the queue to the workers, at most one running and one waiting in each.

import { abortReason, type Call } from "../../core/call.ts";
import type { Env } from "../../core/env.ts";
import { InferError } from "../../core/error.ts";
import { openBuffers, type Packed, unpacked } from "./buffers.ts";
import { type Crew, openCrew, type SessionSpec } from "./crew.ts";
import { type Job, nobody, noWorker, type Order, openJob, type RunResult, workerLost } from "./job.ts";
import { type Done, isAble, type Link, ranFor } from "./link.ts";
import type { FromWorker, SessionFacts, ToWorker } from "./messages.ts";
import type { SpawnWorker } from "./port.ts";
import { type OpenSlots, openSlots } from "./slots.ts";
import { openTurns } from "./turns.ts";

export interface PoolOptions {
  readonly backend: string;
  readonly workers: number;
  readonly spawn: SpawnWorker;
  /** How many runs may wait for one model. */
  readonly maxQueue: number;
  /** A run beyond this frees its caller and costs its worker. */
  readonly runTimeoutMs: number;
  readonly env: Env;
}

/** A session with its warm-up said as orders. */
export interface PoolSpec extends Omit<SessionSpec, "warmUp"> {
  /** What runs in each worker before it counts; the pool runs them one after the other. */
  warmUp(facts: SessionFacts): readonly Order[];
  /** A warm-up that failed: throws when that makes the session unusable. */
  warmUpFailed(error: unknown): void;
}

export interface Pool {
  readonly slots: OpenSlots;
  /** Runs the order in some worker that has the session. @throws InferError */
  run(order: Order, call: Call): Promise<RunResult>;
  load(spec: PoolSpec): Promise<SessionFacts>;
  /** Lets go of the session everywhere. The caller sees to it that no run of it is under way. */
  unload(session: string): Promise<void>;
  /** The hash over these files, worked out in a worker. */
  hash(paths: readonly string[]): Promise<string>;
  /** Whether a worker has the session, or is getting it. */
  canServe(session: string): boolean;
  /** Whether any worker may be given work, now or when it has started. */
  alive(): boolean;
  /** Finishes what waits and what runs, then ends the workers. New runs are refused at once. */
  close(): Promise<void>;
}

/** A run in front for longer than this has those behind it taken to another worker. Well above the 20 us of a message. */
const STUCK_MS = 2;
/** Of unused buffers, for all models together. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;
/** Run numbers stay within an Int32Array's cell and never are 0. */
const LAST_RUN = 2 ** 31 - 1;

type Ran = Extract<FromWorker, { type: "answered" | "refused" }>;

export function openPool(options: PoolOptions): Pool {
  const { env, maxQueue, runTimeoutMs } = options;
  const queue = openTurns({ backend: options.backend, maxQueue, env, refused: forget });
  const buffers = openBuffers(MAX_KEPT_BYTES);
  /** Runs that somebody asked for and that are not over. */
  let active = 0;
  let lastRun = 0;
  let closing: PromiseWithResolvers<void> | undefined;

  const crew: Crew = openCrew(
    { backend: options.backend, size: options.workers, spawn: options.spawn, env },
    {
      changed,
      ran: onRan,
      skipped: (buffer) => buffer !== undefined && buffers.keep(buffer),
      // a replacement cannot load what is gone from the repository, though calls to it were under way
      loadFailed: () => refuseHopeless("no worker could load it again"),
      lost: onLost,
    },
  );
  const slots = openSlots({
    capacity: () => crew.links().reduce((able, link) => able + Number(isAble(link)), 0),
    inFlight: () => active,
    maxWaiting: maxQueue,
  });

  function changed(): void {
    dispatch();
    slots.changed();
  }

  function dispatch(): void {
    const links = crew.links();
    const now = env.clock.now();
    for (const link of links) {
      if (!isAble(link) || link.running !== undefined) continue;
      give(link, takeBackFor(link, STUCK_MS, now) ?? queue.take(link.sessions) ?? takeBackFor(link, 0, now));
    }
    // a run that waits in the worker hides the way of a message; but not behind a long run, where it would only be stuck
    for (const link of links) {
      if (!isAble(link) || link.port.ticket === undefined || link.waiting !== undefined) continue;
      if (link.running === undefined || ranFor(link, now) > STUCK_MS) continue;
      give(link, takeBackFor(link, STUCK_MS, now) ?? queue.take(link.sessions));
    }
  }

  /** What waits in another worker behind a run of at least `ranMs`: it is older than all in the queue. */
  function takeBackFor(link: Link, ranMs: number, now: number): Job | undefined {
    for (const other of crew.links()) {
      const job = other.waiting;
      if (job === undefined || other === link || !isAble(other) || ranFor(other, now) < ranMs) continue;
      if (link.sessions.has(job.order.session) && takeBack(other)) return job;
    }
    return undefined;
  }

  function takeBack(link: Link): boolean {
    if (link.waiting === undefined || link.port.ticket?.claim(link.waiting.run) !== true) return false;
    link.waiting = undefined;
    return true;
  }

  function give(link: Link, job: Job | undefined): void {
    if (job === undefined) return;
    const { session, inputs, outputs } = job.order;
    let packed: Packed;
    try {
      packed = link.port.transfers ? buffers.pack(inputs) : unpacked(inputs);
    } catch (error) {
      job.reject(new InferError("overloaded", "no memory for the inputs", { cause: error }));
      forget(job);
      return;
    }
    lastRun = lastRun === LAST_RUN ? 1 : lastRun + 1;
    job.run = lastRun;
    if (link.running === undefined) begin(link, job);
    else link.waiting = job;
    link.port.ticket?.offer(job.run);
    const message: ToWorker = { type: "run", run: job.run, session, inputs: packed.tensors, outputs };
    link.port.post(message, packed.buffer === undefined ? [] : [packed.buffer]);
  }

  function begin(link: Link, job: Job): void {
    link.running = job;
    job.startedAt = env.clock.now();
    if (link.stopTimer === undefined) watch(link, runTimeoutMs);
  }

  /** One timer a worker goes on over all its runs: to set and stop one for each costs more than to look once too often. */
  function watch(link: Link, ms: number): void {
    link.stopTimer = env.clock.after(ms, () => {
      link.stopTimer = undefined;
      if (link.running === undefined || link.state !== "ready") return;
      const leftMs = runTimeoutMs - ranFor(link, env.clock.now());
      if (leftMs > 0) watch(link, leftMs);
      else onRunTimeout(link);
    });
  }

  function onRan(link: Link, message: Ran): void {
    if (message.buffer !== undefined) buffers.keep(message.buffer);
    const job = link.running;
    if (link.state !== "ready" || job?.run !== message.run) return;
    advance(link);
    crew.proved(link);
    settle(job, message);
    changed();
  }

  function advance(link: Link): void {
    const next = link.waiting;
    link.running = undefined;
    link.waiting = undefined;
    if (next !== undefined) begin(link, next);
  }

  function settle(job: Job, message: Ran): void {
    const { model } = job.order;
    if (job.settled) env.emit({ type: "wasted", backend: options.backend, model, ranMs: message.ranMs });
    else if (message.type === "answered") {
      const queuedMs = (job.startedAt ?? job.queuedAt) - job.queuedAt;
      queue.ran(job, message.ranMs);
      job.resolve({ outputs: message.outputs, queuedMs, ranMs: message.ranMs });
    } else {
      const { code, origin, cause } = message;
      job.reject(new InferError(code, message.message, { origin, ...(cause === undefined ? {} : { cause }) }));
    }
    forget(job);
  }

  function forget(job: Job): void {
    if (!job.counted) return;
    job.counted = false;
    active -= 1;
    if (active === 0) closing?.resolve();
  }

  function onRunTimeout(link: Link): void {
    const took = `the run took longer than ${runTimeoutMs} ms`;
    leaveLink(link, new InferError("deadline-exceeded", took, { origin: "backend" }));
    crew.giveUp(link);
    refuseHopeless("every worker is inside a run past its runTimeout");
    changed();
  }

  function onLost(link: Link, ending: { readonly reason: string }): void {
    leaveLink(link, workerLost(ending.reason));
    refuseHopeless("its workers crash and are started again with growing pauses");
    changed();
  }

  // the run is lost with its worker, unless it had not begun; the one behind it had not
  function leaveLink(link: Link, error: InferError): void {
    const { running, waiting } = link;
    link.stopTimer?.();
    link.stopTimer = undefined;
    link.running = undefined;
    link.waiting = undefined;
    for (const job of [running, waiting]) {
      if (job === undefined) continue;
      const begun = link.port.ticket?.claim(job.run) !== true;
      if (begun || job.pinned) job.reject(error);
      if (job.settled) forget(job);
      else queue.putBack(job);
    }
  }

  function refuseHopeless(why: string): void {
    for (const job of queue.drain()) {
      if (crew.canServe(job.order.session)) queue.putBack(job);
      else {
        job.reject(noWorker(why));
        forget(job);
      }
    }
  }

  function onLeft(job: Job): void {
    if (queue.remove(job)) forget(job);
    else {
      const link = crew.links().find((each) => each.waiting === job);
      if (link !== undefined && takeBack(link)) forget(job);
    }
    changed();
  }

  function warmUp(spec: PoolSpec): SessionSpec["warmUp"] {
    return async (link, facts) => {
      for (const order of spec.warmUp(facts)) {
        try {
          await runIn(link, order);
        } catch (error) {
          if (link.state !== "ready") throw error;
          spec.warmUpFailed(error);
        }
      }
    };
  }

  function runIn(link: Link, order: Order): Promise<RunResult> {
    const { job, result } = openJob(order, nobody(env.clock));
    if (link.state === "ready") give(link, job);
    else job.reject(workerLost("it ended before a warm-up"));
    return result;
  }

  return {
    slots,
    run(order, call) {
      if (closing !== undefined) return Promise.reject(new InferError("unavailable", "the backend is closing"));
      if (call.signal.aborted) return Promise.reject(abortReason(call.signal));
      if (!crew.canServe(order.session)) return Promise.reject(noWorker("none is left that has loaded it"));
      const { job, result } = openJob(order, call, { left: onLeft });
      job.counted = true;
      active += 1;
      queue.push(job);
      dispatch();
      return result;
    },
    load: (spec) => crew.load({ ...spec, warmUp: warmUp(spec) }),
    async unload(session) {
      await crew.unload(session);
      queue.forget(session);
    },
    async hash(paths) {
      const link = crew.links()[0];
      if (link === undefined) throw noWorker("they are being replaced");
      await link.started;
      const { hash }: Done = await link.ask({ type: "hash", paths });
      return hash ?? "";
    },
    canServe: (session) => closing === undefined && crew.canServe(session),
    alive: () => closing === undefined && crew.links().length > 0,
    async close() {
      closing ??= Promise.withResolvers();
      if (active === 0) closing.resolve();
      await closing.promise;
      await crew.end();
    },
  };
}
