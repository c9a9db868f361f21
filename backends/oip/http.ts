// One server of the Open Inference Protocol, Triton among them, spoken to over HTTP.

import { abortReason, type Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, Reply } from "../../core/request.ts";
import { elementCount, NO_PARAMETERS } from "../../core/tensor.ts";
import { type Ask, encodeRequest } from "../../wire/oip-binary.ts";
import { decodeHealth, decodeServerMetadata } from "../../wire/oip-metadata.ts";
import type { EncodedBody } from "../../wire/oip-write.ts";
import type { Sliced } from "../../wire/sliced.ts";
import type { Connection, Door, HttpAnswer } from "../connection.ts";
import { checkDatatypes, checkTexts } from "./borne.ts";
import { readInferAnswer } from "./http-answer.ts";
import { openOipHttpControl } from "./http-control.ts";
import { oipHttpFault } from "./http-faults.ts";
import { bodyOf, isRefused, type OipHttpLink, openLink } from "./http-link.ts";
import { readMetadata, readModels } from "./http-models.ts";
import { modelPath } from "./paths.ts";
import { OIP_QUIRKS, type OipDialect, plainQuirks } from "./quirks.ts";

/** Bytes of a body that is written at once. */
const SMALL_BYTES = 32 * 1024;

/**
 * Opens the connection.
 *
 * @param dialect the server's own ways; `auto` learns them from its name and its extensions at the first look at its
 * health, and takes it for one without any until then
 */
export function openOipHttp(door: Door, dialect: OipDialect | "auto"): Connection {
  const link = openLink(door, dialect);
  const control = openOipHttpControl(link);
  return {
    infer: (request, call) => infer(link, { request, call }),
    health: (signal) => askHealth(link, signal),
    models: (wanted, signal) => readModels(link, wanted, signal),
    metadata: (model, signal) => readMetadata(link, model, signal),
    get control() {
      return control();
    },
    get naming() {
      return link.quirks.naming;
    },
    close: () => link.client.close(),
  };
}

async function askHealth(link: OipHttpLink, signal: AbortSignal): Promise<string> {
  const ready = await askReady(link, signal);
  const { quirks } = link;
  if (ready.status === 401 || ready.status === 403) throw oipHttpFault(ready);
  if (ready.status !== 200) {
    throw new InferError("unavailable", `expected status 200 of ${quirks.ready}, got ${ready.status}`);
  }
  if (!quirks.describes) return "torchserve";
  if (decodeHealth(ready.body) === false) throw new InferError("unavailable", "the server says that it is not ready");
  const { name, version, extensions } = decodeServerMetadata(bodyOf(await link.get("/v2", { signal })));
  if (link.dialect === "auto") {
    const known = dialectOf(name);
    link.quirks = known === "plain" ? plainQuirks(extensions) : OIP_QUIRKS[known];
  }
  return `${name || "server"} ${version}`.trim();
}

// TorchServe has none of the protocol's paths but that of inference: a server that lacks the usual one is asked for its own.
async function askReady(link: OipHttpLink, signal: AbortSignal): Promise<HttpAnswer> {
  const answer = await link.get(link.quirks.ready, { signal });
  if (link.dialect !== "auto" || !isRefused(answer)) return answer;
  link.quirks = OIP_QUIRKS[link.quirks.describes ? "torchserve" : "plain"];
  return link.get(link.quirks.ready, { signal });
}

function dialectOf(name: string): OipDialect {
  const said = name.toLowerCase();
  return NAMES.find(([word]) => said.includes(word))?.[1] ?? "plain";
}

/** Words in the names that servers give themselves. */
const NAMES: readonly (readonly [string, OipDialect])[] = [
  ["triton", "triton"],
  ["mlserver", "mlserver"],
  ["kserve", "kserve"],
  ["openvino", "ovms"],
];

interface Asked {
  readonly request: InferRequest;
  readonly call: Call;
}

async function infer(link: OipHttpLink, asked: Asked): Promise<Reply> {
  const { request, call } = asked;
  if (call.signal.aborted) throw abortReason(call.signal);
  if (request.task !== "infer") {
    throw new InferError("unsupported", `the Open Inference Protocol has no ${request.task}`);
  }
  const path = `${modelPath(link, request.model)}/infer`;
  const id = link.ids.next();
  const { body, headers } = await encode(link, { ...asked, id });
  const answer = await link.client.ask(
    // a sequence's request that was sent twice would be counted twice
    { method: "POST", path, headers, body, idempotent: call.sequence === undefined },
    call,
  );
  if (answer.status !== 200) throw oipHttpFault(answer);
  return readInferAnswer(link, request, { answer, id, signal: call.signal });
}

async function encode(link: OipHttpLink, { request, call, id }: Asked & { readonly id: string }) {
  const { quirks, door } = link;
  const isEmpty = request.inputs.some(({ shape }) => elementCount(shape) === 0);
  const ask: Ask = {
    id,
    isBinary: () => quirks.binary,
    // what has no elements goes in mostly comes out as that
    form: { binaryByDefault: quirks.binary && !(quirks.refusesEmptyBlobs && isEmpty), binary: new Map() },
    hints: hintsOf(link, call),
    json: quirks.json,
  };
  const bytes = request.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
  const small = bytes <= SMALL_BYTES;
  checkDatatypes(request.inputs, quirks.lacks);
  const work = quirks.textsOnly ? writeTexts(request, ask) : encodeRequest(request, ask);
  const encoded = await door.run(work, { small, signal: call.signal });
  const form = quirks.binary && request.inputs.length > 0 ? binaryHeaders(encoded) : JSON_HEADERS;
  return { body: encoded.parts, headers: { ...door.headers(call), ...form } };
}

function* writeTexts(request: InferRequest, ask: Ask): Sliced<EncodedBody> {
  yield* checkTexts(request.inputs);
  return yield* encodeRequest(request, ask);
}

const JSON_HEADERS = { "content-type": "application/json" };

// Where no blob has any bytes the length is that of all: it says that sizes in the JSON are to be believed. KServe takes
// no other type than this with that header.
function binaryHeaders({ parts, headerLength }: EncodedBody): Readonly<Record<string, string>> {
  const length = headerLength ?? parts.reduce((sum, part) => sum + part.byteLength, 0);
  return { "content-type": "application/octet-stream", "inference-header-content-length": `${length}` };
}

// The caller's id stays here: it is ours to echo, and need not be the only one of its kind.
function hintsOf({ quirks, door }: OipHttpLink, call: Call): Omit<NonNullable<Ask["hints"]>, "id"> {
  const leftMs = call.deadline - door.env.clock.now();
  const scheduled = quirks.schedules;
  return {
    sluice: NO_PARAMETERS,
    ...(call.sequence === undefined ? {} : { sequence: call.sequence }),
    ...(scheduled && Number.isFinite(leftMs) ? { timeoutMs: Math.max(0, leftMs) } : {}),
    ...(scheduled && call.priority > 0 ? { priority: call.priority } : {}),
  };
}
