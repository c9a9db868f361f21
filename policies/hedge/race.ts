// Copies of one request beside each other: the first that answers wins, the others are cancelled.

import { type Call, fork, type OwnedCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { whenOver } from "../../core/stream-end.ts";

/** Sends the request once more; the attempt says where not to. */
export type Second = (avoid: readonly string[]) => void;

export interface RaceParts {
  readonly next: Service;
  readonly request: InferRequest;
  readonly call: Call;
  /** Called once, when the first copy is under way; it may send the second at any time until `over`. */
  begin(first: Call, second: Second): void;
  /** Called once, with who answered; undefined when nobody did. */
  over(winner: "first" | "second" | undefined): void;
}

type Which = "first" | "second";

/**
 * The answer of the copy that answers first. A fault counts only when no other copy is left, and then the first copy's;
 * what the call's trace tells is the way of the copy whose end this is.
 */
export function race({ next, request, call, begin, over }: RaceParts): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const running = new Map<Which, OwnedCall>();
    let fault: { readonly error: unknown; readonly of: Call } | undefined;
    let settled = false;

    const settle = (winner: Which | undefined, of: Call) => {
      settled = true;
      of.trace.repeatTo(call.trace);
      call.trace.learn(of.trace.facts);
      over(winner);
      const lost = new InferError("cancelled", "another copy of the request was answered first");
      for (const [which, other] of running) if (which !== winner) other.cancel(lost);
    };
    const answered = (which: Which, own: OwnedCall, reply: Reply) => {
      if (settled) {
        leave(reply, own);
        return;
      }
      settle(which, own);
      resolve(endingWith(reply, own));
    };
    const failed = (which: Which, own: OwnedCall, error: unknown) => {
      own.end();
      if (settled) return;
      if (which === "first" || fault === undefined) fault = { error, of: own };
      if (running.size > 0) return;
      settle(undefined, fault.of);
      reject(fault.error);
    };
    const send = (which: Which, avoid: readonly string[]) => {
      const own = fork(call);
      const attempt = { ...call.attempt, avoid };
      running.set(which, own);
      // the fork keeps its end; only what it says of the attempt is another
      next(request, { ...own, attempt })
        .then(
          (reply) => {
            running.delete(which);
            answered(which, own, reply);
          },
          (error: unknown) => {
            running.delete(which);
            failed(which, own, error);
          },
        )
        .catch(reject);
      return own;
    };

    const first = send("first", call.attempt.avoid);
    begin(first, (avoid) => {
      if (settled || running.has("second")) return;
      // the copy that loses may be under way when the other one is answered
      call.loan.keep();
      send("second", avoid);
    });
  });
}

/** The call of an answer ends with it. */
function endingWith(reply: Reply, own: OwnedCall): Reply {
  if (reply.kind === "whole") {
    own.end();
    return reply;
  }
  return { kind: "stream", parts: whenOver(reply.parts, own.signal, () => own.end()) };
}

/** An answer that came too late: nobody reads it. */
function leave(reply: Reply, own: OwnedCall): void {
  own.end();
  if (reply.kind === "stream") void reply.parts[Symbol.asyncIterator]().return?.();
}
