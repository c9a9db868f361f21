// Triton's extensions over REST: repository, config, statistics, settings of log and trace, shared memory.

import { InferError, invalid } from "../../../core/error.ts";
import type { SettingValue } from "../../../core/operator.ts";
import type { Planes, Route, WireReply, WireRequest } from "../../../core/protocol.ts";
import { encodeIndex } from "../../../wire/oip-repository.ts";
import { checkChange, refuseCuda, regionsOf } from "./allowed.ts";
import { configOf, loadOptions } from "./repository.ts";
import { regionNamed } from "./shared-memory.ts";
import { statisticsJson } from "./statistics.ts";

type Answering = (wire: WireRequest, planes: Planes) => unknown;

/** Answers with nothing. */
const EMPTY = Symbol("empty");

const answering = (method: Route["method"], path: string, answer: Answering): Route => ({
  method,
  path,
  async handle(wire, planes): Promise<WireReply> {
    const value = await answer(wire, planes);
    if (value === EMPTY) return { status: 200, headers: {}, body: new Uint8Array(0) };
    return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(value)) };
  },
});

/** A route of one model, with and without a version in its path. */
const ofModel = (tail: string, answer: Answering) => [
  answering("GET", `/v2/models/:model${tail}`, answer),
  answering("GET", `/v2/models/:model/versions/:version${tail}`, answer),
];

/** The routes; whoever serves them turns what they throw into its own errors. */
export const tritonRoutes: readonly Route[] = [
  answering("GET", "/v2/models/stats", (_wire, { operator }) => statisticsJson(operator.statistics())),
  ...ofModel("/stats", ({ params }, { operator }) => statisticsJson(operator.statistics(params.model, params.version))),
  ...ofModel("/config", ({ params: { model = "", version }, signal }, planes) =>
    configOf(planes, { name: model, version, signal }),
  ),
  answering("POST", "/v2/repository/index", repositoryIndex),
  answering("POST", "/v2/repository/:repository/index", refuseRepository),
  answering("POST", "/v2/repository/models/:model/load", load),
  answering("POST", "/v2/repository/:repository/models/:model/load", refuseRepository),
  answering("POST", "/v2/repository/models/:model/unload", unload),
  answering("POST", "/v2/repository/:repository/models/:model/unload", refuseRepository),
  answering("GET", "/v2/logging", (_wire, { operator }) => Object.fromEntries(operator.log.get())),
  answering("POST", "/v2/logging", changeLog),
  answering("GET", "/v2/trace/setting", trace),
  answering("POST", "/v2/trace/setting", changeTrace),
  answering("GET", "/v2/models/:model/trace/setting", trace),
  answering("POST", "/v2/models/:model/trace/setting", changeTrace),
  ...regionRoutes("systemsharedmemory", { status: regions, register, unregister }),
  // there is no region of CUDA's to be told or forgotten; Triton's examples begin with this
  ...regionRoutes("cudasharedmemory", { status: () => [], register: refuseCuda, unregister: () => EMPTY }),
];

interface RegionAnswers {
  readonly status: Answering;
  readonly register: Answering;
  readonly unregister: Answering;
}

function regionRoutes(word: string, { status, register: add, unregister: drop }: RegionAnswers): readonly Route[] {
  return [
    answering("GET", `/v2/${word}/status`, status),
    answering("GET", `/v2/${word}/region/:region/status`, status),
    answering("POST", `/v2/${word}/region/:region/register`, add),
    answering("POST", `/v2/${word}/unregister`, drop),
    answering("POST", `/v2/${word}/region/:region/unregister`, drop),
  ];
}

async function repositoryIndex(wire: WireRequest, planes: Planes) {
  const { ready = false } = objectOf(wire);
  if (typeof ready !== "boolean") throw invalid("Invalid value for 'ready': expected a boolean");
  const models = (await planes.control.list?.(wire.signal)) ?? [];
  return encodeIndex(ready ? models.filter(({ state }) => state === "ready") : models);
}

