// ejection: an endpoint that is much worse than its peers gets no work for a while; statistics only, runs of failures are the breaker's.

import type { Endpoint } from "../core/backend.ts";
import type { Call } from "../core/call.ts";
import type { Guard, GuardContext, GuardStatus, OpenGuard } from "../core/guard.ts";
import { type Outcome, outcomeOf } from "../core/outcome.ts";
import type { EndpointKind } from "../core/policy.ts";
import { type InferRequest, type Reply, whenEnded } from "../core/request.ts";
import type { Service } from "../core/service.ts";
import { formatDuration } from "../core/units.ts";
import { type Fault, LEAST_PEERS, outliers } from "./ejection/outliers.ts";
import { openTally, type Tally } from "./ejection/tally.ts";
import { type EjectionOptions, ejectionWords } from "./ejection/words.ts";

export const ejection: EndpointKind<EjectionOptions | false> = {
  place: "endpoint",
  word: "ejection",
  underBackend: true,
  options: ejectionWords,
  build: (options, context) => (options === false ? undefined : openEjection(options, context)),
};

interface Member {
  readonly endpoint: Endpoint;
  readonly tally: Tally;
  out: { readonly fault: Fault; readonly until: number; readonly stopTimer: () => void } | undefined;
  /** How often it has been ejected, less the comparisons that it has passed since. */
  times: number;
}

/** Compares the endpoints of one pool, when a call ends and it is time. */
export function openEjection(options: EjectionOptions, context: GuardContext): OpenGuard {
  const { env, pool, room, backend, model } = context;
  const members = new Map<string, Member>();
  const paceOf = openPaces();
  let comparedAt = env.clock.now();

  const tell = ({ endpoint }: Member, state: "ejected" | "returned" | "gone", cause?: Fault) =>
    env.emit({ type: "ejection-state", backend, endpoint: endpoint.id, model, state, cause });
  const where = ({ endpoint }: Member) => ({
    backend,
    endpoint: endpoint.id,
    ...(model === undefined ? {} : { model }),
  });
  const bringBack = (member: Member) => {
    if (member.out === undefined) return;
    member.out.stopTimer();
    member.out = undefined;
    member.tally.take();
    tell(member, "returned");
    env.log.info(where(member), "the endpoint is back from its ejection");
  };
  const eject = (member: Member, fault: Fault) => {
    if (!room(member.endpoint)) {
      env.log.warn(where(member), `the endpoint is not ejected, half of the pool is out already (${REASONS[fault]})`);
      return;
    }
    member.times += 1;
    const ms = Math.min(options.ejectMaxMs, options.ejectForMs * member.times);
    const stopTimer = env.clock.after(ms, () => bringBack(member));
    member.out = { fault, until: env.clock.now() + ms, stopTimer };
    tell(member, "ejected", fault);
    env.log.warn(where(member), `the endpoint is ejected for ${formatDuration(ms)} (${REASONS[fault]})`);
  };
  const compare = () => {
    const now = env.clock.now();
    const sinceMs = now - comparedAt;
    if (sinceMs < options.everyMs) return;
    comparedAt = now;
    const here = pool.list().flatMap(({ id }) => members.get(id) ?? []);
    const sampled = here.flatMap((member) => {
      const sample = member.tally.take();
      return sample === undefined || sample.calls < options.minimumCalls ? [] : [{ member, sample }];
    });
    // counts of a time in which hardly anybody called are too old to judge by
    if (sinceMs >= 2 * options.everyMs || here.length < LEAST_PEERS) return;
    const faults = outliers(
      sampled.map(({ sample }) => sample),
      options.deviations,
    );
    for (const [i, { member }] of sampled.entries()) {
      if (faults[i] === undefined) member.times = Math.max(0, member.times - 1);
    }
    const worstFirst = sampled
      .flatMap(({ member, sample }, i) => (faults[i] === undefined ? [] : [{ member, sample, fault: faults[i] }]))
      .sort((a, b) => a.sample.success - b.sample.success || (b.sample.pace ?? 0) - (a.sample.pace ?? 0));
    for (const { member, fault } of worstFirst) eject(member, fault);
  };

  return (endpoint) => {
    const member: Member = { endpoint, tally: openTally(), out: undefined, times: 0 };
    members.set(endpoint.id, member);
    const settle = (outcome: Outcome, pace: number | undefined) => {
      if (outcome !== "ignored" && member.out === undefined) member.tally.add(outcome === "success", pace);
      compare();
    };
    const layer = counting(settle, paceOf);
    tell(member, "returned");
    const guard: Guard = {
      available: () => member.out === undefined,
      due: () => false,
      out: () => member.out !== undefined,
      barred: () => false,
      layer,
      anyway: layer,
      status: () => statusOf(member, env.clock.now()),
      byHand(action) {
        if (action !== "reset") return false;
        member.times = 0;
        bringBack(member);
        return true;
      },
      close(replaced) {
        member.out?.stopTimer();
        if (members.get(endpoint.id) === member) members.delete(endpoint.id);
        if (!replaced) tell(member, "gone");
      },
    };
    return guard;
  };
}

const REASONS: Readonly<Record<Fault, string>> = {
  success: "more failures than its peers",
  time: "slower than its peers",
};

function statusOf({ out }: Member, now: number): GuardStatus {
  if (out === undefined) return { state: "in-use", forced: false };
  return { state: "ejected", forced: false, reason: REASONS[out.fault], forMs: Math.max(0, out.until - now) };
}

type Settle = (outcome: Outcome, pace: number | undefined) => void;
type PaceOf = (request: InferRequest, tookMs: number) => number;

function counting(settle: Settle, paceOf: PaceOf): (next: Service) => Service {
  return (next) =>
    async (request, call: Call): Promise<Reply> => {
      const startedAt = call.clock.now();
      try {
        const reply = await next(request, call);
        const pace = paceOf(request, call.clock.now() - startedAt);
        if (reply.kind === "stream") {
          return { kind: "stream", parts: whenEnded(reply.parts, (error) => settle(outcomeOf(error), pace)) };
        }
        settle("success", pace);
        return reply;
      } catch (error) {
        settle(outcomeOf(error), undefined);
        throw error;
      }
    };
}

/** Weight of one answer in what is usual for its model. */
const ALPHA = 0.02;

/** How long an answer took beside what is usual for its model over the whole pool, both for one row. */
function openPaces(): PaceOf {
  // by the names of the models in the config
  const usual = new Map<string, number>();
  return ({ model, inputs }, tookMs) => {
    const perRowMs = tookMs / Math.max(1, inputs[0]?.shape[0] ?? 1);
    const known = usual.get(model.name) ?? perRowMs;
    usual.set(model.name, known + ALPHA * (perRowMs - known));
    return known > 0 ? perRowMs / known : 1;
  };
}
