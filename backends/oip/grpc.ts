// One server of the Open Inference Protocol, Triton among them, spoken to over gRPC.

import type { Call } from "../../core/call.ts";
import { abortReason } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../wire/oip-json.ts";
import { decodeResponse, encodeRequest, type OipProtoResponse } from "../../wire/oip-proto.ts";
import { decodeAnswer, NOTHING, READY, SERVER_METADATA, TORCHSERVE_SERVICE } from "../../wire/oip-proto-service.ts";
import type { Connection, Door } from "../connection.ts";
import { checkDatatypes } from "./borne.ts";
import { openOipGrpcControl } from "./grpc-control.ts";
import { oipGrpcFault } from "./grpc-faults.ts";
import { type OipGrpcLink, versionThere } from "./grpc-link.ts";
import { readMetadata, readModels } from "./grpc-models.ts";
import { OIP_GRPC_QUIRKS, type OipGrpcDialect, oipGrpcDialectOf, plainGrpcQuirks } from "./grpc-quirks.ts";
import { openAnswers, readAnswers } from "./grpc-stream.ts";
import { openIds } from "./ids.ts";

/** Bytes of a message that is read or written at once. */
const SMALL_BYTES = 32 * 1024;

/**
 * Opens the connection.
 *
 * @param dialect the server's own ways; `auto` learns them from its name at the first look at its health, and takes it
 * for one without any until then
 */
export function openOipGrpc(door: Door, dialect: OipGrpcDialect | "auto"): Connection {
  const client = door.grpc({ faultOf: oipGrpcFault });
  const link: OipGrpcLink = {
    door,
    client,
    quirks: OIP_GRPC_QUIRKS[dialect === "auto" ? "plain" : dialect],
    unversioned: new Set(),
    ids: openIds(door.env),
    ask: (method, message, waiting) =>
      client.unary({ path: `/${link.quirks.service}/${method}`, headers: door.headers(undefined) }, message, waiting),
  };
  // models that answer on streams only, by name, as their refusals have taught
  const decoupled = new Set<string>();
  let server = "";
  const control = openOipGrpcControl(link);
  return {
    infer: (request, call) => infer(link, decoupled, { request, call }),
    async health(signal) {
      const said = await askHealth(link, dialect, signal);
      if (said !== server) decoupled.clear();
      server = said;
      return said;
    },
    models: (wanted, signal) => readModels(link, wanted, signal),
    metadata: (model, signal) => readMetadata(link, model, signal),
    get control() {
      return control();
    },
    get naming() {
      return link.quirks.naming;
    },
    close: () => client.close(),
  };
}

async function askHealth(link: OipGrpcLink, dialect: OipGrpcDialect | "auto", signal: AbortSignal): Promise<string> {
  if (!(await askReady(link, dialect, signal)))
    throw new InferError("unavailable", "the server says that it is not ready");
  const bytes = await link.ask("ServerMetadata", NOTHING.encode({}), { signal });
  const { name, version, extensions } = decodeAnswer(SERVER_METADATA, bytes);
  if (dialect === "auto" && link.quirks.service !== TORCHSERVE_SERVICE) {
    const known = oipGrpcDialectOf(name);
    link.quirks = known === "plain" ? plainGrpcQuirks(extensions) : OIP_GRPC_QUIRKS[known];
  }
  return `${name || "server"} ${version}`.trim();
}

// TorchServe has the same service under a name of its own: a server that lacks the usual one is asked for that.
async function askReady(link: OipGrpcLink, dialect: OipGrpcDialect | "auto", signal: AbortSignal): Promise<boolean> {
  const ask = async () => decodeAnswer(READY, await link.ask("ServerReady", NOTHING.encode({}), { signal })).ready;
  try {
    return await ask();
  } catch (error) {
    const isAbsent = error instanceof InferError && error.code === "unsupported";
    if (dialect !== "auto" || !isAbsent) throw error;
    const before = link.quirks;
    const isTorchServe = before.service === TORCHSERVE_SERVICE;
    link.quirks = OIP_GRPC_QUIRKS[isTorchServe ? "plain" : "torchserve"];
    return ask();
  }
}

interface Asked {
  readonly request: InferRequest;
  readonly call: Call;
}

async function infer(link: OipGrpcLink, decoupled: Set<string>, asked: Asked): Promise<Reply> {
  const { request, call } = asked;
  if (call.signal.aborted) throw abortReason(call.signal);
  if (link.quirks.stream === "none") return inferWhole(link, asked);
  if (request.stream || decoupled.has(request.model.name)) return inferStream(link, asked);
  return inferWholeOrStream(link, decoupled, asked);
}

