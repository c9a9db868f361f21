// Which way a request would take: its own route, walked without sending anything.

import type { Call } from "../core/call.ts";
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
  return {
    model: model.name,
    decisions: trace.decisions,
    version,
    targets: version === undefined ? [] : model.versions.targets(version).map(explainTarget),
  };
}

function explainTarget({ at, model, version, tags }: Target): ExplainedTarget {
  const there = { name: model, ...(version === undefined ? {} : { version }) };
  const endpoints = at.endpoints.list().filter((one) => tags.every((tag) => one.tags.includes(tag)));
  return {
    backend: at.name,
    model,
    ...(version === undefined ? {} : { version }),
    endpoints: endpoints.map((one) => ({ id: one.id, available: one.available(), serves: one.serves(there) })),
  };
}
