// retry: another endpoint after a fault that may be cured there, before the first of an answer, within a budget.

import { abortReason, type Call } from "../core/call.ts";
import { asInferError, type InferError } from "../core/error.ts";
import type { Candidates, LeafContext, LeafKind } from "../core/policy.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import { formatDuration } from "../core/units.ts";
import { begun } from "./begun.ts";
import { type CallBudget, openCallBudget } from "./call-budget.ts";
import { alsoAvoid, hasRoomElsewhere, isElsewhere } from "./elsewhere.ts";
import { mayRepeat } from "./repeatable.ts";
import { pause } from "./retry/pause.ts";
import { type RetryOptions, retryWords } from "./retry/words.ts";

/** Retries a second whatever the number of requests, so that a quiet model has some. Source: finagle's RetryBudget. */
const PER_SECOND = 10;

export const retry: LeafKind<RetryOptions | false> = {
  place: "leaf",
  word: "retry",
  underBackend: true,
  options: retryWords,
  fallback: retryWords.parse(true),
  build: (options, context) => (options === false ? (next) => next : retryLayer(options, context)),
};

/**
 * Asks again what a user asked and nobody answered: a fault that may be cured elsewhere at another endpoint and at once,
 * one that passes with time after the pause that the server asks for, where the config allows one. Never a sequence, a
 * shadow, or a stream that has begun; never what may have run at a server of which nobody says that it may run twice.
 */
export function retryLayer(options: RetryOptions, context: LeafContext): Layer {
  const { candidates, env } = context;
  const budget = openCallBudget({ clock: env.clock, share: options.share, perSecond: PER_SECOND });
  return (next) => (request, call) => {
    if (call.purpose === "explain") return foretell({ options, context, budget, next }, request, call);
    if (call.purpose !== "user" || call.sequence !== undefined) return next(request, call);
    if (isAlone(options, candidates)) return next(request, call);
    budget.request();
    return ask({ options, context, budget, next }, request, call);
  };
}

/** With one endpoint there is nowhere else, and waiting for it must be allowed. */
function isAlone({ pauseMs }: RetryOptions, candidates: Candidates): boolean {
  return pauseMs === 0 && candidates.list().length < 2;
}

async function foretell({ options, context, next }: Retrying, request: InferRequest, call: Call): Promise<Reply> {
  const { attempts, pauseMs } = options;
  if (isAlone(options, context.candidates)) call.foretell?.("retry", "none, there is no other endpoint");
  else {
    const twice = await mayRepeat({ ...context, said: options.repeatable }, call.signal);
    const waits = pauseMs > 0 ? `, after a pause of ${formatDuration(pauseMs)} at most` : "";
    call.foretell?.(
      "retry",
      `${attempts} tries at most${waits}${twice ? "" : ", none of a request that may have run"}`,
    );
  }
  return next(request, call);
}

interface Retrying {
  readonly options: RetryOptions;
  readonly context: LeafContext;
  readonly budget: CallBudget;
  readonly next: Service;
}

async function ask(retrying: Retrying, request: InferRequest, call: Call): Promise<Reply> {
  const { options, next } = retrying;
  let attempt = call;
  for (let n = 1; n < options.attempts; n += 1) {
    try {
      return await begun(await next(request, attempt));
    } catch (error) {
      if (call.signal.aborted) throw abortReason(call.signal);
      const again = await whereNext(retrying, asInferError(error), attempt);
      if (again === undefined) throw error;
      tell(retrying, asInferError(error), { call: attempt, n, again });
      if (again.pauseMs > 0) await pause(again.pauseMs, call);
      attempt = { ...attempt, attempt: { ...attempt.attempt, n: attempt.attempt.n + 1, avoid: again.avoid } };
    }
  }
  return next(request, attempt);
}

/** Where another try goes, and after what pause. */
interface Again {
  readonly avoid: readonly string[];
  readonly pauseMs: number;
}

/** Undefined where there is to be none: its fault is the answer. */
async function whereNext(retrying: Retrying, fault: InferError, call: Call): Promise<Again | undefined> {
  const { options, context, budget } = retrying;
  const again = wayOn(retrying, fault, call);
  if (again === undefined) return undefined;
  // what was refused has not run; else it may have
  const isFresh = fault.unsent || fault.code === "overloaded";
  if (!isFresh && !(await mayRepeat({ ...context, said: options.repeatable }, call.signal))) {
    call.trace.decide("retry", "none: the request may have run, and nothing says that it may run twice");
    return undefined;
  }
  if (call.signal.aborted) return undefined;
  if (budget.take()) return again;
  call.trace.decide("retry", "none: the budget is exhausted");
  const { model, version, env } = context;
  env.emit({ type: "retry", model, version, code: fault.code, result: "budget" });
  return undefined;
}

function wayOn({ options, context }: Retrying, fault: InferError, call: Call): Again | undefined {
  if (fault.origin === "client" || fault.retryable === "no") return undefined;
  const { attempt, trace, deadline, clock } = call;
  const avoid = alsoAvoid(attempt.avoid, trace.facts.endpoint);
  // the balancer gave it to one that has no room because none had any: the next one would refuse it as well
  const wants = fault.code === "overloaded" && fault.origin === "gateway" ? hasRoomElsewhere : isElsewhere;
  if (fault.retryable === "elsewhere" && wants(context.candidates, avoid)) return { avoid, pauseMs: 0 };
  const pauseMs = fault.retryAfterMs;
  if (pauseMs === undefined || pauseMs > options.pauseMs) return undefined;
  // those that were tried may answer by then
  return clock.now() + pauseMs < deadline ? { avoid: [], pauseMs } : undefined;
}

interface Told {
  readonly call: Call;
  readonly n: number;
  readonly again: Again;
}

function tell({ options, context }: Retrying, { code }: InferError, { call, n, again }: Told): void {
  const { model, version, env } = context;
  const where = again.pauseMs > 0 ? `again after ${again.pauseMs} ms` : "on to another endpoint";
  const failed = call.trace.facts.endpoint ?? "no endpoint";
  call.trace.decide("retry", `${failed} failed (${code}), ${where}: try ${n + 1} of ${options.attempts}`);
  env.emit({ type: "retry", model, version, code, result: "sent" });
}
