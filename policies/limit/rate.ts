// Above a model's route: callers that send more than their share are refused, cached answers included.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { PolicyContext } from "../../core/policy.ts";
import type { Layer } from "../../core/service.ts";
import { formatDuration } from "../../core/units.ts";
import { openBuckets } from "./buckets.ts";
import { callerOf, kindOf } from "./caller.ts";
import { openShared } from "./shared.ts";
import type { Rate } from "./words.ts";

/** Without a model the rates hold over all of them. */
export type RateContext = Omit<PolicyContext, "model"> & { readonly model?: string };

/** One rate and what it remembers of its callers. */
interface Counted {
  readonly rate: Rate;
  /** How long until another request of the caller's fits, in milliseconds; 0 when it fits now. */
  wait(caller: string): number;
  peek(caller: string): number;
  take(caller: string): number;
  /** The same over all replicas; 0 where nobody can tell. Absent without a store. */
  readonly takeShared?: (caller: string) => Promise<number>;
}

/**
 * Counts what users ask, and nothing else. A request that one of several rates refuses takes nothing of the others here.
 * With a store replicas count together what they have let through; without its answer each goes on with its own count.
 */
export function rateLayer(rates: readonly Rate[], context: RateContext): Layer {
  const { env, model, store } = context;
  const all = rates.map((rate) => openCounted(rate, context));
  const refuse = (call: Call, rate: Rate, waitMs: number): never => {
    const by = kindOf(rate.by);
    if (call.purpose === "user") env.emit({ type: "rate-limited", model, by });
    call.trace.decide("limit", `refused: ${rate.text} by ${by}`);
    const each = rate.by === "model" ? "" : ` for each ${by}`;
    const who = model === undefined ? "the gateway" : `model "${model}"`;
    const text = `${who} allows ${rate.text}${each}; the next request fits in ${formatDuration(Math.ceil(waitMs))}`;
    throw new InferError("quota-exceeded", text, { retryAfterMs: waitMs, unsent: true });
  };
  const takeHere = (call: Call) => {
    if (all.length > 1) {
      for (const { rate, wait } of all) {
        const waitMs = wait(callerOf(call, rate.by));
        if (waitMs > 0) refuse(call, rate, waitMs);
      }
    }
    for (const { rate, take } of all) {
      const waitMs = take(callerOf(call, rate.by));
      if (waitMs > 0) refuse(call, rate, waitMs);
    }
  };
  const takeShared = async (call: Call) => {
    const waits = await Promise.all(all.map(({ rate, takeShared: of }) => of?.(callerOf(call, rate.by)) ?? 0));
    for (const [i, { rate }] of all.entries()) {
      const waitMs = waits[i] ?? 0;
      if (waitMs > 0) refuse(call, rate, waitMs);
    }
  };
  const peek = (call: Call) => {
    for (const { rate, peek: of } of all) {
      const waitMs = of(callerOf(call, rate.by));
      if (waitMs > 0) refuse(call, rate, waitMs);
      call.foretell?.("limit", `${rate.text} by ${kindOf(rate.by)}, one more fits now`);
    }
  };
  return (next) => async (request, call) => {
    if (call.purpose === "explain") peek(call);
    if (call.purpose === "user") {
      takeHere(call);
      if (store?.available() === true) await takeShared(call);
    }
    return next(request, call);
  };
}

function openCounted(rate: Rate, { model, env, store }: RateContext): Counted {
  const buckets = openBuckets(rate);
  if (store === undefined) return { rate, wait: buckets.wait, peek: buckets.peek, take: buckets.take };
  const shared = openShared({ rate, model: model ?? "", clock: env.clock, store });
  return {
    rate,
    wait: (caller) => Math.max(shared.wait(caller), buckets.wait(caller)),
    peek: (caller) => Math.max(shared.wait(caller), buckets.peek(caller)),
    take: (caller) => shared.wait(caller) || buckets.take(caller),
    takeShared: shared.take,
  };
}
