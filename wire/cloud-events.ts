// CloudEvents 1.0 over HTTP, binary (attributes in headers) and structured (a JSON envelope), both ways.

import { invalid } from "../core/error.ts";
import { excerpt, type Scanner, skipSpace } from "./json-scan.ts";
import { skipValue } from "./json-skip.ts";
import { readBody, readString, type WireLimits } from "./oip-json.ts";
import type { Sliced } from "./sliced.ts";

/** The media type of a structured event. */
export const STRUCTURED_TYPE = "application/cloudevents+json";

/** What an event says of itself. */
export interface EventAttributes {
  readonly id: string;
  readonly source: string;
  readonly type: string;
}

/** An event's attributes with its payload, a view of the body. */
export interface CloudEvent extends EventAttributes {
  readonly data: Uint8Array;
}

/**
 * The attributes of a binary event. Undefined where one of the four headers is missing: KServe takes that for an ordinary
 * request.
 */
export function binaryAttributes(headers: ReadonlyMap<string, string>): EventAttributes | undefined {
  const [id, source, type] = ["ce-id", "ce-source", "ce-type"].map((name) => headers.get(name));
  const version = headers.get("ce-specversion");
  if (id === undefined || source === undefined || type === undefined || version === undefined) return undefined;
  return { id, source, type };
}

/**
 * Reads a structured event. Its time may be left out, though KServe asks for one.
 *
 * @throws InferError invalid-argument for another version than 1.0, a missing attribute or data, and for `data_base64`
 */
export function* decodeStructured(body: Uint8Array, limits: WireLimits): Sliced<CloudEvent> {
  const read: ReadEvent = { body, texts: new Map(), data: undefined };
  yield* readBody(body, { limits }, (s, key) => readMember(s, key, read));
  const { texts, data } = read;
  const missing = ATTRIBUTES.find((key) => (texts.get(key) ?? "") === "");
  if (missing !== undefined) throw invalid(`${missing}: expected an attribute of the event, got none`);
  if (texts.get("specversion") !== "1.0") throw invalid(`specversion: expected 1.0, got ${texts.get("specversion")}`);
  if (data === undefined) throw invalid("data: expected the event's payload, got none");
  const [id = "", source = "", type = ""] = ["id", "source", "type"].map((key) => texts.get(key));
  return { id, source, type, data };
}

/** The members of an event as far as they have been read. */
interface ReadEvent {
  readonly body: Uint8Array;
  readonly texts: Map<string, string>;
  data: Uint8Array | undefined;
}

// not inside its caller: see core/chain.ts
function* readMember(s: Scanner, key: string, read: ReadEvent): Sliced<boolean> {
  if (key === "data_base64") throw invalid("data_base64: expected data, which is JSON, got a payload in base64");
  if (key === "data") {
    const from = s.at;
    yield* skipValue(s, 1);
    read.data = read.body.subarray(from, s.at);
    return true;
  }
  if (!ATTRIBUTES.includes(key)) return false;
  if (skipSpace(s) !== 0x22) throw invalid(`${key}: expected a string, got ${excerpt(s, s.at)}`);
  read.texts.set(key, readString(s, key));
  return true;
}

const ATTRIBUTES: readonly string[] = ["specversion", "id", "source", "type"];

/** What is said of an event that is written. */
export interface EventInit extends EventAttributes {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
}

/** The headers of a binary event. */
export function binaryHeaders({ id, source, type, timeMs }: EventInit): Readonly<Record<string, string>> {
  const time = new Date(timeMs).toISOString();
  return { "ce-specversion": "1.0", "ce-id": id, "ce-source": source, "ce-type": type, "ce-time": time };
}

/** The body of a structured event around a payload of JSON. */
export function encodeStructured(event: EventInit, data: readonly Uint8Array[]): readonly Uint8Array[] {
  const { id, source, type, timeMs } = event;
  const head = JSON.stringify({ specversion: "1.0", id, source, type, time: new Date(timeMs).toISOString() });
  return [Buffer.from(`${head.slice(0, -1)},"data":`), ...data, Buffer.from("}")];
}