// Triton says that a model is decoupled before it reads the request: nothing has run yet.
async function inferWholeOrStream(link: OipGrpcLink, decoupled: Set<string>, asked: Asked): Promise<Reply> {
  try {
    return await inferWhole(link, asked);
  } catch (error) {
    if (!isDecoupledRefusal(error)) throw error;
    decoupled.add(asked.request.model.name);
    return inferStream(link, asked);
  }
}

function isDecoupledRefusal(error: unknown): boolean {
  return (
    error instanceof InferError && error.code === "unsupported" && /decoupled transaction policy/.test(error.message)
  );
}

async function inferWhole(link: OipGrpcLink, asked: Asked): Promise<InferResponse> {
  const { client, door, quirks } = link;
  const { call } = asked;
  const id = link.ids.next();
  const message = await encode(link, asked, id);
  const path = `/${quirks.service}/ModelInfer`;
  const answer = await client.unary({ path, headers: door.headers(call) }, message, call);
  const small = answer.byteLength <= SMALL_BYTES;
  const response = await door.run(decodeResponse(answer, { limits }), { small, signal: call.signal });
  link.ids.check(id, response.id);
  if (response.outputs.length === 0) {
    throw new InferError("bad-backend", "the backend's answer has no outputs");
  }
  return responseOf(link, asked.request, { response, outputs: inOrder(asked.request, response.outputs) });
}

async function inferStream(link: OipGrpcLink, asked: Asked): Promise<Reply> {
  const { request, call } = asked;
  const id = link.ids.next();
  const message = await encode(link, asked, id);
  const answers = readAnswers(link, { path: `/${link.quirks.service}/ModelStreamInfer`, id, message, call });
  const toPart = (response: OipProtoResponse) =>
    responseOf(link, request, { response, outputs: asOrdered(request, response.outputs) });
  // the first answer is awaited: what fails before it fails the call, and may be tried elsewhere
  return openAnswers(answers, { toPart, orWhole: request.stream });
}

async function encode(link: OipGrpcLink, { request, call }: Asked, id: string): Promise<Uint8Array> {
  const { name, select } = request.model;
  if (request.task !== "infer") {
    throw new InferError("unsupported", `the Open Inference Protocol has no ${request.task} over gRPC`);
  }
  if (select.by === "label") {
    throw new InferError("unsupported", `model "${name}": the Open Inference Protocol has no labels of versions`);
  }
  checkDatatypes(request.inputs, link.quirks.lacks);
  const version = select.by === "version" ? versionThere(link, { name, version: select.version }) : undefined;
  const bytes = request.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
  const work = encodeRequest(request, {
    model: { name, ...(version === undefined ? {} : { version }) },
    id,
    hints: hintsOf(link, call),
    contents: link.quirks.contents,
  });
  return link.door.run(work, { small: bytes <= SMALL_BYTES, signal: call.signal });
}

function hintsOf({ quirks, door }: OipGrpcLink, call: Call) {
  const leftMs = call.deadline - door.env.clock.now();
  return {
    sluice: NO_PARAMETERS,
    ...(call.sequence === undefined ? {} : { sequence: call.sequence }),
    ...(quirks.schedules && Number.isFinite(leftMs) ? { timeoutMs: Math.max(0, leftMs) } : {}),
    ...(quirks.schedules && call.priority > 0 ? { priority: call.priority } : {}),
  };
}

/** The outputs in the order asked. @throws InferError bad-backend when one is missing */
function inOrder(request: InferRequest, outputs: readonly Tensor[]): readonly Tensor[] {
  const ordered = asOrdered(request, outputs);
  const missing = request.outputs?.find(({ name }) => !ordered.some((output) => output.name === name));
  if (missing === undefined) return ordered;
  throw new InferError("bad-backend", `the backend's answer lacks output "${missing.name}"`);
}

// Servers that ignore which outputs are asked for send all of them.
function asOrdered(request: InferRequest, outputs: readonly Tensor[]): readonly Tensor[] {
  if (request.outputs === undefined) return outputs;
  return request.outputs.flatMap(({ name }) => outputs.filter((output) => output.name === name));
}

function responseOf(
  link: OipGrpcLink,
  request: InferRequest,
  of: { readonly response: OipProtoResponse; readonly outputs: readonly Tensor[] },
): InferResponse {
  const { response, outputs } = of;
  const { name, select } = request.model;
  const version = response.modelVersion ?? (select.by === "version" ? select.version : "1");
  const { ownParameters } = link.quirks;
  return {
    kind: "whole",
    model: { name, version },
    outputs: ownParameters ? outputs.map(({ parameters: _, ...output }) => output) : outputs,
    parameters: ownParameters ? NO_PARAMETERS : response.parameters,
  };
}
