// What is asked of a real server when its answers are recorded: named questions in their order, as plain bytes.

/** A question over HTTP. */
export interface HttpQuestion {
  /** The recording's file name. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Which of the server's ports; `http` when absent. */
  readonly port?: string;
}

/** A gRPC call as encoded messages, made by Google's protobuf in Python: never by our own codecs. */
export interface GrpcQuestion {
  readonly name: string;
  readonly path: string;
  /** In base64. */
  readonly messages: readonly string[];
}

/** A server that runs for a recording. */
export interface Recorded {
  readonly version: string;
  readonly ports: Readonly<Record<string, number>>;
  /** Texts of this machine that may stand in answers: each is replaced by one of the same length. */
  readonly private: readonly string[];
  /** In their order: what kills or unloads a model stands last. */
  readonly questions: readonly (HttpQuestion | GrpcQuestion)[];
  close(): Promise<unknown>;
}

const JSON_TYPE = { "content-type": "application/json" };

export function get(name: string, path: string, port = "http"): HttpQuestion {
  return { name, method: "GET", path, headers: {}, body: Buffer.alloc(0), port };
}

/** A POST without a body, or with one of JSON: a text stands as it is, malformed if need be. */
export function post(name: string, path: string, body?: unknown): HttpQuestion {
  if (body === undefined) return { name, method: "POST", path, headers: {}, body: Buffer.alloc(0) };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { name, method: "POST", path, headers: JSON_TYPE, body: Buffer.from(text) };
}

/** A POST of bytes of some content type. */
export function postBytes(
  name: string,
  path: string,
  of: { readonly type: string; readonly body: Uint8Array; readonly headers?: Readonly<Record<string, string>> },
): HttpQuestion {
  const headers = { "content-type": of.type, ...of.headers };
  return { name, method: "POST", path, headers, body: Buffer.from(of.body) };
}

/** A POST of the Open Inference Protocol's binary form: JSON, then the tensors' bytes, which `inputs` do not hold. */
export function postBinary(
  name: string,
  path: string,
  of: { readonly head: unknown; readonly tensors: readonly Uint8Array[] },
): HttpQuestion {
  const head = Buffer.from(JSON.stringify(of.head));
  return postBytes(name, path, {
    type: "application/octet-stream",
    headers: { "inference-header-content-length": `${head.byteLength}` },
    body: Buffer.concat([head, ...of.tensors]),
  });
}

/** A question on another of the server's ports. */
export function on(port: string, question: HttpQuestion): HttpQuestion {
  return { ...question, port };
}

/** 16 numbers from 0, as `add_sub` takes them. */
export const ROW = Array.from({ length: 16 }, (_, index) => index);

/** `add_sub`'s two inputs as JSON. */
export const ADD_SUB = ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [1, 16], data: ROW }));

/** The same row as little-endian bytes. */
export const ROW_BYTES = new Uint8Array(Int32Array.from(ROW).buffer);

/** `add_sub`'s two inputs of the binary form. */
export const ADD_SUB_BINARY = ADD_SUB.map(({ data: _, ...input }) => ({
  ...input,
  parameters: { binary_data_size: ROW_BYTES.byteLength },
}));
