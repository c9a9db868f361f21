// What a server of KServe's V1 protocol tells of itself and its models.

import { InferError } from "../../core/error.ts";
import type { ModelStatus } from "../../core/model.ts";
import { decodeModels, decodeReady } from "../../wire/kserve-v1-documents.ts";
import { decodeServerMetadata } from "../../wire/oip-metadata.ts";
import type { Door, HttpAnswer, HttpClient } from "../connection.ts";
import { credentialsRefused } from "../http-errors.ts";
import { kserveFault } from "./faults.ts";

/** What is asked, and of whom. */
export interface Asked {
  readonly door: Pick<Door, "headers">;
  readonly client: HttpClient;
}

/** Models asked about at the same time. */
const AT_ONCE = 16;
/** V1 has no versions. */
export const ONLY_VERSION = "1";

/**
 * What the server says it is; V1 itself has no word for it, KServe's V2 beside it has.
 *
 * @throws InferError unavailable when it cannot serve now
 */
export async function readServer(asked: Asked, signal: AbortSignal): Promise<string> {
  const v2 = await get(asked, "/v2", signal);
  if (v2.status === 200) return named(v2.body);
  const list = isRefused(v2) ? await get(asked, "/v1/models", signal) : v2;
  if (list.status === 401 || list.status === 403) throw credentialsRefused(`status ${list.status}`);
  // a server without a list is there all the same
  if (list.status === 200 || isRefused(list)) return "kserve-v1";
  throw new InferError("unavailable", `the server answers its health check with status ${list.status}`);
}

function named(body: Uint8Array): string {
  try {
    const { name, version } = decodeServerMetadata(body);
    return `${name} ${version}`.trim();
  } catch {
    return "kserve-v1";
  }
}

/** See `Connection.models`. */
export async function readModels(
  asked: Asked,
  wanted: readonly string[],
  signal: AbortSignal,
): Promise<readonly ModelStatus[]> {
  const answer = await get(asked, "/v1/models", signal);
  if (answer.status !== 200 && !isRefused(answer)) throw kserveFault(answer);
  const listed = answer.status === 200 ? decodeModels(answer.body) : [];
  const names = [...new Set([...listed, ...wanted])];
  const found: ModelStatus[] = [];
  for (let from = 0; from < names.length; from += AT_ONCE) {
    const some = names.slice(from, from + AT_ONCE);
    found.push(...(await Promise.all(some.map((name) => readOne(asked, name, signal)))).flat());
  }
  return found;
}

async function readOne(asked: Asked, name: string, signal: AbortSignal): Promise<readonly ModelStatus[]> {
  const answer = await get(asked, `/v1/models/${encodeURIComponent(name)}`, signal);
  // KServe says it also of a model that was not ready when the server started
  if (answer.status === 404) return [];
  const status = (state: ModelStatus["state"], reason?: string): readonly ModelStatus[] => [
    { name, version: ONLY_VERSION, state, ...(reason === undefined ? {} : { reason }) },
  ];
  if (answer.status === 200) {
    return decodeReady(answer.body) === false
      ? status("unavailable", "the server says that it is not ready")
      : status("ready");
  }
  return status("unavailable", kserveFault(answer).message);
}

function get({ client, door }: Asked, path: string, signal: AbortSignal): Promise<HttpAnswer> {
  return client.ask({ method: "GET", path, headers: door.headers(undefined), idempotent: true }, { signal });
}

// No such path, or not for this method.
function isRefused({ status }: HttpAnswer): boolean {
  return status === 400 || status === 404 || status === 405 || status === 501;
}
