// The kind `litserve`: LitServe's API paths as models, over JSON objects of named values.

import { z } from "zod";
import type { Call } from "../core/call.ts";
import { InferError } from "../core/error.ts";
import type { ModelStatus } from "../core/model.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import type { Connection, Door, HttpAsk, HttpClient } from "./connection.ts";
import { externalKind } from "./external.ts";
import { answeredBy, checkTask, readAnswer, readSliced } from "./http/answers.ts";
import { knownAnswer, parseDocument, readBody, wholeOf, wholeReply } from "./http/bodies.ts";
import { writeInputs } from "./http/columns.ts";
import { type FaultTable, statusFault, USUAL_FAULTS } from "./http/faults.ts";
import { type PartsWord, streamOf } from "./http/lines.ts";
import { ONLY_VERSION } from "./http/models.ts";

const words = {
  apiKey: z.string().min(1).optional().describe("Sent as X-API-Key, which then also its health and info ask for."),
} as const;

const modelWords = {
  parts: z
    .enum(["lines", "chunks"])
    .default("lines")
    .describe("How the parts of a streamed answer are told apart: a JSON value a line, or pieces as they come."),
} as const;

/**
 * What LitServe's statuses mean. 500 is its answer to a caller's mistake (malformed input, a missing name) as well as to a
 * handler's own fault, and one bad request fails its whole batch: nobody can tell, and the same may happen elsewhere. 504
 * is the wait in its queue only, so the request has not run. Source: LitServe 0.2.19, run.
 */
export const LITSERVE_FAULTS: FaultTable = {
  404: { code: "not-found" },
  409: { code: "invalid-argument" },
  415: { code: "unsupported" },
  500: {
    code: "bad-backend",
    retryable: "no",
    message:
      "the backend answered with status 500, which may lie in the data: LitServe does not tell a bad request apart",
  },
  504: {
    code: "overloaded",
    origin: "backend",
    retryable: "elsewhere",
    message: "the request timed out in the backend's queue",
  },
};

/** How one LitServe server is spoken to. */
export const litserveServer = { kind: "litserve", words, modelWords, connect };

/** LitServe's servers: `kind: litserve`. */
export const litserve = externalKind(litserveServer);

interface Words {
  readonly apiKey?: string | undefined;
  readonly models: Readonly<Record<string, { readonly parts: PartsWord }>>;
}

interface Server {
  readonly words: Words;
  readonly door: Door;
  readonly client: HttpClient;
  /** The API paths, without their slash, and whether each streams; as the last look at /info told. */
  paths: ReadonlyMap<string, boolean> | undefined;
}

function connect(given: Words, door: Door): Connection {
  const server: Server = { words: given, door, client: door.http(), paths: undefined };
  return {
    infer: (request, call) => infer(server, request, call),
    health: (signal) => health(server, signal),
    models: (wanted, signal) => models(server, wanted, signal),
    metadata: (model) =>
      Promise.reject(new InferError("unsupported", `model "${model.name}": LitServe cannot tell its signature`)),
    close: () => server.client.close(),
  };
}

function headersOf({ words: { apiKey }, door }: Server, call?: Call): Readonly<Record<string, string>> {
  return apiKey === undefined ? door.headers(call) : { ...door.headers(call), "x-api-key": apiKey };
}

async function health(server: Server, signal: AbortSignal): Promise<string> {
  const ask = { method: "GET", headers: headersOf(server), idempotent: true } as const;
  const answer = await server.client.ask({ ...ask, path: "/health" }, { signal });
  if (answer.status === 401) throw statusFault(answer, []);
  if (answer.status !== 200) {
    throw new InferError("unavailable", `expected status 200 from /health, got ${answer.status}`);
  }
  const info = await server.client.ask({ ...ask, path: "/info" }, { signal });
  server.paths = info.status === 200 ? pathsIn(info.body) : undefined;
  return `litserve ${[...(server.paths ?? [])].map(([path, streams]) => (streams ? `${path}*` : path)).join(" ")}`;
}

const infoShape = z.object({ server: z.object({ stream: z.record(z.string(), z.boolean()) }) });

// {"model": null, "server": {"stream": {"/predict": false, ...}, ...}}; an older server, or one with its info moved, says nothing
function pathsIn(body: Uint8Array): ReadonlyMap<string, boolean> | undefined {
  const read = infoShape.safeParse(parseDocument(body));
  if (!read.success) return undefined;
  return new Map(Object.entries(read.data.server.stream).map(([path, streams]) => [path.replace(/^\//, ""), streams]));
}

async function models(server: Server, wanted: readonly string[], signal: AbortSignal): Promise<readonly ModelStatus[]> {
  if (server.paths === undefined) await health(server, signal);
  const { paths } = server;
  const names = paths === undefined ? wanted : [...paths.keys()];
  return names.map((name) => ({ name, version: ONLY_VERSION, state: "ready" }));
}

async function infer(server: Server, request: InferRequest, call: Call): Promise<Reply> {
  checkTask(request);
  const { door, client } = server;
  const { parts, headers } = await writeInputs(request, {
    door,
    signal: call.signal,
    form: "named",
    isBody: () => true,
  });
  const ask: HttpAsk = {
    method: "POST",
    path: `/${request.model.name.split("/").map(encodeURIComponent).join("/")}`,
    headers: { ...headersOf(server, call), ...headers },
    body: parts,
  };
  if (server.paths?.get(request.model.name) === true) return inferStream(server, request, { ask, call });
  const answer = await client.ask(ask, call);
  if (answer.status !== 200) throw statusFault(answer, [LITSERVE_FAULTS, USUAL_FAULTS]);
  return wholeReply(request, await readBody(answer, request, { door, signal: call.signal }));
}

async function inferStream(
  { door, client, words: { models: told } }: Server,
  request: InferRequest,
  { ask, call }: { readonly ask: HttpAsk; readonly call: Call },
): Promise<Reply> {
  const answer = await client.stream(ask, call);
  if (answer.status !== 200) throw statusFault(await wholeOf(answer), [LITSERVE_FAULTS, USUAL_FAULTS]);
  const { signal } = call;
  const known = await knownAnswer(request, { door, signal });
  return streamOf(answer.parts, {
    model: answeredBy(request),
    by: told[request.model.name]?.parts ?? "lines",
    // it says none. Source: LitServe 0.2.19, run
    contentType: answer.headers.get("content-type") ?? "text/plain",
    read: (line) => readSliced(door, readAnswer(line, known), { bytes: line.byteLength, signal }),
  });
}
