// Which way a request would take: its own route, walked without sending anything.

import type { Endpoint } from "../core/backend.ts";
import type { Call } from "../core/call.ts";
import { describeGuard } from "../core/guard.ts";
import type { ExplainedTarget, Explanation } from "../core/protocol.ts";
import type { InferRequest } from "../core/request.ts";
import { openTrace } from "../core/trace.ts";
import type { LogicalModel } from "./model.ts";
import type { Target } from "./versions.ts";

/**
 * Asks the routers themselves, on a call that reads and moves nothing: no turn is taken, nothing is counted or sent.
 *
 * @throws InferError not-found for an unknown version or label; what a router refuses
 */
export async function explain(model: LogicalModel, request: InferRequest, call: Call): Promise<Explanation> {
  const trace = openTrace();
  await model.route.service(request, { ...call, purpose: "explain", trace });
  const { version } = trace.facts;
  const targets = version === undefined ? [] : model.versions.targets(version);
  for (const target of targets) {
    for (const guard of endpointsOf(target).flatMap((one) => model.guards.tell(target, one))) {
      trace.decide(guard.policy, `${guard.endpoint} is ${describeGuard(guard)}`);
    }
  }
  return {
    model: model.name,
    decisions: trace.decisions,
    version,
    targets: targets.map((target) => explainTarget(target, model)),
  };
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
    })),
  };
}
