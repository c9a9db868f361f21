// The order of the layers that a request meets, and why each stands where it stands.

import { abortReason } from "../core/call.ts";
import type { Env } from "../core/env.ts";
import { asInferError } from "../core/error.ts";
import { whenEnded } from "../core/request.ts";
import { type Layer, type Service, stack } from "../core/service.ts";

export interface GatewayStack {
  readonly env: Env;
  /** Whether a model of this name is served: only such names become labels. */
  knows(model: string): boolean;
  /** The policies at the top of the config by their words. */
  readonly layers: ReadonlyMap<string, Layer>;
  /** Finds the model and passes the request to its own stack. */
  readonly byModel: Service;
}

/** The words of the policies that may stand at the top of the config, outermost first. */
const ABOVE_MODELS = ["limit"] as const;

/** What every request meets, whatever its model. */
export function gatewayStack(parts: GatewayStack): Service {
  // outermost, so that a request refused by any layer below, or for a model that is not there, is counted too
  return stack([observe(parts)], aboveModels(parts));
}

/** The policies above the look-up, because callers have one share of all models: all that a question about the way meets there. */
export function aboveModels({ layers, byModel }: Pick<GatewayStack, "layers" | "byModel">): Service {
  return stack(
    ABOVE_MODELS.flatMap((word) => layers.get(word) ?? []),
    byModel,
  );
}

/**
 * The words of a model's policies, outermost first: what a request meets once its model is known. The words apply in
 * this order, whatever the order in which the config has them.
 */
export const ABOVE_ROUTE = [
  // above everything that may queue, so that waiting counts; below the look-up, because the limit is the model's
  "timeout",
  // the rates of `limit`: above the route and the cache, because cached answers count too; below the deadline, because a store
  // that replicas share may be asked
  "limit",
] as const;

/**
 * The words of the policies that stand at a version's leaf, outermost first, below the route and above the balancer: each
 * version has its own.
 */
export const AT_LEAF = [
  // above all that costs: a hit needs no permit and no batch; below the route, so that a canary never serves stable's entry
  "cache",
  // above all that may queue, so that one that would be late waits for nothing; below the cache, which answers in time
  "deadline",
  // the concurrency of `limit`, one for all versions of the model: a hit takes no place, and a batch waits in its own, so that
  // what a batcher holds counts; above all that makes several calls of one request
  "limit",
  // merges requests into one call: above retry and breaker, so that one failed upstream call counts once, not once a member.
  // It knows whose slots are free and how fast each endpoint is, so it names the endpoint of a batch (call.attempt.prefer);
  // the balancer gives it to that one where it may, and chooses itself for a retry, which avoids the endpoint that failed
  "batch",
  // a second copy of a call that is late, beside the first
  "hedge",
  // another endpoint after a fault: right above the balancer, which leaves out those that were tried
  "retry",
] as const;

/**
 * The words of the policies that stand before an endpoint, outermost first, below the balancer: one for all models that
 * share its words.
 */
export const AT_ENDPOINT = [
  // below retry and balance, so that each call that is sent counts, and none that was chosen elsewhere; above the slots, so
  // that a call which it refuses takes none
  "breaker",
  // below the breaker: it compares what endpoints did, and a refusal is nothing that they did
  "ejection",
] as const;

export interface ModelStack {
  /** The model's layers by their word. */
  readonly layers: ReadonlyMap<string, Layer>;
  /** The model's route down to its versions' leaves. */
  readonly route: Service;
}

/** What a request meets once its model is known. */
export function modelStack(parts: ModelStack): Service {
  const layers = ABOVE_ROUTE.flatMap((word) => parts.layers.get(word) ?? []);
  return stack(layers, parts.route);
}

/** Says how each request ended, with labels from the config only. */
function observe(parts: Pick<GatewayStack, "env" | "knows">): Layer {
  const { env, knows } = parts;
  return (next) => async (request, call) => {
    const done = (error: unknown) => {
      const fault = error === undefined ? undefined : asInferError(error);
      env.emit({
        type: "request-done",
        model: knows(request.model.name) ? request.model.name : undefined,
        version: call.trace.facts.version,
        backend: call.trace.facts.backend,
        protocol: call.protocol,
        code: fault?.code ?? "ok",
        origin: fault?.origin,
        tookMs: env.clock.now() - call.startedAt,
      });
    };
    try {
      const reply = await next(request, call);
      if (reply.kind === "whole") {
        done(undefined);
        return reply;
      }
      // a reader who stops has a reason: its caller has left, or the front has no room for the stream
      const ended = (error: unknown) => done(error ?? (call.signal.aborted ? abortReason(call.signal) : undefined));
      return { kind: "stream", parts: whenEnded(reply.parts, ended) };
    } catch (error) {
      done(error);
      throw error;
    }
  };
}
