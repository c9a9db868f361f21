// SageMaker's runtime API: InvokeEndpoint, signed, whole or as a response stream.

import type { Call } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse, Reply } from "../../core/request.ts";
import { decodeFrames } from "../../wire/event-stream.ts";
import { opaqueTensor, UNKNOWN_TYPE } from "../../wire/opaque.ts";
import { decodeEvent } from "../../wire/sagemaker.ts";
import type { Connection, Door, HttpAsk, HttpClient } from "../connection.ts";
import { answeredBy, BARE_OUTPUT, checkTask, SMALL_BYTES } from "../http/answers.ts";
import { wholeOf, wholeReply } from "../http/bodies.ts";
import { readyModels } from "../http/models.ts";
import { readBody, type TypedBody, writeBody } from "./bodies.ts";
import { runtimeFault, streamFault } from "./faults.ts";
import { type Credentials, hashParts, openSigner, type Signer } from "./sign.ts";
import { type ModelWords, type SageMakerWords, USUAL_MODEL } from "./words.ts";

interface Runtime {
  readonly words: SageMakerWords;
  readonly door: Door;
  readonly client: HttpClient;
  readonly sign: Signer;
}

/** The connection to the runtime API of one region. */
export function connectRuntime(words: SageMakerWords, door: Door): Connection {
  const client = door.http();
  const unsigned = signerOf(words, door);
  const sign: Signer = typeof unsigned === "function" ? unsigned : () => Promise.reject(unsigned);
  const runtime: Runtime = { words, door, client, sign };
  return {
    infer: (request, call) => infer(runtime, request, call),
    async health(signal) {
      if (typeof unsigned !== "function") throw unsigned;
      // the API has no question for its health: any answer says that it is there
      await client.ask({ method: "GET", path: "/ping", idempotent: true }, { signal });
      return "sagemaker runtime";
    },
    models: (wanted) => Promise.resolve(readyModels(words.models, wanted)),
    metadata: (model) =>
      Promise.reject(new InferError("unsupported", `model "${model.name}": SageMaker cannot tell its signature`)),
    close: () => client.close(),
  };
}

// Or why nothing can be signed.
function signerOf({ region, credentials }: SageMakerWords, { url, env }: Door): Signer | InferError {
  const { variables, clock } = env;
  const where = region ?? regionIn(url.hostname) ?? variables.AWS_REGION ?? variables.AWS_DEFAULT_REGION;
  if (where === undefined) {
    return new InferError(
      "bad-backend",
      "expected a region in the config, the endpoint's name or AWS_REGION, got none",
    );
  }
  const who = credentials ?? credentialsIn(variables);
  if (who === undefined) {
    return new InferError("bad-backend", "expected credentials in the config or AWS_ACCESS_KEY_ID, got none");
  }
  const { accessKeyId, secretAccessKey, sessionToken } = who;
  const identity = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return openSigner({ region: where, credentials: identity, wall: () => clock.wall() });
}

/** The region in `runtime.sagemaker.eu-central-1.amazonaws.com`, or in a VPC endpoint's name. */
function regionIn(host: string): string | undefined {
  return /(?:^|\.)sagemaker(?:-fips)?\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$/.exec(host)?.[1];
}

function credentialsIn(variables: Door["env"]["variables"]): Credentials | undefined {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: token,
  } = variables;
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(token === undefined || token === "" ? {} : { sessionToken: token }) };
}

async function infer(runtime: Runtime, request: InferRequest, call: Call): Promise<Reply> {
  checkTask(request);
  const { words, door, client } = runtime;
  const model = words.models[request.model.name] ?? USUAL_MODEL;
  const body = await writeBody(request, model.format, { door, signal: call.signal });
  const isStream = request.stream && model.stream;
  const ask = await signedAsk(runtime, { request, model, body, isStream, call });
  if (isStream) return inferStream(runtime, request, { ask, call });
  const answer = await client.ask(ask, call);
  if (answer.status !== 200) throw runtimeFault(answer);
  const variant = answer.headers.get("x-amzn-invoked-production-variant");
  if (variant !== undefined) call.trace.decide("sagemaker", `variant ${variant}`);
  return wholeReply(request, await readBody(answer, request, { door, signal: call.signal }));
}

interface Asking {
  readonly request: InferRequest;
  readonly model: ModelWords;
  readonly body: TypedBody;
  readonly isStream: boolean;
  readonly call: Call;
}

async function signedAsk({ door, sign }: Runtime, asking: Asking): Promise<HttpAsk> {
  const { request, model, body, isStream, call } = asking;
  const endpoint = encodeURIComponent(model.endpoint ?? request.model.name);
  const path = `/endpoints/${endpoint}/${isStream ? "invocations-response-stream" : "invocations"}`;
  const bytes = body.parts.reduce((sum, part) => sum + part.byteLength, 0);
  const bodySha256 = await door.run(hashParts(body.parts), { small: bytes <= SMALL_BYTES, signal: call.signal });
  const given = door.headers(call);
  const own = { "content-type": body.contentType, ...modelHeaders(model, isStream) };
  const headers = await sign({
    method: "POST",
    url: new URL(door.url.pathname.replace(/\/+$/, "") + path, door.url),
    // AWS wants every x-amz header signed; others may be changed on the way by proxies
    headers: { ...Object.fromEntries(Object.entries(given).filter(([name]) => name.startsWith("x-amz"))), ...own },
    bodySha256,
  });
  return { method: "POST", path, headers: { ...given, ...headers }, body: body.parts };
}

// Source: botocore, sagemaker-runtime/2017-05-13/service-2.json; on the stream path Accept has a name of its own.
function modelHeaders(model: ModelWords, isStream: boolean): Readonly<Record<string, string>> {
  const headers = {
    [isStream ? "x-amzn-sagemaker-accept" : "accept"]: model.accept,
    "x-amzn-sagemaker-target-model": model.targetModel,
    "x-amzn-sagemaker-target-variant": model.targetVariant,
    "x-amzn-sagemaker-target-container-hostname": model.targetContainer,
    "x-amzn-sagemaker-inference-component": model.component,
    "x-amzn-sagemaker-custom-attributes": model.customAttributes,
  };
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

async function inferStream(
  { client }: Runtime,
  request: InferRequest,
  { ask, call }: { readonly ask: HttpAsk; readonly call: Call },
): Promise<Reply> {
  const answer = await client.stream(ask, call);
  if (answer.status !== 200) throw runtimeFault(await wholeOf(answer));
  const contentType = answer.headers.get("x-amzn-sagemaker-content-type") ?? UNKNOWN_TYPE;
  return { kind: "stream", parts: readEvents(answer.parts, request, contentType) };
}

async function* readEvents(
  pieces: AsyncIterable<Uint8Array>,
  request: InferRequest,
  contentType: string,
): AsyncGenerator<InferResponse> {
  const model = answeredBy(request);
  for await (const frame of decodeFrames(pieces)) {
    const event = decodeEvent(frame);
    if (event.kind === "error") throw streamFault(event);
    yield {
      kind: "whole",
      model,
      outputs: [opaqueTensor(BARE_OUTPUT, event.bytes, { contentType })],
      parameters: new Map(),
    };
  }
}
