// The Open Inference Protocol (KServe v2) over HTTP, with the binary tensor extension.

import type { Call } from "../../core/call.ts";
import { asInferError, type Code, InferError } from "../../core/error.ts";
import type { Planes, Protocol, Route, WireReply, WireRequest } from "../../core/protocol.ts";
import type { ModelRef, Reply } from "../../core/request.ts";
import { type AnswerForm, decodeRequest, encodeResponse, parseHeaderLength } from "../../wire/oip-binary.ts";
import { encodeModelMetadata, encodeServerMetadata } from "../../wire/oip-metadata.ts";
import { decodeRawRequest } from "../../wire/oip-raw.ts";
import { findWritten, keepWritten } from "../../wire/oip-written.ts";
import { type Codec, type Decoded, exchange } from "./exchange.ts";
import { regionsOf } from "./triton/allowed.ts";
import { type Classes, classesOf } from "./triton/classify.ts";
import { extensionsOf } from "./triton/extensions.ts";
import { generateRoutes } from "./triton/generate.ts";
import { finishOutputs } from "./triton/outputs.ts";
import { tritonRoutes } from "./triton/rest.ts";

const NAME = "oip-rest";
/** Binary tensors' header: the length of the JSON before them, uncompressed. */
const HEADER_LENGTH = "inference-header-content-length";
/** A body up to this size is decoded at once; it takes well below a millisecond. */
const SMALL_BYTES = 32 * 1024;

const STATUS: Record<Code, number> = {
  "invalid-argument": 400,
  unauthenticated: 401,
  "permission-denied": 403,
  "not-found": 404,
  // not 501: what the caller asked for is the caller's to change
  unsupported: 400,
  "too-large": 413,
  "quota-exceeded": 429,
  overloaded: 503,
  unavailable: 503,
  "deadline-exceeded": 504,
  // nginx's word for a client that left; only the log sees it
  cancelled: 499,
  "bad-backend": 502,
  internal: 500,
};

const get = (path: string, handle: Route["handle"]): Route => ({ method: "GET", path, handle });
const post = (path: string, handle: Route["handle"]): Route => ({ method: "POST", path, handle });

/** A route with and without a version in its path. */
function versioned(make: (path: string, handle: Route["handle"]) => Route, tail: string, handle: Route["handle"]) {
  return [make(`/v2/models/:model${tail}`, handle), make(`/v2/models/:model/versions/:version${tail}`, handle)];
}

export const oipRest: Protocol = {
  name: NAME,
  listener: "http",
  prefixes: ["/v2"],
  fail,
  routes: [
    get("/v2", guarded(serverMetadata)),
    get("/v2/", guarded(serverMetadata)),
    get("/v2/health/live", guarded(live)),
    get("/v2/health/ready", guarded(ready)),
    get("/v2/models", guarded(listModels)),
    ...versioned(get, "", guarded(modelMetadata)),
    ...versioned(get, "/ready", guarded(modelReady)),
    ...versioned(post, "/infer", infer),
    ...generateRoutes({ protocol: NAME, fail }),
    ...tritonRoutes.map((route) => ({ ...route, handle: guarded(route.handle) })),
  ],
};

/** An error in the protocol's shape: `{"error": "..."}` and whose fault it is. */
function fail(error: unknown): WireReply {
  const fault = asInferError(error);
  const headers: Record<string, string> = {
    "content-type": "application/json",
    "sluice-error-origin": fault.origin,
  };
  if (fault.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(fault.retryAfterMs / 1000));
  return {
    status: STATUS[fault.code],
    headers,
    body: jsonBytes({ error: fault.message }),
    about: { code: fault.code, origin: fault.origin, error: fault.message },
  };
}

function guarded(handle: Route["handle"]): Route["handle"] {
  return async (wire, planes) => {
    try {
      return await handle(wire, planes);
    } catch (error) {
      return fail(error);
    }
  };
}

async function live(_wire: WireRequest, planes: Planes): Promise<WireReply> {
  const isLive = planes.data.live();
  return json(isLive ? 200 : 503, { live: isLive });
}

async function ready(_wire: WireRequest, planes: Planes): Promise<WireReply> {
  const isReady = planes.data.serverReady();
  return json(isReady ? 200 : 503, { ready: isReady });
}

async function serverMetadata(_wire: WireRequest, planes: Planes): Promise<WireReply> {
  return json(200, encodeServerMetadata(planes.data.serverMetadata(), extensionsOf(planes)));
}

/** Not in the standard, but what a person asks first. KServe answers here with the names alone. */
async function listModels(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const models = await Promise.all(
    planes.data.models().map(async (name) => ({
      name,
      ready: await planes.data.ready({ name, select: { by: "default" } }, wire.signal),
    })),
  );
  return json(200, { models });
}

