// One request alone on its way: what a batch of one comes to, without what several would need.

import { type Call, unlessAborted } from "../../core/call.ts";
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
  readonly metadata: ModelMetadata;
}

/** Sends it on its caller's own call. `ran` hears of the answer, as soon as it is there. @throws as the backend does */
export type SendAlone = (lone: Lone, ran: (ran: Ran) => void) => Promise<Reply>;

export function openSendAlone(options: Pick<SenderOptions, "env" | "model" | "version" | "next">): SendAlone {
  const { env, model, version, next } = options;
  return async ({ request, call, rows, reason, metadata }, ran) => {
    const { trace } = call;
    const startedAt = env.clock.now();
    // what it waited above is not a wait at the endpoint
    const above = trace.facts.queuedMs ?? 0;
    if (above > 0) trace.learn({ queuedMs: 0 });
    try {
      const reply = await unlessAborted(next(request, call), call.signal);
      if (reply.kind === "whole") {
        const queuedMs = trace.facts.queuedMs ?? 0;
        const tookMs = Math.max(0, env.clock.now() - startedAt - queuedMs);
        ran({ rows, tookMs, queuedMs, endpoint: trace.facts.endpoint });
        checkReply(reply, { rows, request, signature: metadata });
      }
      return reply;
    } finally {
      const queuedMs = trace.facts.queuedMs ?? 0;
      if (above > 0) trace.learn({ queuedMs: queuedMs + above });
      trace.decide("batch", rows === 1 && reason === "slot-free" ? ALONE : saidOf({ rows, others: 0, reason }, 0));
      const ranMs = Math.max(0, env.clock.now() - startedAt - queuedMs);
      const backend = trace.facts.backend ?? "";
      env.emit({ type: "batch-sent", model, version, backend, rows, requests: 1, waitedMs: 0, ranMs, reason });
    }
  };
}

const ALONE = saidOf({ rows: 1, others: 0, reason: "slot-free" }, 0);
