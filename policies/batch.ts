// batch: small requests for one version become one call to the backend, and its answer comes apart again.

import { type Call, narrow, unlessAborted } from "../core/call.ts";
import { asInferError } from "../core/error.ts";
import type { LeafContext, LeafKind } from "../core/policy.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import type { RunSliced } from "../core/run.ts";
import type { Layer } from "../core/service.ts";
import { openSendAlone } from "./batch/alone.ts";
import { type Known, openGate } from "./batch/gate.ts";
import { bytesOf, rowsOf } from "./batch/key.ts";
import { cutRequest, partsOf } from "./batch/merge.ts";
import { openPlaces } from "./batch/places.ts";
import { openScheduler, type Scheduler } from "./batch/scheduler.ts";
import { openSender, SMALL_BYTES } from "./batch/send.ts";
import { joinReplies } from "./batch/split.ts";
import { openTrial, type Trial } from "./batch/trial.ts";
import { type BatchOptions, batchWords } from "./batch/words.ts";

export const batch: LeafKind<BatchOptions> = {
  place: "leaf",
  word: "batch",
  options: batchWords,
  build: (options, context) => batchLayer(options, context),
};

/** What the layer is made with beside its options. */
export interface BatchParts extends LeafContext {
  /** Calls back when this turn of the event loop has read what there is to read. */
  readonly soon?: (callback: () => void) => void;
  /** Given the scheduler when it is made: for those who look at it from outside. */
  readonly onScheduler?: (scheduler: Scheduler) => void;
}

/**
 * Joins requests that may be joined. What has no rows, keeps state, wants a stream or was not sent by a user passes as
 * it is.
 */
export function batchLayer(options: BatchOptions, parts: BatchParts): Layer {
  const { env, run } = parts;
  const gate = openGate({ clock: env.clock, signature: parts.signature });
  return (next) => {
    let metadata: Known["metadata"] | undefined;
    const send = openSender({ ...parts, next, sizes: options.sizes, repeatable: options.repeatable });
    const trial = openTrial({ ...parts, next, send, wanted: options.probe });
    const scheduler = openScheduler({
      ...parts,
      options,
      places: openPlaces({ candidates: parts.candidates, inFlight: options.inFlight }),
      send: trial.send,
      sendAlone: openSendAlone({ ...parts, next }),
      metadata: () => metadata,
      cap: trial.cap,
      soon: parts.soon ?? ((callback) => void setImmediate(callback)),
    });
    parts.onScheduler?.(scheduler);
    const go = (known: Known | undefined, asked: Asked): Promise<Reply> => {
      const unfit = unfitFor(known, trial);
      if (known === undefined || unfit !== undefined) {
        asked.call.trace.decide("batch", `passed: ${unfit}`);
        return next(asked.request, asked.call);
      }
      metadata = known.metadata;
      if (asked.rows > options.maxRows) return inParts(asked, { scheduler, run, maxRows: options.maxRows });
      const { request, call, rows } = asked;
      return scheduler.alone(request, call, rows) ?? scheduler.enter(request, call, rows).answer;
    };
    /** What would become of it, and where it would be sent; nothing is put in line. */
    const foretell = async (request: InferRequest, call: Call): Promise<Reply> => {
      const rows = rowsOf(request) ?? 0;
      if (request.inputs.length > 0 && rows === 0) {
        call.foretell?.("batch", "none, the request has no rows");
        return next(request, call);
      }
      const known = await gate.look(call.signal);
      const unfit = unfitFor(known, trial);
      if (unfit !== undefined) {
        call.trace.decide("batch", `passed: ${unfit}`);
        return next(request, call);
      }
      const { waiting } = scheduler;
      const several = parts.candidates.list().length > 1;
      const isWhole = rows > 0 && rows <= options.maxRows;
      const preferred = several && isWhole ? scheduler.whereTo(request, call, rows) : undefined;
      const where = several && preferred === undefined ? ", sent to whichever endpoint is free first" : "";
      call.foretell?.("batch", `${describeSize(rows, options.maxRows)}, ${waiting} waiting now${where}`);
      return next(request, preferred === undefined ? call : { ...call, attempt: { ...call.attempt, ...preferred } });
    };
    return async (request, call) => {
      if (call.purpose === "explain") return foretell(request, call);
      const rows = mayJoin(request, call) ? (rowsOf(request) ?? 0) : 0;
      // a request without rows has nothing to join: its backend knows what to say
      if (rows === 0) return next(request, call);
      const known = gate.look(call.signal);
      const asked = { request, call, rows };
      return go(known instanceof Promise ? await unlessAborted(known, call.signal) : known, asked);
    };
  };
}

/** Why the model's requests are not joined, for who wonders; undefined when they are. */
function unfitFor(known: Known | undefined, trial: Trial): string | undefined {
  if (known === undefined) return "nobody can tell the model's signature now";
  if (known.unfit !== undefined) return known.unfit;
  return trial.verdict(known.metadata) === "dependent" ? "the model's rows depend on each other" : undefined;
}

function describeSize(rows: number, maxRows: number): string {
  const parts = rows > maxRows ? `, this one in ${partsOf(rows, maxRows).length} parts` : "";
  return `up to ${maxRows} rows together${parts}`;
}

interface Asked {
  readonly request: InferRequest;
  readonly call: Call;
  readonly rows: number;
}

function mayJoin(request: InferRequest, call: Call): boolean {
  return call.purpose === "user" && call.sequence === undefined && !request.stream && !call.signal.aborted;
}

interface Divided {
  readonly scheduler: Scheduler;
  readonly run: RunSliced;
  readonly maxRows: number;
}

/** Parts of one request that wait or run at a time. */
const PARTS_AT_ONCE = 16;

/**
 * A request with more rows than a batch may have: its parts are members like any other, and its answer is all of theirs.
 * When one fails the others are let go.
 */
async function inParts({ request, call, rows }: Asked, { scheduler, run, maxRows }: Divided): Promise<Reply> {
  const counts = partsOf(rows, maxRows);
  const small = bytesOf(request) < SMALL_BYTES;
  const own = narrow(call, { timeoutMs: Number.POSITIVE_INFINITY });
  try {
    const requests = await run(cutRequest(request, counts), { small, signal: own.signal });
    const replies: Reply[] = new Array(counts.length);
    let at = 0;
    const oneByOne = async (): Promise<void> => {
      while (at < counts.length && !own.signal.aborted) {
        const i = at;
        at += 1;
        replies[i] = await scheduler.enter(requests[i] as InferRequest, own, counts[i] as number).answer;
      }
    };
    await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, counts.length) }, oneByOne));
    return await run(joinReplies(replies), { small, signal: own.signal });
  } catch (error) {
    own.cancel(asInferError(error));
    throw error;
  } finally {
    own.end();
  }
}