async function modelMetadata(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return json(200, encodeModelMetadata(await planes.data.signature(modelOf(wire), wire.signal)));
}

async function modelReady(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const model = modelOf(wire);
  const isReady = await planes.data.ready(model, wire.signal);
  return json(isReady ? 200 : 503, { name: model.name, ready: isReady });
}

function infer(wire: WireRequest, planes: Planes): Promise<WireReply> {
  return exchange(wire, planes, { ...codecFor(modelOf(wire)), ...(isRaw(wire) ? {} : { decoding: DECODING }) });
}

/** What the decoder looks at beside the body. */
const DECODING = [HEADER_LENGTH];

/** A body that is the one input's bytes: there is nothing to decode, and what it means is the signature's to say. */
function isRaw({ headers }: WireRequest): boolean {
  const length = headers.get(HEADER_LENGTH);
  return length !== undefined && Number(length) === 0;
}

interface Form {
  readonly id: string | undefined;
  readonly answer: AnswerForm;
  readonly classes: Classes | undefined;
}

function codecFor(model: ModelRef): Codec<Form> {
  return {
    protocol: NAME,
    model,
    fail,
    decode: (wire, planes) => decode(model, wire, planes),
    encode,
  };
}

async function decode(model: ModelRef, wire: WireRequest, planes: Planes): Promise<Decoded<Form>> {
  const body = wire.body as Uint8Array;
  const { heads, operator } = planes;
  const { regions } = operator;
  const headerLength = parseHeaderLength(wire.headers.get(HEADER_LENGTH), body.byteLength);
  const asked =
    headerLength === "raw"
      ? decodeRawRequest(body, await planes.data.signature(model, wire.signal))
      : await planes.run(
          decodeRequest(body, {
            ...(headerLength === undefined ? {} : { headerLength }),
            limits: planes.limits,
            ...(regions === undefined ? {} : { shared: regions.reader() }),
            // what lies in shared memory may be another thing behind an equal head
            ...(heads === undefined || regions !== undefined ? {} : { heads }),
          }),
          // what lies in shared memory may be large behind any body
          { small: (headerLength ?? body.byteLength) <= SMALL_BYTES && regions === undefined, signal: wire.signal },
        );
  const { inputs, outputs, parameters, hints, form } = asked;
  if (form.regions !== undefined) regionsOf(planes);
  return {
    request: {
      model,
      task: "infer",
      inputs,
      parameters,
      stream: false,
      ...(outputs === undefined ? {} : { outputs }),
    },
    hints,
    form: {
      id: hints.id,
      answer: form,
      classes: await classesOf(outputs, () => planes.data.signature(model, wire.signal)),
    },
  };
}

async function encode(
  reply: Reply,
  form: Form,
  at: { readonly call: Call; readonly planes: Planes },
): Promise<WireReply> {
  if (reply.kind === "stream")
    throw new InferError(
      "unsupported",
      "this model answers in a stream, which infer cannot carry; generate_stream, or ModelStreamInfer over gRPC, can",
    );
  const { id, answer, classes } = form;
  const { reply: finished, regions } = await finishOutputs(reply, { classes, regions: answer.regions }, at);
  const written = { response: finished, form: regions === undefined ? answer : { ...answer, regions }, id };
  const { heads } = at.planes;
  let body = heads && findWritten(written, heads);
  if (body === undefined) {
    const { binary, binaryByDefault } = answer;
    // a blob goes as it lies; what is written as JSON takes its time
    const small = finished.outputs.every(
      ({ name, data }) => data.byteLength <= SMALL_BYTES || (binary.get(name) ?? binaryByDefault),
    );
    const { form: asked } = written;
    const encoding = encodeResponse(finished, { form: asked, ...(id === undefined ? {} : { id }) });
    body = await at.planes.run(encoding, { small, signal: at.call.signal });
    if (heads !== undefined) keepWritten(written, body, heads);
  }
  const { parts, headerLength } = body;
  const headers: Record<string, string> =
    headerLength === undefined
      ? { "content-type": "application/json" }
      : { "content-type": "application/octet-stream", [HEADER_LENGTH]: String(headerLength) };
  return { status: 200, headers, body: parts };
}

function modelOf(wire: WireRequest): ModelRef {
  const { model = "", version } = wire.params;
  if (version === undefined) return { name: model, select: { by: "default" } };
  return { name: model, select: { by: "version", version } };
}

function json(status: number, value: unknown): WireReply {
  return { status, headers: { "content-type": "application/json" }, body: jsonBytes(value) };
}

function jsonBytes(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}
