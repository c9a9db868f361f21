// The kind `http`: any service that takes a request over HTTP and answers, described by a template instead of code.

import type { Call } from "../core/call.ts";
import { InferError, invalid } from "../core/error.ts";
import type { InferRequest, Reply } from "../core/request.ts";
import type { Tensor } from "../core/tensor.ts";
import { readValue } from "../wire/json-rows.ts";
import { openJson } from "../wire/json-tree.ts";
import { contentTypeOf, opaqueTensor, UNKNOWN_TYPE } from "../wire/opaque.ts";
import type { Sliced } from "../wire/sliced.ts";
import type { Connection, Door, HttpAnswer, HttpAsk, HttpClient } from "./connection.ts";
import { externalKind } from "./external.ts";
import {
  answeredBy,
  checkTask,
  inputBytes,
  type KnownAnswer,
  MAX_NESTING,
  readSliced,
  SMALL_BYTES,
  specOf,
} from "./http/answers.ts";
import { knownAnswer, readBody, wholeOf, wholeReply } from "./http/bodies.ts";
import { type Expression, select } from "./http/expression.ts";
import { type FaultTable, statusFault, USUAL_FAULTS } from "./http/faults.ts";
import { type PartsWord, streamOf } from "./http/lines.ts";
import { type ModelsWord, readyModels } from "./http/models.ts";
import {
  ALL_COLUMNS,
  bytesOf,
  checkInputs,
  fillTemplate,
  inputNamed,
  type Template,
  versionOf,
} from "./http/template.ts";
import { serverWords, type TemplateWords, templateWords } from "./http/words.ts";

const words = { ...templateWords, ...serverWords };

/** How one service described by a template is spoken to. */
export const httpServer = { kind: "http", words, modelWords: templateWords, connect };

/** A service described by a template: `kind: http`. */
export const http = externalKind(httpServer);

interface Words extends TemplateWords {
  readonly models: ModelsWord<TemplateWords>;
  readonly ready?: { readonly path: string; readonly status: number } | undefined;
  readonly errors?: FaultTable | undefined;
}

/** What a call needs of its server. */
interface Server {
  readonly words: Words;
  readonly door: Door;
  readonly client: HttpClient;
  readonly faults: readonly FaultTable[];
}

function connect(given: Words, door: Door): Connection {
  const client = door.http();
  const server: Server = {
    words: given,
    door,
    client,
    faults: given.errors === undefined ? [USUAL_FAULTS] : [given.errors, USUAL_FAULTS],
  };
  return {
    infer: (request, call) => infer(server, request, call),
    health: (signal) => health(server, signal),
    models: (wanted) => Promise.resolve(readyModels(given.models, wanted)),
    metadata: (model) =>
      Promise.reject(
        new InferError("unsupported", `model "${model.name}": a plain HTTP service cannot tell its signature`),
      ),
    close: () => client.close(),
  };
}

async function health({ words: { ready }, client, door }: Server, signal: AbortSignal): Promise<string> {
  const answer = await client.ask(
    { method: "GET", path: ready?.path ?? "/", headers: door.headers(undefined), idempotent: true },
    { signal },
  );
  if (ready !== undefined && answer.status !== ready.status) {
    throw new InferError(
      "unavailable",
      `expected status ${ready.status} from its readiness path, got ${answer.status}`,
    );
  }
  return "http";
}

async function infer(server: Server, request: InferRequest, call: Call): Promise<Reply> {
  checkTask(request);
  const { door, client } = server;
  const template = templateOf(server.words, request.model.name);
  const body = await writeBody(template, request, { door, signal: call.signal });
  const ask: HttpAsk = {
    method: template.method ?? "POST",
    path: withQuery(pathOf(template.path ?? "/predict", request), body.query),
    headers: { ...door.headers(call), ...lowered(template.send), ...body.headers },
    ...(body.parts === undefined ? {} : { body: body.parts }),
  };
  const { parts: by } = template;
  if (by !== undefined) return inferStream({ server, template, by }, request, { ask, call });
  const answer = await client.ask(ask, call);
  if (!isGood(answer)) throw statusFault(answer, server.faults);
  const outputs = await readOutputs(template, request, { door, answer, signal: call.signal });
  return wholeReply(request, outputs);
}

function isGood({ status }: { readonly status: number }): boolean {
  return status >= 200 && status <= 299;
}

interface Streaming {
  readonly server: Server;
  readonly template: TemplateWords;
  readonly by: PartsWord;
}

