// The OpenAPI document of the REST protocols, made of the tables that serve them: their routes, and what their errors look like.

import { type Code, InferError } from "../../../core/error.ts";
import type { Protocol, Route, WireReply } from "../../../core/protocol.ts";

/** A text for an error of each code, for the examples; total, so that a new code is in the document too. */
const EXAMPLES: Record<Code, string> = {
  "invalid-argument": 'input "x": expected FP32, got INT64',
  unauthenticated: "expected credentials, got none",
  "permission-denied": "this caller may not do that",
  "not-found": 'model "m" is not known',
  unsupported: "this protocol cannot carry FP16",
  "too-large": "body: expected at most 67108864 bytes",
  "quota-exceeded": 'model "m" allows 200/s for each tenant',
  overloaded: "the queue is full",
  unavailable: 'model "m" is not ready',
  "deadline-exceeded": "no answer within the deadline of 30000 ms",
  cancelled: "the caller left before the answer",
  "bad-backend": "the model failed",
  internal: "internal error",
};

/** A value of the document. */
type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };

/** The document, in OpenAPI 3.1. */
export function documentOf(protocols: readonly Protocol[], server: { readonly version: string }): Json {
  const rest = protocols.filter(({ listener }) => listener === "http");
  const paths: Record<string, Record<string, Json>> = {};
  for (const protocol of rest) {
    const errors = errorsOf(protocol);
    for (const route of protocol.routes) {
      if (route.path.includes("*")) continue;
      const path = templateOf(route.path);
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(protocol, route, errors) };
    }
  }
  return {
    openapi: "3.1.0",
    info: { title: "Sluice", version: server.version, description: "An inference gateway: any protocol, any server." },
    tags: rest.map(({ name }) => ({ name })),
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** `/v1/models/:model:predict` as `/v1/models/{model}:predict`: a name begins a segment, a verb ends one. */
export function templateOf(path: string): string {
  return path
    .split("/")
    .map((segment) => segment.replace(/^:(\w+)/, "{$1}"))
    .join("/");
}

function operationOf({ name }: Protocol, { method, path, summary }: Route, errors: Json): Json {
  const template = templateOf(path);
  const parameters = [...template.matchAll(/\{(\w+)\}/g)].map(([, parameter = ""]) => ({
    name: parameter,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const hasBody = method === "POST" || method === "PUT" || method === "PATCH";
  return {
    operationId: `${name}-${method.toLowerCase()}${template.replace(/[^\w]+/g, "-")}`,
    tags: [name],
    ...(summary === undefined ? {} : { summary }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(hasBody ? { requestBody: { content: { "*/*": {} } } } : {}),
    responses: { "200": { description: "the answer" }, ...(errors as Readonly<Record<string, Json>>) },
  };
}

/** An answer for each status of the protocol's errors, written by the protocol itself. */
function errorsOf({ fail }: Protocol): Json {
  const byStatus: Record<string, { readonly codes: string[]; readonly reply: WireReply }> = {};
  for (const [code, text] of Object.entries(EXAMPLES) as [Code, string][]) {
    // the client has gone: nobody sees its answer
    if (code === "cancelled") continue;
    const reply = fail(new InferError(code, text));
    const known = byStatus[reply.status];
    if (known === undefined) byStatus[reply.status] = { codes: [code], reply };
    else known.codes.push(code);
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, { codes, reply }]) => [
      status,
      { description: codes.join(", "), headers: ORIGIN, content: contentOf(reply) },
    ]),
  );
}

const ORIGIN: Json = {
  "sluice-error-origin": {
    description: "whose fault it is",
    schema: { type: "string", enum: ["client", "gateway", "backend"] },
  },
};

function contentOf({ headers, body }: WireReply): Json {
  const type = headers["content-type"];
  if (type === undefined || !(body instanceof Uint8Array)) return {};
  const text = Buffer.from(body).toString("utf8");
  return { [type]: { example: type.includes("json") ? (JSON.parse(text) as Json) : text } };
}
