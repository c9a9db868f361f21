// How answers recorded from real servers are kept: one JSON file an exchange, in test/fixtures/recorded/<server>/.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Bytes: as text where they are UTF-8, else in base64. Of a long question only how many they were is kept. */
export type Bytes = { readonly text: string; readonly omittedBytes?: number } | { readonly base64: string };

/** The longest body of a question that is kept. */
const KEPT_BYTES = 16_384;

interface Recording {
  readonly name: string;
  /** `triton`, as the launcher in test/interop/servers is called, and what that server says its version is. */
  readonly server: string;
  readonly version: string;
  /** The day. */
  readonly recorded: string;
  /** Its place in the list from which it was recorded: of several that fit a question, the first is the usual answer. */
  readonly order: number;
}

export interface RecordedHttp extends Recording {
  /** Which of the server's ports: `http`, or `management`. */
  readonly port: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: Bytes;
  };
  readonly response: {
    /** Status line, headers and body, in pieces as the socket gave them. */
    readonly chunks: readonly Bytes[];
    /** What the server did with the connection within half a second of the end of the answer. */
    readonly afterwards: "keeps" | "closes" | "resets";
  };
}

export interface RecordedGrpc extends Recording {
  readonly port: "grpc";
  /** `/inference.GRPCInferenceService/ModelInfer`. */
  readonly path: string;
  /** Encoded messages, in base64. */
  readonly requests: readonly string[];
  readonly responses: readonly string[];
  readonly status: { readonly code: number; readonly details: string };
  readonly trailers: Readonly<Record<string, string>>;
}

const ROOT = fileURLToPath(new URL("../fixtures/recorded/", import.meta.url));

/** Everything recorded from the server, in the order of its list. */
export function recordings(server: string): readonly (RecordedHttp | RecordedGrpc)[] {
  const folder = `${ROOT}${server}/`;
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(folder + file, "utf8")) as RecordedHttp | RecordedGrpc)
    .sort((a, b) => a.order - b.order);
}

export function isHttp(recording: RecordedHttp | RecordedGrpc): recording is RecordedHttp {
  return recording.port !== "grpc";
}

export function writeRecording(recording: RecordedHttp | RecordedGrpc): void {
  const folder = `${ROOT}${recording.server}/`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${recording.name}.json`, `${JSON.stringify(recording, undefined, 2)}\n`);
}

/** Bytes as they are kept. */
export function kept(bytes: Buffer): Bytes {
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) && !text.includes("\0") ? { text } : { base64: bytes.toString("base64") };
}

/** The body of a question as it is kept. */
export function keptQuestion(body: Buffer): Bytes {
  return body.byteLength > KEPT_BYTES ? { text: "", omittedBytes: body.byteLength } : kept(body);
}

export function bytesOf(bytes: Bytes): Buffer {
  return "text" in bytes ? Buffer.from(bytes.text) : Buffer.from(bytes.base64, "base64");
}

/** The answer as one run of bytes: status line, headers, body. */
export function answerBytes(recording: RecordedHttp): Buffer {
  return Buffer.concat(recording.response.chunks.map(bytesOf));
}
