// One request alone on its way: what a batch of one comes to, without what several would need.

import type { Call } from "../../core/call.ts";
import type { ModelMetadata } from "../../core/model.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Reason } from "./form.ts";
import { type Ran, type SenderOptions, saidOf } from "./send.ts";
import { checkReply } from "./split.ts";

/** A request that nobody waits beside. */
export interface Lone {
  readonly request: InferRequest;
  readonly call: Call;
  readonly rows: number;
  readonly reason: Reason;
  readonly signature: ModelMetadata;
  /** When it is sent, which is now. */
  readonly startedAt: number;
}

/** The slot that it takes. */
export interface Taken {
  /** Hears of the answer, as soon as it is there. */
  ran(ran: Ran): void;
  release(): void;
}

/** Sends it on its caller's own call, whose end the layers below see to as they do without batching. @throws as the backend does */
export type SendAlone = (lone: Lone, taken: Taken) => Promise<Reply>;

export function openSendAlone(options: Pick<SenderOptions, "env" | "model" | "version" | "next">): SendAlone {
  const { env, model, version, next } = options;
  return async (lone, taken) => {
    const { request, call, rows, reason, startedAt } = lone;
    const { trace } = call;
    // what it waited above is not a wait at the endpoint
    const above = trace.facts.queuedMs ?? 0;
    if (above > 0) trace.learn({ queuedMs: 0 });
    try {
      const reply = await next(request, call);
      if (reply.kind === "whole") {
        const queuedMs = trace.facts.queuedMs ?? 0;
        const tookMs = Math.max(0, env.clock.now() - startedAt - queuedMs);
        taken.ran({ rows, tookMs, queuedMs, endpoint: trace.facts.endpoint });
        checkReply(reply, lone);
      }
      return reply;
    } finally {
      taken.release();
      const { queuedMs = 0, backend = "" } = trace.facts;
      if (above > 0) trace.learn({ queuedMs: queuedMs + above });
      trace.decide("batch", rows === 1 && reason === "slot-free" ? ALONE : saidOf({ rows, others: 0, reason }, 0));
      const ranMs = Math.max(0, env.clock.now() - startedAt - queuedMs);
      env.emit({ type: "batch-sent", model, version, backend, rows, requests: 1, waitedMs: 0, ranMs, reason });
    }
  };
}

const ALONE = saidOf({ rows: 1, others: 0, reason: "slot-free" }, 0);
