// TorchServe's management of models, as far as the gateway can do it: list and describe; load and unload where a backend allows it.

import { abortReason } from "../../../core/call.ts";
import { asInferError, InferError, invalid } from "../../../core/error.ts";
import type { Planes, Route, WireReply, WireRequest } from "../../../core/protocol.ts";
import { failOf, json, notAllowed } from "./fail.ts";
import { modelOf } from "./predict.ts";

/** Models of one page unless the caller says otherwise. Source: TorchServe's management API. */
const PAGE = 100;

const UNMANAGED =
  "the number of workers and the default version are the backend's and the config's: expected min_worker=0, which unloads, or 1, which loads";

/** `GET /models`: a page of the names. */
export async function listModels(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const limit = wholeNumber(wire, "limit", PAGE);
  const from = wholeNumber(wire, "next_page_token", 0);
  const names = planes.data.models();
  const models = names.slice(from, from + limit).map((name) => ({ modelName: name, modelUrl: name }));
  const next = from + limit < names.length ? { nextPageToken: String(from + limit) } : {};
  return json(200, { ...next, models });
}

/** `GET /models/{model}[/{version}|/all]`: what is known of the default version, of one, or of all. */
export async function describeModel(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const { model = "", version } = wire.params;
  const known = planes.data.versions(model);
  if (version === "all") return json(200, known.map(describe));
  const usual = known.findLast(({ state }) => state === "ready") ?? known.at(-1);
  const one = version === undefined ? usual : known.find((status) => status.version === version);
  if (one === undefined) throw new InferError("not-found", `model "${model}" version ${version} is not known`);
  return json(200, [describe({ ...one, name: model })]);
}

function describe({
  name,
  version,
  state,
}: {
  readonly name: string;
  readonly version: string;
  readonly state: string;
}) {
  const status = { ready: "READY", loading: "LOADING", unloading: "UNLOADING" }[state];
  return {
    modelName: name,
    modelVersion: version,
    modelUrl: name,
    runtime: "sluice",
    minWorkers: 1,
    maxWorkers: 1,
    batchSize: 1,
    maxBatchDelay: 0,
    loadedAtStartup: true,
    // one stands for all that run it: how many there are is the backend's
    workers: status === undefined ? [] : [{ id: "sluice", status }],
  };
}

/** `POST /models?url=&model_name=`: loads a model that a backend's repository has under that name. */
export async function register(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const { load } = planes.control;
  const said = saidModel(wire);
  if (load === undefined) return notAllowed("models are registered by the config: no backend loads them here");
  if (said.url === undefined) throw invalid("Parameter url is required.");
  const stem =
    said.url
      .split("/")
      .at(-1)
      ?.replace(/\.(mar|tar\.gz|tgz|zip)$/, "") ?? "";
  const name = said.name ?? stem;
  try {
    await load(name, signalOf(wire));
  } catch (error) {
    if (asInferError(error).code !== "not-found") throw error;
    // the path names no model
    return failOf({ name, select: { by: "default" } }, planes)(error);
  }
  return json(200, { status: `Model "${name}" registered` });
}

/** TorchServe has it in the query, SageMaker's containers in a JSON body. */
function saidModel({ query, body, headers }: WireRequest): { readonly name?: string; readonly url?: string } {
  const fromQuery = textsOf({ name: query.get("model_name"), url: query.get("url") });
  const bytes = body as Uint8Array;
  if (bytes.byteLength === 0 || !(headers.get("content-type") ?? "").includes("json")) return fromQuery;
  const told = parse(bytes);
  return { ...fromQuery, ...textsOf({ name: told.model_name, url: told.url }) };
}

function textsOf(found: { readonly name: unknown; readonly url: unknown }) {
  return {
    ...(typeof found.name === "string" && found.name !== "" ? { name: found.name } : {}),
    ...(typeof found.url === "string" && found.url !== "" ? { url: found.url } : {}),
  };
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // said below
  }
  throw invalid('expected a JSON object such as {"model_name": "m", "url": "m"}');
}

/** `PUT /models/{model}?min_worker=`: 0 unloads, 1 loads; workers are not counted here. */
export async function scale(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const { model = "", version } = wire.params;
  const workers = wire.query.get("min_worker") ?? "1";
  const change = workers === "0" ? planes.control.unload : workers === "1" ? planes.control.load : undefined;
  known(wire, planes);
  if (change === undefined || version !== undefined) return notAllowed(UNMANAGED);
  await change(model, signalOf(wire));
  return json(200, {
    status: workers === "0" ? `Workers scaled to 0 for model: ${model}` : `Workers scaled to 1 for model: ${model}`,
  });
}

/** `PUT /models/{model}/{version}/set-default`: which version is the default is for the config to say. */
export async function setDefault(wire: WireRequest, planes: Planes): Promise<WireReply> {
  known(wire, planes);
  return notAllowed("the default version is the newest, or what the route in the config says");
}

/** `DELETE /models/{model}[/{version}]`: unloads the model. */
export async function unregister(wire: WireRequest, planes: Planes): Promise<WireReply> {
  const { model = "", version } = wire.params;
  known(wire, planes);
  const { unload } = planes.control;
  if (unload === undefined) return notAllowed("models are unregistered by the config: no backend unloads them here");
  const versions = planes.data.versions(model);
  if (version !== undefined && (versions.length > 1 || versions[0]?.version !== version)) {
    return notAllowed("a model is unloaded with all of its versions: leave the version out");
  }
  await unload(model, signalOf(wire));
  return json(200, { status: `Model "${model}" unregistered` });
}

/** An error about the path's model in TorchServe's words. */
export function managed(handle: Route["handle"]): Route["handle"] {
  return async (wire, planes) => {
    try {
      return await handle(wire, planes);
    } catch (error) {
      const fault = asInferError(error);
      // what TorchServe answers where its model API is not enabled
      if (fault.code === "permission-denied" || fault.code === "unsupported") return notAllowed(fault.message);
      return failOf(modelOf(wire), planes)(error);
    }
  };
}

function known({ params: { model = "", version } }: WireRequest, planes: Planes): void {
  const versions = planes.data.versions(model);
  if (version === undefined || versions.some((one) => one.version === version)) return;
  throw new InferError("not-found", `model "${model}" version ${version} is not known`);
}

function signalOf({ signal }: WireRequest): AbortSignal {
  if (signal.aborted) throw abortReason(signal);
  return signal;
}

function wholeNumber({ query }: WireRequest, name: string, usual: number): number {
  const text = query.get(name);
  if (text === null || text === "") return usual;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw invalid(`${name}: expected a whole number, got "${text}"`);
}
