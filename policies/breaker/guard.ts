// The breaker before one endpoint: asks its machine whether a call may pass, and tells it what came of the call.

import type { Endpoint } from "../../core/backend.ts";
import { type Call, unlessAborted } from "../../core/call.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { describeGuard, type Guard, type GuardContext } from "../../core/guard.ts";
import { outcomeOf } from "../../core/outcome.ts";
import { type InferRequest, type Reply, whenEnded } from "../../core/request.ts";
import type { Service } from "../../core/service.ts";
import { type Cause, type Circuit, type CircuitParts, openMachine, type Pass, type Verdict } from "./machine.ts";
import type { BreakerOptions } from "./words.ts";

export interface BreakerParts {
  readonly options: BreakerOptions;
  readonly context: GuardContext;
  readonly endpoint: Pick<Endpoint, "id">;
  openCircuit(parts: CircuitParts): Circuit;
}

export function openBreaker({ options, context, endpoint, openCircuit }: BreakerParts): Guard {
  const { backend, model, env, room } = context;
  const { id } = endpoint;
  const where = { backend, endpoint: id, ...(model === undefined ? {} : { model }) };
  const machine = openMachine({
    options,
    env,
    room: () => room(endpoint),
    openCircuit,
    changed(cause: Cause | undefined) {
      const status = machine.status();
      env.emit({ type: "breaker-state", backend, endpoint: id, model, state: status.state, cause });
      const text = `the breaker is ${describeGuard(status)}`;
      if (status.state === "open") env.log.warn(where, text);
      else env.log.info(where, text);
    },
    held: (reason) => env.log.warn(where, `the breaker stays closed, half of the pool is out already (${reason})`),
  });
  env.emit({ type: "breaker-state", backend, endpoint: id, model, state: "closed", cause: undefined });
  const enter = (call: Call): Pass | undefined => {
    const pass = machine.enter();
    if (pass?.probe === true) call.trace.decide("breaker", `${id} is half-open, asked to see`);
    return pass;
  };

  return {
    available: machine.may,
    due: machine.due,
    out: machine.out,
    barred: machine.barred,
    layer: (next) => async (request, call) => {
      const pass = enter(call);
      if (pass !== undefined) return guarded({ pass, next }, request, call);
      const status = machine.status();
      call.trace.decide("breaker", `${id} is ${describeGuard(status)}, not asked`);
      throw new InferError("unavailable", `the circuit breaker of backend "${backend}" is ${status.state}`, {
        // it says nothing new of the endpoint: whoever counts faults has counted those that opened it
        origin: "gateway",
        retryable: "elsewhere",
        unsent: true,
        ...(status.forMs === undefined ? {} : { retryAfterMs: status.forMs }),
      });
    },
    anyway: (next) => async (request, call) => {
      const pass = enter(call);
      if (pass !== undefined) return guarded({ pass, next }, request, call);
      call.trace.decide("breaker", `${id} is ${describeGuard(machine.status())}, asked all the same`);
      return next(request, call);
    },
    status: machine.status,
    byHand(action) {
      machine.byHand(action);
      return true;
    },
    close(replaced) {
      machine.end();
      if (replaced) return;
      env.emit({ type: "breaker-state", backend, endpoint: id, model, state: "gone", cause: undefined });
    },
  };
}

interface Guarded {
  readonly pass: Pass;
  readonly next: Service;
}

async function guarded({ pass, next }: Guarded, request: InferRequest, call: Call): Promise<Reply> {
  try {
    const asked = next(request, call);
    // a probe that never settled would keep the breaker half-open for ever
    const reply = await (pass.probe ? unlessAborted(asked, call.signal) : asked);
    if (reply.kind === "stream" && !pass.probe) {
      return { kind: "stream", parts: whenEnded(reply.parts, (error) => pass.done(verdictOf(error))) };
    }
    // that a probe's stream has begun is enough: its reader may take for ever
    pass.done("success");
    return reply;
  } catch (error) {
    pass.done(verdictOf(error));
    throw error;
  }
}

function verdictOf(error: unknown): Verdict {
  const outcome = outcomeOf(error);
  return outcome === "failure" && asInferError(error).code === "overloaded" ? "refused" : outcome;
}
