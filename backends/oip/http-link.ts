// What all parts of a connection to a server of the Open Inference Protocol over HTTP share.

import { openCodecMemory } from "../../core/codec-memory.ts";
import type { CodecMemory } from "../../core/protocol.ts";
import type { Door, HttpAnswer, HttpClient, Waiting } from "../connection.ts";
import { oipHttpFault } from "./http-faults.ts";
import { type Ids, openIds } from "./ids.ts";
import { OIP_QUIRKS, type OipDialect, type OipQuirks } from "./quirks.ts";

export interface OipHttpLink {
  readonly door: Door;
  readonly client: HttpClient;
  /** The server's own ways; `auto` where it is to tell them. */
  readonly dialect: OipDialect | "auto";
  /** Its ways as far as they are known now. */
  quirks: OipQuirks;
  /** Models without versions, to which `models` gave the version "1". */
  readonly unversioned: Set<string>;
  readonly ids: Ids;
  /** Heads of answers that were read before. */
  readonly heads: CodecMemory;
  /** Asks for something small. */
  get(path: string, waiting: Waiting): Promise<HttpAnswer>;
  /** Sends a small JSON body. */
  post(path: string, json: string, waiting: Waiting): Promise<HttpAnswer>;
}

export function openLink(door: Door, dialect: OipDialect | "auto"): OipHttpLink {
  const client = door.http();
  return {
    door,
    client,
    dialect,
    quirks: OIP_QUIRKS[dialect === "auto" ? "plain" : dialect],
    unversioned: new Set(),
    ids: openIds(door.env),
    heads: openCodecMemory(),
    get: (path, waiting) =>
      client.ask({ method: "GET", path, headers: door.headers(undefined), idempotent: true }, waiting),
    post(path, json, waiting) {
      const headers = { ...door.headers(undefined), "content-type": "application/json" };
      return client.ask({ method: "POST", path, headers, body: Buffer.from(json) }, waiting);
    },
  };
}

/** The body of a success. @throws InferError for what any other status means */
export function bodyOf(answer: HttpAnswer): Uint8Array {
  if (answer.status === 200) return answer.body;
  throw oipHttpFault(answer);
}

/** Whether the server says that it has no such path, or keeps it to those who know a header: something else may be asked. */
export function isRefused({ status }: HttpAnswer): boolean {
  return REFUSED.has(status);
}

const REFUSED: ReadonlySet<number> = new Set([401, 403, 404, 405, 406, 501]);
