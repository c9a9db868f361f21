// What is asked of TorchServe when its answers are recorded, on its inference and management ports.

import { get, type HttpQuestion, on, post, postBytes, type Recorded } from "../support/questions.ts";
import { isMissing, type Missing } from "../support/venv.ts";
import { bareQuestions, datatypeMessages, ROW_CASES } from "./datatype-questions.ts";
import { startTorchServe } from "./torchserve.ts";

const IMAGES = [1, 2].map((pixel) => [Array.from({ length: 8 }, () => Array(8).fill(pixel))]);
const PIXELS = new Uint8Array(Float32Array.from(IMAGES.flat(4) as number[]).buffer);
const FORM = Buffer.concat([
  Buffer.from('--edge\r\nContent-Disposition: form-data; name="image"; filename="a.bin"\r\n\r\n'),
  PIXELS,
  Buffer.from("\r\n--edge--\r\n"),
]);
const V2 = { id: "a", inputs: [{ name: "image", datatype: "FP32", shape: [2, 1, 8, 8], data: IMAGES.flat(4) }] };

const faulty = (name: string, body: unknown): HttpQuestion => post(name, "/predictions/faulty", body);
const manage = (name: string, path: string) => get(name, path, "management");

const QUESTIONS: readonly HttpQuestion[] = [
  get("ping", "/ping"),
  { ...get("describe", "/"), method: "OPTIONS" },
  post("infer", "/predictions/digits", { instances: IMAGES }),
  post("infer-bare", "/predictions/digits", IMAGES),
  post("infer-version", "/predictions/digits/2.0", { instances: IMAGES }),
  postBytes("infer-raw", "/predictions/digits", { type: "application/octet-stream", body: PIXELS }),
  postBytes("infer-multipart", "/predictions/digits", { type: "multipart/form-data; boundary=edge", body: FORM }),
  post("infer-v1", "/v1/models/digits:predict", { instances: IMAGES }),
  post("infer-v2", "/v2/models/digits/infer", V2),
  post("infer-unknown-model", "/predictions/nobody", { instances: IMAGES }),
  post("infer-unknown-version", "/predictions/digits/9.0", { instances: IMAGES }),
  post("infer-wrong-shape", "/predictions/digits", { instances: [[1, 2, 3]] }),
  post("infer-malformed", "/predictions/digits", '{"instances": ['),
  post("explain", "/explanations/digits", { instances: IMAGES }),
  postBytes("echo", "/predictions/echo", { type: "image/jpeg", body: Uint8Array.of(0xff, 0xd8, 0xff) }),
  post("echo-json", "/predictions/echo", '{"x": [0.1, -0.0, 9007199254740993, "é"]}'),
  ...bareQuestions("", () => "/predictions/echo"),
  faulty("faulty", { what: [0] }),
  faulty("faulty-raises", { what: [-1] }),
  faulty("faulty-empty", { what: [-2] }),
  faulty("faulty-refuses", { status: 418 }),
  faulty("faulty-busy", { status: 429 }),
  faulty("faulty-memory", { memory: 1 }),
  post("stream", "/predictions/stream", { count: 3 }),
  post("stream-error", "/predictions/stream", { count: 3, fail_at: 1 }),
  post("too-large", "/predictions/echo", "x".repeat(70_000)),
  post("no-such-path", "/nothing/here", {}),
  manage("models", "/models"),
  manage("models-page", "/models?limit=100"),
  manage("model", "/models/digits"),
  manage("model-echo", "/models/echo/all"),
  manage("model-faulty", "/models/faulty/all"),
  manage("model-stream", "/models/stream/all"),
  manage("model-all", "/models/digits/all"),
  manage("model-version", "/models/digits/2.0"),
  manage("model-unknown", "/models/nobody"),
  manage("model-unknown-version", "/models/digits/9.0"),
  on("management", { ...get("set-default-unknown", "/models/digits/9.0/set-default"), method: "PUT" }),
  on("management", {
    ...get("workers-none", "/models/echo?min_worker=0&max_worker=0&synchronous=true"),
    method: "PUT",
  }),
  manage("model-no-workers", "/models/echo"),
  post("infer-no-workers", "/predictions/echo", { x: 1 }),
  faulty("faulty-dies", { what: [-5] }),
];

/** Starts it and says what to ask; requests may have 64,000 bytes. */
export async function recorded(): Promise<Recorded | Missing> {
  const server = await startTorchServe({ config: ["max_request_size=64000"] });
  if (isMissing(server)) return server;
  return {
    version: server.version,
    ports: { http: server.http, management: server.management, grpc: server.grpc },
    private: [],
    // first, while every worker lives
    questions: [...(await datatypeMessages(server.python, "torchserve_messages.py", ROW_CASES)), ...QUESTIONS],
    close: server.close,
  };
}
