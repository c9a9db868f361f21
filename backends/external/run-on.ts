// A call that cannot be aborted: its caller is freed when it leaves, and the call goes on to its end without it.

import { type Call, detach, type OwnedCall, unlessAborted } from "../../core/call.ts";
import type { InferError } from "../../core/error.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { whenOver } from "../../core/stream-end.ts";

/** How long a server may work for nobody, in milliseconds; a client's own limit for an answer is mostly nearer. */
const LONGEST_MS = 5 * 60_000;

/** Work that goes on when its caller has left. */
export interface Abandoned {
  /** Resolves when the server has answered, with what it threw or undefined. Never rejects. */
  readonly ended: Promise<unknown>;
  /** Lets the server go after all. */
  cancel(reason: InferError): void;
}

/**
 * The service as its callers see it. One who leaves before the answer has begun hears its own reason at once, and `left`
 * gets the work that goes on. A stream that has begun ends with its caller.
 */
export function runOn(service: Service, left: (work: Abandoned) => void): Service {
  return async (request, call) => {
    const own = detach(call, { timeoutMs: LONGEST_MS });
    const running = run(service, request, { call, own });
    try {
      return await unlessAborted(running, call.signal);
    } catch (error) {
      if (call.signal.aborted) left({ ended: running.then(() => undefined, same), cancel: own.cancel });
      throw error;
    }
  };
}

const same = (error: unknown) => error;

interface Calls {
  readonly call: Call;
  readonly own: OwnedCall;
}

async function run(service: Service, request: InferRequest, { call, own }: Calls): Promise<Reply> {
  try {
    const reply = await service(request, { ...own, trace: call.trace });
    if (reply.kind === "whole") {
      own.end();
      return reply;
    }
    const over = () => {
      if (call.signal.aborted) own.cancel(call.signal.reason);
      own.end();
    };
    return { kind: "stream", parts: whenOver(reply.parts, call.signal, over) };
  } catch (error) {
    own.end();
    throw error;
  }
}
