// hedge: a second copy of a request that is late, at another endpoint; whichever answers first is the answer.

import type { Call } from "../core/call.ts";
import type { Candidates, LeafContext, LeafKind } from "../core/policy.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import { type CallBudget, openCallBudget } from "./call-budget.ts";
import { alsoAvoid, isElsewhere } from "./elsewhere.ts";
import { type Lateness, openLateness } from "./hedge/lateness.ts";
import { race, type Second } from "./hedge/race.ts";
import { type HedgeOptions, hedgeWords } from "./hedge/words.ts";
import { mayRepeat } from "./repeatable.ts";

/** A pool with more than this share of its slots taken gets no second copies. */
const BUSY = 0.8;

export const hedge: LeafKind<HedgeOptions | false> = {
  place: "leaf",
  word: "hedge",
  underBackend: true,
  options: hedgeWords,
  build: (options, context) => (options === false ? (next) => next : hedgeLayer(options, context)),
};

/**
 * Sends a second copy of what a user asked and nobody has answered in the usual time. The loser is cancelled, which says
 * nothing of its endpoint's health. Never for a sequence or a stream, for a model of which nobody says that its requests may
 * run twice, or while the pool is busy.
 */
export function hedgeLayer(options: HedgeOptions, context: LeafContext): Layer {
  const { candidates, env } = context;
  const lateness = openLateness(options.after, env.clock);
  const budget = openCallBudget({ clock: env.clock, share: options.share, perSecond: 0 });
  return (next) => (request, call) => {
    if (call.purpose === "explain") return foretell({ options, context, lateness, budget, next }, request, call);
    const isPlain = call.purpose === "user" && call.sequence === undefined && !request.stream;
    if (!isPlain || candidates.list().length < 2) return next(request, call);
    budget.request();
    return ask({ options, context, lateness, budget, next }, request, call);
  };
}

interface Hedging {
  readonly options: HedgeOptions;
  readonly context: LeafContext;
  readonly lateness: Lateness;
  readonly budget: CallBudget;
  readonly next: Service;
}

async function foretell(hedging: Hedging, request: InferRequest, call: Call): Promise<Reply> {
  const { options, context, lateness, next } = hedging;
  const { candidates } = context;
  const afterMs = lateness.afterMs();
  const say = (said: string) => call.foretell?.("hedge", said);
  if (candidates.list().length < 2) say("none, there is no other endpoint");
  else if (afterMs === undefined) say("none yet, too few answers are timed");
  else if (call.clock.now() + afterMs >= call.deadline) say("none, the deadline is nearer than an answer is late");
  else if (!(await mayRepeat({ ...context, said: options.repeatable }, call.signal))) {
    say("none, nothing says that the request may run twice");
  } else if (isBusy(candidates)) say(`none, more than ${BUSY * 100}% of the slots are taken`);
  else say(`a second copy elsewhere after ${afterMs.toFixed(1)} ms`);
  return next(request, call);
}

async function ask(hedging: Hedging, request: InferRequest, call: Call): Promise<Reply> {
  const { lateness, next } = hedging;
  const startedAt = call.clock.now();
  const afterMs = lateness.afterMs();
  // of a second copy's answer it is what the first has taken already: less would draw the quantile down
  const took = () => lateness.took(call.clock.now() - startedAt);
  if (afterMs === undefined || call.clock.now() + afterMs >= call.deadline) {
    const reply = await next(request, call);
    took();
    return reply;
  }
  let stop = () => {};
  let isOver = false;
  let isSent = false;
  const reply = await race({
    next,
    request,
    call,
    begin(first, second) {
      stop = call.clock.after(afterMs, () => {
        void late(hedging, { call, first, afterMs, isOver: () => isOver }, (avoid) => {
          isSent = true;
          second(avoid);
        });
      });
    },
    over(winner) {
      stop();
      isOver = true;
      if (isSent) tell(hedging, winner === "second" ? "won" : "lost");
    },
  });
  took();
  return reply;
}

interface Late {
  readonly call: Call;
  readonly first: Call;
  readonly afterMs: number;
  /** It has been answered, or has failed, by now. */
  readonly isOver: () => boolean;
}

async function late(hedging: Hedging, { call, first, afterMs, isOver }: Late, second: Second): Promise<void> {
  const { options, context, budget } = hedging;
  const { candidates } = context;
  const { endpoint } = first.trace.facts;
  // it waits for an endpoint still: there is none to be late
  if (endpoint === undefined) return;
  const avoid = alsoAvoid(call.attempt.avoid, endpoint);
  if (!isElsewhere(candidates, avoid) || isBusy(candidates)) return;
  if (!(await mayRepeat({ ...context, said: options.repeatable }, first.signal)) || isOver()) return;
  if (!budget.take()) {
    tell(hedging, "budget");
    return;
  }
  call.trace.decide("hedge", `no answer from ${endpoint} after ${afterMs.toFixed(1)} ms, a second copy elsewhere`);
  second(avoid);
}

function isBusy(candidates: Candidates): boolean {
  // one without a free slot is not available, and is what makes a pool busy
  const serving = candidates.list().filter((one) => one.serves() && (one.available() || one.endpoint.slots.free === 0));
  const busy = serving.reduce((sum, { endpoint }) => sum + endpoint.slots.busy, 0);
  const free = serving.reduce((sum, { endpoint }) => sum + endpoint.slots.free, 0);
  return busy > BUSY * (busy + free);
}

function tell({ context }: Hedging, result: "won" | "lost" | "budget"): void {
  const { model, version, env } = context;
  env.emit({ type: "hedge", model, version, result });
}
