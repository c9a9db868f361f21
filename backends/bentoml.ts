// The kind `bentoml`: the APIs of a BentoML service as models, found with their signatures in its schema.

import { createHash } from "node:crypto";
import { z } from "zod";
import type { BackendModel } from "../core/backend.ts";
import type { Call } from "../core/call.ts";
import { InferError } from "../core/error.ts";
import type { ModelMetadata, ModelStatus } from "../core/model.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import { completeSignature } from "../core/signature.ts";
import { mediaType } from "../wire/opaque.ts";
import { type Api, readSchema, type ServiceSchema } from "./bentoml/schema.ts";
import type { Connection, Door, HttpAnswer, HttpAsk, HttpClient } from "./connection.ts";
import type { SharedModelWords } from "./external/words.ts";
import { externalKind } from "./external.ts";
import { answeredBy, checkTask, isJson, type KnownAnswer, readAnswer, readSliced } from "./http/answers.ts";
import { isText, knownAnswer, readBody, wholeOf, wholeReply } from "./http/bodies.ts";
import { writeInputs } from "./http/columns.ts";
import { type FaultTable, statusFault, USUAL_FAULTS } from "./http/faults.ts";
import { type PartsWord, streamOf } from "./http/lines.ts";
import { ONLY_VERSION } from "./http/models.ts";

const modelWords = {
  parts: z
    .enum(["lines", "chunks"])
    .default("chunks")
    .describe("How the parts of a streamed answer are told apart: pieces as they come, or a JSON value a line."),
} as const;

/**
 * What BentoML's statuses mean. Its 500 is the API's own exception, with a generic text, and also what null or text for an
 * array becomes: the same request fails elsewhere. Its 503 is an adaptive batch or a service that is overloaded.
 * Source: BentoML 1.4.39, run.
 */
export const BENTOML_FAULTS: FaultTable = {
  404: { code: "not-found" },
  415: { code: "unsupported" },
  500: { code: "bad-backend", retryable: "no" },
  503: { code: "overloaded", origin: "backend", retryable: "elsewhere" },
  504: { code: "deadline-exceeded", origin: "backend" },
};

/** How one BentoML service is spoken to. */
export const bentomlServer = { kind: "bentoml", words: {}, modelWords, connect };

/** BentoML's services: `kind: bentoml`. */
export const bentoml = externalKind(bentomlServer);

interface Words {
  readonly models: Readonly<Record<string, { readonly parts: PartsWord } & Pick<SharedModelWords, "signature">>>;
}

interface Server {
  readonly words: Words;
  readonly door: Door;
  readonly client: HttpClient;
  /** As the last look at the schema told. */
  schema: ServiceSchema | undefined;
}

function connect(given: Words, door: Door): Connection {
  const server: Server = { words: given, door, client: door.http(), schema: undefined };
  return {
    infer: (request, call) => infer(server, request, call),
    health: (signal) => health(server, signal),
    models: (wanted, signal) => models(server, wanted, signal),
    metadata: (model, signal) => metadata(server, model, signal),
    close: () => server.client.close(),
  };
}

async function health(server: Server, signal: AbortSignal): Promise<string> {
  const ready = await get(server, "/readyz", signal);
  if (ready.status !== 200) {
    throw new InferError("unavailable", `expected status 200 from /readyz, got ${ready.status}`);
  }
  const digest = await readApis(server, signal);
  return `bentoml ${server.schema?.name ?? ""} ${digest}`;
}

function get({ client, door }: Server, path: string, signal: AbortSignal): Promise<HttpAnswer> {
  return client.ask({ method: "GET", path, headers: door.headers(undefined), idempotent: true }, { signal });
}

// Reads the schema anew and gives its digest, so that a new deployment at the same address is noticed.
async function readApis(server: Server, signal: AbortSignal): Promise<string> {
  const answer = await get(server, "/schema.json", signal);
  server.schema = answer.status === 200 ? readSchema(answer.body) : undefined;
  return createHash("sha256").update(answer.body).digest("hex").slice(0, 12);
}

async function apisOf(server: Server, signal: AbortSignal): Promise<ReadonlyMap<string, Api> | undefined> {
  if (server.schema === undefined) await readApis(server, signal);
  return server.schema?.apis;
}

async function models(server: Server, wanted: readonly string[], signal: AbortSignal): Promise<readonly ModelStatus[]> {
  const apis = await apisOf(server, signal);
  const names = apis === undefined ? wanted : [...apis.keys()];
  return names.map((name) => ({ name, version: ONLY_VERSION, state: "ready" }));
}

async function metadata(server: Server, model: BackendModel, signal: AbortSignal): Promise<ModelMetadata> {
  const apis = await apisOf(server, signal);
  const api = apis?.get(model.name);
  if (apis !== undefined && api === undefined) {
    throw new InferError("not-found", `expected one of the service's APIs, got "${model.name}"`);
  }
  if (api?.signature === undefined) {
    throw new InferError("unsupported", `model "${model.name}": its API does not declare every datatype and shape`);
  }
  return {
    ...api.signature,
    name: model.name,
    version: ONLY_VERSION,
    versions: [ONLY_VERSION],
    platform: "bentoml",
    stateful: false,
    ...(api.isStream ? { decoupled: true } : {}),
  };
}

async function infer(server: Server, request: InferRequest, call: Call): Promise<Reply> {
  checkTask(request);
  const { door, client } = server;
  const { signal } = call;
  const api = server.schema?.apis.get(request.model.name);
  const isBare = api?.isBare === true;
  const { parts, headers } = await writeInputs(request, {
    door,
    signal,
    form: isBare ? "bare" : "named",
    // a file is a form's part, save where the API takes it as its only, nameless value
    isBody: (contentType) => isBare || isJson(contentType),
  });
  const ask: HttpAsk = {
    method: "POST",
    path: api?.route ?? `/${encodeURIComponent(request.model.name)}`,
    headers: { ...door.headers(call), ...headers },
    body: parts,
  };
  if (api?.isStream === true) return inferStream(server, request, { ask, call });
  const answer = await client.ask(ask, call);
  if (answer.status !== 200) throw statusFault(answer, [BENTOML_FAULTS, USUAL_FAULTS]);
  const known = api?.outputs === undefined ? {} : { known: { outputs: api.outputs } };
  return wholeReply(request, await readBody(answer, request, { door, signal, ...known }));
}

async function inferStream(
  { door, client, words: { models: told } }: Server,
  request: InferRequest,
  { ask, call }: { readonly ask: HttpAsk; readonly call: Call },
): Promise<Reply> {
  const answer = await client.stream(ask, call);
  if (answer.status !== 200) throw statusFault(await wholeOf(answer), [BENTOML_FAULTS, USUAL_FAULTS]);
  const { signal } = call;
  const by = told[request.model.name]?.parts ?? "chunks";
  const type = mediaType(answer.headers.get("content-type"));
  return streamOf(answer.parts, {
    model: answeredBy(request),
    by,
    // it says text/event-stream of plain pieces too. Source: BentoML 1.4.39, run
    contentType: type === "" || type === "text/event-stream" ? "text/plain" : type,
    read: async (line) => {
      const declared = told[request.model.name]?.signature;
      const known =
        declared === undefined ? beyondText(await knownAnswer(request, { door, signal })) : completeSignature(declared);
      return readSliced(door, readAnswer(line, known), { bytes: line.byteLength, signal });
    },
  });
}

// Of a stream of texts the schema tells no more than that: what the texts hold is another matter.
function beyondText(known: KnownAnswer): KnownAnswer {
  return isText(known) ? {} : known;
}