function refuseRepository({ params }: WireRequest): never {
  throw new InferError("unsupported", `expected no name of a repository, got ${JSON.stringify(params.repository)}`);
}

async function load(wire: WireRequest, planes: Planes) {
  const { parameters = {} } = objectOf(wire);
  const options = loadOptions(Object.entries(asObject(parameters, '"parameters"')), fromBase64);
  await planes.control.load?.(wire.params.model ?? "", wire.signal, options);
  return EMPTY;
}

function fromBase64(value: unknown): Uint8Array | undefined {
  return typeof value === "string" ? Buffer.from(value, "base64") : undefined;
}

async function unload(wire: WireRequest, planes: Planes) {
  objectOf(wire);
  await planes.control.unload?.(wire.params.model ?? "", wire.signal);
  return EMPTY;
}

function changeLog(wire: WireRequest, planes: Planes) {
  checkChange(planes, "log settings");
  const changes = Object.entries(objectOf(wire)).map(([word, value]) => {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      return [word, value] as const;
    throw invalid(`setting "${word}": expected a text, a number or true or false`);
  });
  planes.operator.log.change(new Map<string, SettingValue>(changes));
  return Object.fromEntries(planes.operator.log.get());
}

async function trace(wire: WireRequest, planes: Planes) {
  const model = await knownModel(wire, planes);
  // one value stands as a text, several as a list: the levels are always a list
  const words = [...planes.operator.trace.get(model)].map(([word, values]) =>
    word === "trace_level" ? [word, values] : [word, values[0] ?? ""],
  );
  return Object.fromEntries(words);
}

async function changeTrace(wire: WireRequest, planes: Planes) {
  checkChange(planes, "trace settings");
  const model = await knownModel(wire, planes);
  const changes = Object.entries(objectOf(wire)).map(([word, value]) => [word, traceValues(word, value)] as const);
  planes.operator.trace.change(new Map(changes), model);
  return trace(wire, planes);
}

function traceValues(word: string, value: unknown): readonly string[] | undefined {
  if (value === null) return undefined;
  if (typeof value === "string") return [value];
  if (Array.isArray(value) && value.every((each): each is string => typeof each === "string")) return value;
  throw invalid(`trace setting "${word}": expected a text, a list of texts or null`);
}

/** The model in the path. @throws InferError not-found for one that is not there */
async function knownModel({ params: { model } }: WireRequest, planes: Planes): Promise<string | undefined> {
  if (model === undefined || planes.data.models().includes(model)) return model;
  throw new InferError("not-found", `model "${model}" is not known`);
}

function regions({ params }: WireRequest, planes: Planes) {
  return regionNamed(regionsOf(planes), params.region).map(({ name, key, offset, bytes }) => ({
    name,
    key,
    offset,
    byte_size: bytes,
  }));
}

function register(wire: WireRequest, planes: Planes) {
  const all = regionsOf(planes);
  const { key, offset = 0, byte_size: bytes } = objectOf(wire);
  if (typeof key !== "string") throw invalid('expected the name of a shared memory object as "key"');
  if (!isSize(offset) || !isSize(bytes))
    throw invalid('expected whole numbers of at least 0 as "offset" and "byte_size"');
  all.register({ name: wire.params.region ?? "", key, offset, bytes });
  return EMPTY;
}

function unregister(wire: WireRequest, { operator }: Planes) {
  operator.regions?.unregister(wire.params.region);
  return EMPTY;
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The small JSON body of a request; an empty one counts as `{}`. */
function objectOf(wire: WireRequest): Readonly<Record<string, unknown>> {
  const body = wire.body as Uint8Array;
  if (body.byteLength === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch {
    throw invalid("malformed JSON");
  }
  return asObject(value, "the body");
}

function asObject(value: unknown, of: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(`expected an object as ${of}`);
}
