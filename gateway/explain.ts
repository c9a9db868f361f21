// Which way a request would take: its own way, walked down to the endpoint without sending, taking or counting anything.

import type { Endpoint } from "../core/backend.ts";
import type { Call } from "../core/call.ts";
import { asInferError, type InferError } from "../core/error.ts";
import { describeGuard, type NamedGuard } from "../core/guard.ts";
import type { ExplainedTarget, Explanation } from "../core/protocol.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import type { Service } from "../core/service.ts";
import { type Decision, openTrace } from "../core/trace.ts";
import type { LogicalModel } from "./model.ts";
import type { Target } from "./versions.ts";

/** Who is asked. */
export interface Explained {
  readonly model: LogicalModel;
  /** All that a request meets on its way to its model and below, but what counts it. */
  readonly questions: Service;
}

/**
 * Asks the policies themselves, on a call that reads and moves nothing: no turn is taken, nothing is counted or sent.
 *
 * @throws InferError not-found for an unknown version or label; what a router refuses
 */
export async function explain(
  { model, questions }: Explained,
  request: InferRequest,
  call: Call,
): Promise<Explanation> {
  const trace = openTrace();
  const applies: Decision[] = [];
  const foretell = (policy: string, said: string) => void applies.push({ policy, said });
  const refused = await walk({ model, questions }, request, { ...call, purpose: "explain", trace, foretell });
  const { version, endpoint } = trace.facts;
  const targets = version === undefined ? [] : model.versions.targets(version);
  const guards = targets.flatMap((target) => endpointsOf(target).flatMap((one) => model.guards.tell(target, one)));
  return {
    model: model.name,
    decisions: trace.decisions,
    applies: [...applies, ...describeGuards(guards)],
    refused: refused && { code: refused.code, message: refused.message },
    version,
    endpoint: refused === undefined ? endpoint : undefined,
    targets: targets.map((target) => explainTarget(target, model)),
  };
}

/** Walks the way to its end, and answers what the request would be refused with. @throws InferError where there is no way */
async function walk(
  { model, questions }: Explained,
  request: InferRequest,
  call: Call,
): Promise<InferError | undefined> {
  const refused = await faultOf(questions(request, call));
  // the rates stand above the route: where the next request goes is worth knowing all the same
  const above = refused?.code === "quota-exceeded";
  const below = above ? await faultOf(model.route.service(request, call)) : refused;
  if (below !== undefined && call.trace.facts.version === undefined) throw below;
  return refused;
}

async function faultOf(reply: Promise<Reply>): Promise<InferError | undefined> {
  try {
    await reply;
    return undefined;
  } catch (error) {
    return asInferError(error);
  }
}

/** Endpoints that are told one by one. */
const MOST_TOLD = 8;

/** Of each policy those that do not simply let calls pass; one line where all do. */
function describeGuards(guards: readonly NamedGuard[]): readonly Decision[] {
  return [...new Set(guards.map(({ policy }) => policy))].flatMap((policy): readonly Decision[] => {
    const all = guards.filter((one) => one.policy === policy);
    const told = all.filter(({ state, forced }) => forced || (state !== "closed" && state !== "in-use"));
    if (told.length === 0) return [{ policy, said: `${all[0]?.state} at ${count(all.length)}` }];
    const more = told.length > MOST_TOLD ? [{ policy, said: `and ${told.length - MOST_TOLD} more` }] : [];
    const lines = told.slice(0, MOST_TOLD).map((one) => `${one.endpoint} is ${describeGuard(one)}`);
    return [...lines.map((said) => ({ policy, said })), ...more];
  });
}

function count(endpoints: number): string {
  return endpoints === 1 ? "the endpoint" : `all ${endpoints} endpoints`;
}

function endpointsOf({ at, tags }: Target): readonly Endpoint[] {
  return at.endpoints.list().filter((one) => tags.every((tag) => one.tags.includes(tag)));
}

function explainTarget(target: Target, { guards }: LogicalModel): ExplainedTarget {
  const { at, model, version } = target;
  const there = { name: model, ...(version === undefined ? {} : { version }) };
  const available = (one: Endpoint) => one.available() && guards.of(target, one)?.available() !== false;
  return {
    backend: at.name,
    model,
    ...(version === undefined ? {} : { version }),
    endpoints: endpointsOf(target).map((one) => ({
      id: one.id,
      available: available(one),
      serves: one.serves(there),
      ...(Number.isFinite(one.slots.free) ? { free: one.slots.free } : {}),
      busy: one.slots.busy,
    })),
  };
}
