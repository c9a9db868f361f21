// Predictions and explanations of TorchServe over HTTP, whole or as they come.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { opaqueTensor, UNKNOWN_TYPE } from "../../wire/opaque.ts";
import { BODY_NAME } from "../../wire/torchserve.ts";
import { decodeHealth, decodeVersion } from "../../wire/torchserve-documents.ts";
import type { HttpAnswer, HttpAsk, HttpClient, HttpStream } from "../connection.ts";
import { chooseOutputs } from "../http/answers.ts";
import { collect } from "../http-answer.ts";
import { httpFault } from "./faults.ts";
import { type Asked, type Plan, planOf, readBody, writeBody } from "./plan.ts";
import { bearer } from "./words.ts";

/** What a call over HTTP needs of its server. */
export interface HttpAsked extends Asked {
  readonly client: HttpClient;
  readonly maxAnswerBytes: number;
}

/** See `Connection.infer`. A request for a stream gets one where the handler streams. */
export async function inferHttp(asked: HttpAsked, request: InferRequest, call: Call): Promise<Reply> {
  const { words, door, client } = asked;
  const plan = await planOf(asked, request, call);
  const { parts, contentType } = await writeBody(asked, plan);
  const ask: HttpAsk = {
    method: "POST",
    path: pathOf(plan),
    // handlers look it up in this spelling
    headers: { ...bearer(words.token), ...door.headers(call), "Content-Type": contentType },
    body: parts,
  };
  if (!request.stream) return readWhole(asked, plan, await client.ask(ask, call));
  const stream = await client.stream(ask, call);
  if (stream.status === 200 && stream.headers.get(STREAMS) === "true") {
    return { kind: "stream", parts: readParts(plan, stream) };
  }
  return readWhole(asked, plan, await gather(stream, asked.maxAnswerBytes));
}

/** The header of an answer whose handler sends it piece by piece. */
const STREAMS = "ts_stream_next";

function pathOf({ request, version }: Plan): string {
  const verb = request.task === "explain" ? "explanations" : "predictions";
  const model = `/${verb}/${encodeURIComponent(request.model.name)}`;
  return version === undefined ? model : `${model}/${encodeURIComponent(version)}`;
}

async function readWhole(asked: HttpAsked, plan: Plan, answer: HttpAnswer): Promise<InferResponse> {
  if (answer.status !== 200) throw httpFault(answer);
  const { body, headers } = answer;
  const outputs = await readBody(asked, plan, { body, contentType: headers.get("content-type") });
  const chosen = plan.form === "opaque" ? outputs : chooseOutputs(plan.request, outputs);
  return { kind: "whole", model: plan.model, outputs: chosen, parameters: NO_PARAMETERS };
}

async function gather({ status, headers, parts }: HttpStream, maxBytes: number): Promise<HttpAnswer> {
  const collector = collect(undefined, maxBytes);
  for await (const part of parts) collector.add(part);
  return { status, headers, body: await collector.whole() };
}

// Pieces as they come off the wire: a handler's own pieces may be joined or split.
async function* readParts({ model, specs }: Plan, { headers, parts }: HttpStream): AsyncGenerator<InferResponse> {
  const name = specs?.[0]?.name ?? BODY_NAME;
  const contentType = headers.get("content-type") ?? UNKNOWN_TYPE;
  for await (const part of parts) {
    const outputs = [opaqueTensor(name, part, { contentType })];
    yield { kind: "whole", model, outputs, parameters: NO_PARAMETERS };
  }
}

/**
 * Asks `/ping`, and TorchServe's description of itself for its version whenever it was not healthy before.
 *
 * @throws InferError unavailable when it is not healthy
 */
export function openHealth(asked: HttpAsked): (signal: AbortSignal) => Promise<string> {
  let server: string | undefined;
  return async (signal) => {
    const known = server;
    server = undefined;
    const ping = await ask(asked, { method: "GET", path: "/ping" }, signal);
    const healthy = decodeHealth(ping.body);
    // a bad key is a 400
    if (healthy === undefined && ping.status !== 200) throw httpFault(ping);
    if (healthy === false) throw new InferError("unavailable", "the server says that it is not healthy");
    server = known ?? (await readVersion(asked, signal));
    return server;
  };
}

async function readVersion(asked: HttpAsked, signal: AbortSignal): Promise<string> {
  const { status, body } = await ask(asked, { method: "OPTIONS", path: "/" }, signal);
  const version = status === 200 ? decodeVersion(body) : undefined;
  return version === undefined ? "torchserve" : `torchserve ${version}`;
}

function ask({ client, words, door }: HttpAsked, what: Pick<HttpAsk, "method" | "path">, signal: AbortSignal) {
  const headers = { ...bearer(words.token), ...door.headers(undefined) };
  return client.ask({ ...what, headers, idempotent: true }, { signal });
}