/** A part is a piece of the body as it came, or what the template makes of a line. */
async function inferStream(
  { server, template, by }: Streaming,
  request: InferRequest,
  { ask, call }: { readonly ask: HttpAsk; readonly call: Call },
): Promise<Reply> {
  const { door, client, faults } = server;
  const answer = await client.stream(ask, call);
  if (!isGood(answer)) throw statusFault(await wholeOf(answer), faults);
  const { signal } = call;
  const raw = template.response?.raw;
  // lines of JSON have a type of their own, which is not JSON's
  const headers = raw === undefined ? new Map([["content-type", "application/json"]]) : answer.headers;
  return streamOf(answer.parts, {
    model: answeredBy(request),
    by,
    contentType: answer.headers.get("content-type") ?? UNKNOWN_TYPE,
    ...(raw === undefined ? {} : { name: raw }),
    read: (line) =>
      readOutputs(template, request, { door, answer: { status: answer.status, headers, body: line }, signal }),
  });
}

/** The model's own words over those of the backend. */
function templateOf({ models, ...common }: Words, model: string): TemplateWords {
  return { ...common, ...dropAbsent(models?.[model]) };
}

function dropAbsent(own: TemplateWords | undefined): TemplateWords {
  return own === undefined ? {} : Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
}

function pathOf(path: string, request: InferRequest): string {
  return path.replace(/\{(model|version)\}/g, (_, of: string) =>
    encodeURIComponent(of === "model" ? request.model.name : versionOf(request)),
  );
}

function withQuery(path: string, query: string | undefined): string {
  if (query === undefined) return path;
  return `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

function lowered(headers: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

interface Body {
  readonly parts?: readonly Uint8Array[];
  readonly query?: string;
  readonly headers: Readonly<Record<string, string>>;
}

type Doing = { readonly door: Door; readonly signal: AbortSignal };

async function writeBody(template: TemplateWords, request: InferRequest, doing: Doing): Promise<Body> {
  const { raw, form, json = ALL_COLUMNS } = template.request ?? {};
  if (raw !== undefined) {
    const tensor = inputNamed(request, raw);
    const type = contentTypeOf(tensor) ?? UNKNOWN_TYPE;
    return { parts: [bytesOf(tensor)], headers: { "content-type": type } };
  }
  const how = { small: inputBytes(request) <= SMALL_BYTES, signal: doing.signal };
  if (form !== undefined) {
    checkInputs(Object.values(form), request);
    const text = await doing.door.run(fillForm(form, request), how);
    if (template.method === "GET") return { query: text, headers: {} };
    return { parts: [Buffer.from(text)], headers: { "content-type": "application/x-www-form-urlencoded" } };
  }
  checkInputs([json], request);
  const parts = await doing.door.run(fillTemplate(json, request), how);
  return { parts, headers: { "content-type": "application/json", accept: "application/json" } };
}

// A field holds the text of a value: a string without its quotes, anything else as JSON.
function* fillForm(fields: Readonly<Record<string, Template>>, request: InferRequest): Sliced<string> {
  const form = new URLSearchParams();
  for (const [name, template] of Object.entries(fields)) {
    const json = Buffer.concat(yield* fillTemplate(template, request)).toString("utf8");
    form.set(name, json.startsWith('"') ? (JSON.parse(json) as string) : json);
  }
  return form.toString();
}

type Reading = Doing & { readonly answer: HttpAnswer };

async function readOutputs(
  template: TemplateWords,
  request: InferRequest,
  { door, answer, signal }: Reading,
): Promise<readonly Tensor[]> {
  const { raw, outputs } = template.response ?? {};
  if (raw !== undefined) {
    return [opaqueTensor(raw, answer.body, { contentType: answer.headers.get("content-type") ?? UNKNOWN_TYPE })];
  }
  if (outputs === undefined) return readBody(answer, request, { door, signal });
  const work = readPicked(answer.body, outputs, await knownAnswer(request, { door, signal }));
  return readSliced(door, work, { bytes: answer.body.byteLength, signal });
}

function* readPicked(
  body: Uint8Array,
  expressions: Readonly<Record<string, Expression>>,
  known: KnownAnswer,
): Sliced<readonly Tensor[]> {
  const checked = yield* openJson(body, { maxNesting: MAX_NESTING });
  const tensors: Tensor[] = [];
  for (const [name, expression] of Object.entries(expressions)) {
    const found = yield* select({ ...checked }, expression);
    if (found === undefined) throw invalid(`output "${name}": expected a value at ${expression.text}, got none`);
    tensors.push(yield* readValue(found, { spec: specOf(name, known), label: `output "${name}"`, depth: 0 }));
  }
  return tensors;
}
