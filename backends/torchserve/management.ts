// TorchServe's management port: which models and versions there are, whether their workers are ready, and scaling them.

import type { ControlPlane } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { ModelState } from "../../core/event.ts";
import { compareVersions, type ModelStatus } from "../../core/model.ts";
import {
  decodeDescriptions,
  decodeError,
  decodeModels,
  type ModelDescription,
} from "../../wire/torchserve-documents.ts";
import type { Door, HttpAnswer, HttpAsk, HttpClient } from "../connection.ts";
import { httpFault } from "./faults.ts";
import { bearer, type TorchServeWords } from "./words.ts";

/** The management port of one server. */
export interface Management {
  /** See `Connection.models`. */
  models(wanted: readonly string[], signal: AbortSignal): Promise<readonly ModelStatus[]>;
  /** The versions of a model, as they were when they were last asked for. */
  versions(model: string): readonly string[] | undefined;
  readonly control: ControlPlane;
  close(): Promise<void>;
}

/** Models of one page of the list, and pages at most. */
const PAGE = 100;
const MOST_PAGES = 100;
/** Models asked about at the same time. */
const AT_ONCE = 8;

/** The URL of the management port: a port stands for one on the endpoint's own host. */
export function managementUrl(word: number | string, endpoint: URL): URL {
  if (typeof word === "string") return new URL(word);
  const url = new URL("/", endpoint);
  url.port = String(word);
  return url;
}

export function openManagement(words: TorchServeWords, door: Door, url: URL): Management {
  const client = door.http({ url });
  const known = new Map<string, readonly string[]>();
  const asking: Asking = { client, headers: { ...bearer(words.managementToken), ...withoutKey(door) } };
  const models = async (wanted: readonly string[], signal: AbortSignal) => {
    const names = [...new Set([...(await readNames(asking, signal)), ...wanted])];
    const found: ModelStatus[] = [];
    for (let from = 0; from < names.length; from += AT_ONCE) {
      const some = names.slice(from, from + AT_ONCE);
      const described = await Promise.all(some.map((name) => readVersions(asking, name, signal)));
      some.forEach((name, i) => {
        const versions = described[i] ?? [];
        known.set(
          name,
          versions.map(({ version }) => version),
        );
        found.push(...versions.map((one) => statusOf(name, one)));
      });
    }
    for (const name of known.keys()) if (!names.includes(name)) known.delete(name);
    return found;
  };
  return {
    models,
    versions: (model) => known.get(model),
    close: () => client.close(),
    control: {
      list: (signal) => models([], signal),
      load: (model, signal) => load(asking, model, signal),
      unload: (model, signal) => scale(asking, { model, workers: 0 }, signal),
      async config({ name, version }, signal) {
        const path = `/models/${encodeURIComponent(name)}${version === undefined ? "" : `/${encodeURIComponent(version)}`}`;
        return JSON.parse(Buffer.from(bodyOf(await send(asking, { method: "GET", path }, signal))).toString("utf8"));
      },
    },
  };
}

interface Asking {
  readonly client: HttpClient;
  readonly headers: Readonly<Record<string, string>>;
}

// the key of predictions is not that of the management port
function withoutKey(door: Door): Readonly<Record<string, string>> {
  const { authorization: _, ...rest } = door.headers(undefined);
  return rest;
}

function send({ client, headers }: Asking, ask: HttpAsk, signal: AbortSignal): Promise<HttpAnswer> {
  return client.ask({ ...ask, headers, idempotent: ask.method === "GET" }, { signal });
}

function bodyOf(answer: HttpAnswer): Uint8Array {
  if (answer.status === 200) return answer.body;
  throw httpFault(answer);
}

async function readNames(asking: Asking, signal: AbortSignal): Promise<readonly string[]> {
  const names: string[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const path = `/models?limit=${PAGE}${token === undefined ? "" : `&next_page_token=${encodeURIComponent(token)}`}`;
    const page = decodeModels(bodyOf(await send(asking, { method: "GET", path }, signal)));
    names.push(...page.models);
    token = page.next;
    if (token === undefined) break;
  }
  return names;
}

async function readVersions(asking: Asking, name: string, signal: AbortSignal): Promise<readonly ModelDescription[]> {
  const answer = await send(asking, { method: "GET", path: `/models/${encodeURIComponent(name)}/all` }, signal);
  if (answer.status === 404 && decodeError(answer.body)?.type === "ModelNotFoundException") return [];
  return [...decodeDescriptions(bodyOf(answer))].sort((a, b) => compareVersions(a.version, b.version));
}

function statusOf(name: string, { version, workers }: ModelDescription): ModelStatus {
  const state = stateOf(workers);
  const reason =
    state === "ready" ? {} : { reason: workers.length === 0 ? "no workers" : `workers ${workers.join(", ")}` };
  return { name, version, state, ...reason };
}

function stateOf(workers: readonly string[]): ModelState {
  if (workers.includes("READY")) return "ready";
  if (workers.includes("LOADING")) return "loading";
  return workers.includes("UNLOADING") ? "unloading" : "unavailable";
}

/** A worker for a model that is registered; else the archive of the model's name is registered. */
async function load(asking: Asking, model: string, signal: AbortSignal): Promise<void> {
  if ((await readVersions(asking, model, signal)).length > 0) return scale(asking, { model, workers: 1 }, signal);
  const query = new URLSearchParams({
    url: `${model}.mar`,
    model_name: model,
    initial_workers: "1",
    synchronous: "true",
  });
  const answer = await send(asking, { method: "POST", path: `/models?${query}` }, signal);
  if (answer.status !== 200) throw httpFault(answer);
}

/** All versions of a model; without workers it stays registered and answers nobody. */
async function scale(
  asking: Asking,
  { model, workers }: { readonly model: string; readonly workers: number },
  signal: AbortSignal,
): Promise<void> {
  const versions = await readVersions(asking, model, signal);
  if (versions.length === 0) throw new InferError("not-found", `model "${model}": the server has none of that name`);
  for (const { version } of versions) {
    const most = workers === 0 ? "&max_worker=0" : "";
    const path = `/models/${encodeURIComponent(model)}/${encodeURIComponent(version)}?min_worker=${workers}${most}&synchronous=true`;
    const answer = await send(asking, { method: "PUT", path }, signal);
    if (answer.status !== 200) throw httpFault(answer);
  }
}
