// The operator's questions about routes: which way a request would take, and what the routers have found out.

import { openCall } from "../../core/call.ts";
import { asInferError, type Code, invalid } from "../../core/error.ts";
import {
  callInit,
  type Explanation,
  type Planes,
  type Protocol,
  type WireReply,
  type WireRequest,
} from "../../core/protocol.ts";
import type { InferRequest, Select } from "../../core/request.ts";
import { isDatatype, type Parameters, type Tensor } from "../../core/tensor.ts";
import { callerLimits } from "./exchange.ts";
import { json } from "./operator-answer.ts";
import { describeDecisions } from "./way.ts";

const STATUS: Record<Code, number> = {
  "invalid-argument": 400,
  unauthenticated: 401,
  "permission-denied": 403,
  "not-found": 404,
  unsupported: 400,
  "too-large": 413,
  "quota-exceeded": 429,
  overloaded: 503,
  unavailable: 503,
  "deadline-exceeded": 504,
  cancelled: 499,
  "bad-backend": 502,
  internal: 500,
};

/** On the admin listener, behind its token where it has one. */
export const explainProtocol: Protocol = {
  name: "explain",
  listener: "http",
  prefixes: ["/admin/explain", "/admin/reports"],
  fail,
  routes: [
    { method: "GET", path: "/admin/explain", handle: guarded(explain) },
    { method: "GET", path: "/admin/reports", handle: guarded(reports) },
  ],
};

function fail(error: unknown): WireReply {
  const { code, message } = asInferError(error);
  return json(STATUS[code], { error: message });
}

function guarded(handle: (wire: WireRequest, planes: Planes) => Promise<WireReply>) {
  return async (wire: WireRequest, planes: Planes): Promise<WireReply> => {
    try {
      return await handle(wire, planes);
    } catch (error) {
      return fail(error);
    }
  };
}

/** `?model=m&header=x-user-id=42`; every part of a request that a router may look at can be named. */
async function explain(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const asked = wire.query;
  const tenant = asked.get("tenant") ?? undefined;
  const { tenant: _, ...init } = callInit(wire, planes, asked.get("protocol") ?? "oip-rest");
  const headers = new Map(pairs(asked, "header").map(([name, value]) => [name.toLowerCase(), value]));
  const hints = { sluice: new Map(pairs(asked, "parameter")) };
  const call = openCall({
    ...init,
    ...callerLimits({ headers }, hints),
    headers,
    query: new URLSearchParams(pairs(asked, "query").map(([name, value]) => [name, value])),
    peer: asked.get("peer") ?? wire.peer,
    purpose: "explain",
    ...optionalTenant(tenant ?? planes.tenant(headers)),
  });
  try {
    return json(200, answerOf(await planes.data.explain(requestOf(asked), call)));
  } finally {
    call.end();
  }
}

function optionalTenant(tenant: string | undefined) {
  return tenant === undefined ? {} : { tenant };
}

function answerOf(explanation: Explanation): unknown {
  return { ...explanation, path: describeDecisions(explanation.decisions) };
}

async function reports(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return json(200, { reports: planes.data.reports(modelOf(wire.query)) });
}

function modelOf(asked: URLSearchParams): string {
  const model = asked.get("model");
  if (model === null || model === "") throw invalid("expected the name of a model as in ?model=digits, got nothing");
  return model;
}

function requestOf(asked: URLSearchParams): InferRequest {
  return {
    model: { name: modelOf(asked), select: selectOf(asked) },
    task: "infer",
    inputs: asked.getAll("input").map(inputOf),
    parameters: new Map(pairs(asked, "parameter")) satisfies Parameters,
    stream: false,
  };
}

function selectOf(asked: URLSearchParams): Select {
  const [version, label] = [asked.get("version"), asked.get("label")];
  if (version !== null && label !== null) throw invalid("expected a version or a label, got both");
  if (version !== null) return { by: "version", version };
  return label === null ? { by: "default" } : { by: "label", label };
}

/** Every `place=name=value`. */
function pairs(asked: URLSearchParams, place: string): readonly (readonly [string, string])[] {
  return asked.getAll(place).map((text) => {
    const at = text.indexOf("=");
    if (at <= 0) throw invalid(`${place}: expected name=value, got ${JSON.stringify(text)}`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
}

/** `x:FP32:[1,30]`: an input without its data, for rules that look at its datatype, shape or rows. */
function inputOf(text: string): Tensor {
  const [, name = "", datatype = "", sizes = ""] = /^(.+):([A-Z0-9]+):\[([\d,]*)\]$/.exec(text) ?? [];
  if (!isDatatype(datatype))
    throw invalid(`input: expected name:datatype:[shape] such as x:FP32:[1,30], got ${JSON.stringify(text)}`);
  const shape = sizes === "" ? [] : sizes.split(",").map(Number);
  return { name, datatype, shape, data: new Uint8Array(0) };
}
