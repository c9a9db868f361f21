// What a server says of its own failure, addresses and a stack among it, asked through every front without and with `debug`.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds as kinds } from "../../../backends/registry.ts";
import { serve } from "../../../gateway/main.ts";
import { protocols } from "../../../gateway/protocols/registry.ts";
import { runNow } from "../../../wire/sliced.ts";
import { encodeRequest } from "../../../wire/tfs-proto.ts";
import { predictionsRequest, SERVICE } from "../../../wire/torchserve-proto.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type GrpcCaller, grpcCaller, inferMessage, int32, streamAnswer } from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";

const SAID = [
  "RuntimeError: no answer from db.internal:5432 (10.1.2.3:5432)",
  "Traceback (most recent call last):",
  '  File "/srv/model.py", line 7, in predict',
].join("\n");
/** What nobody but the operator is to see of it. */
const INTERNALS = ["db.internal", "10.1.2.3", "Traceback", "/srv/model.py"];

interface Setting {
  readonly gateway: TestGateway;
  readonly caller: GrpcCaller;
}

let server: Server;
let address: string;
let quiet: Setting;
let loud: Setting;

const JSON_TYPE = { "content-type": "application/json" };

beforeAll(async () => {
  const x = { name: "x", datatype: "INT32", shape: [-1] };
  const model = { name: "m", versions: ["1"], platform: "p", inputs: [x], outputs: [{ ...x, name: "y" }] };
  const answers: Readonly<Record<string, unknown>> = {
    "/v2": { name: "triton", version: "2.51.0", extensions: [] },
    "/v2/models/m": model,
    "/v2/models/m/versions/1": model,
    "/v2/repository/index": [{ name: "m", version: "1", state: "READY" }],
  };
  server = createServer((request, response) => {
    const path = request.url ?? "";
    request.resume();
    const isFault = /(infer|generate|generate_stream)$/.test(path);
    response.writeHead(isFault ? 500 : 200, JSON_TYPE);
    response.end(isFault ? JSON.stringify({ error: SAID }) : JSON.stringify(answers[path] ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  quiet = await start("");
  loud = await start("debug: true\n");
});

afterAll(async () => {
  for (const { gateway, caller } of [quiet, loud]) {
    caller.close();
    await gateway.close();
  }
  server.closeAllConnections();
  server.close();
});

async function start(words: string): Promise<Setting> {
  const yaml = `${words}backends: {s: {kind: triton, protocol: http, endpoints: ["http://${address}"], retry: false}}\nmodels: {m: {backend: s}}`;
  const gateway = await startGateway({ yaml, kinds });
  await until(async () => (await gateway.ask({ path: "/v2/models/m/ready" })).status === 200);
  return { gateway, caller: grpcCaller(gateway.grpcPort) };
}

/** All that a front tells of a fault: status, headers and body, or status, text and messages. */
type Ask = (setting: Setting) => Promise<string>;

const rest =
  (path: string, body: string): Ask =>
  async ({ gateway }) => {
    const answer = await gateway.ask({ method: "POST", path, body, headers: JSON_TYPE });
    return JSON.stringify([answer.status, answer.headers, `${answer.body}`]);
  };

const grpc =
  (method: string, message: Uint8Array, read: (answer: Buffer) => string = String): Ask =>
  async ({ caller }) => {
    const { code, details, messages } = await caller.ask({ method, messages: [message] });
    return JSON.stringify([code, details, messages.map(read)]);
  };

const X = int32("x", 3);
const infer = inferMessage({ model: "m", inputs: [X] });
const predict = runNow(
  encodeRequest({ model: { name: "m", signature: "" }, inputs: [X], outputs: [] }, { form: "typed" }),
);
const prediction = predictionsRequest.encode({
  model: "m",
  version: "",
  input: new Map([["data", Buffer.from("[3]")]]),
  sequenceId: undefined,
});
const streamed = (answer: Buffer) => {
  const part = streamAnswer(answer);
  return part.kind === "answer" ? "an answer" : part.message;
};

/** Every call of every front that may meet a server's fault. */
const CALLS: readonly (readonly [front: string, what: string, ask: Ask])[] = [
  [
    "oip-rest",
    "infer",
    rest("/v2/models/m/infer", '{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[3]}]}'),
  ],
  ["oip-rest", "generate", rest("/v2/models/m/generate", '{"x":[3]}')],
  ["oip-rest", "generate_stream", rest("/v2/models/m/generate_stream", '{"x":[3]}')],
  ["oip-grpc", "ModelInfer", grpc("ModelInfer", infer)],
  ["oip-grpc", "ModelStreamInfer", grpc("ModelStreamInfer", infer, streamed)],
  ["v1-models", "TF Serving", rest("/v1/models/m:predict", '{"instances":[3],"signature_name":"serving_default"}')],
  ["tfs-rest", "predict", rest("/v1/models/m/versions/1:predict", '{"inputs":[3]}')],
  ["kserve-v1", "predict", rest("/v1/models/m:predict", '{"instances":[3]}')],
  ["kserve-v1", "explain", rest("/v1/models/m:explain", '{"instances":[3]}')],
  ["tfs-grpc", "Predict", grpc("/tensorflow.serving.PredictionService/Predict", predict)],
  ["torchserve", "predictions", rest("/predictions/m", "[3]")],
  ["torchserve-grpc", "Predictions", grpc(`${SERVICE}/Predictions`, prediction)],
  ["torchserve-grpc", "StreamPredictions", grpc(`${SERVICE}/StreamPredictions`, prediction)],
  ["sagemaker", "invocations", rest("/endpoints/m/invocations", "[3]")],
  ["sagemaker", "response stream", rest("/endpoints/m/invocations-response-stream", "[3]")],
  ["sagemaker-container", "invocations", rest("/invocations", "[3]")],
  ["sagemaker-container", "invoke", rest("/models/m/invoke", "[3]")],
];

test("every front is asked", () => {
  const asked = new Set(CALLS.map(([front]) => front));
  const others = ["grpc-health", "grpc-reflection", "openapi"];
  expect(protocols.map(({ name }) => name).filter((name) => !asked.has(name) && !others.includes(name))).toEqual([]);
});

describe.each(CALLS)("%s, %s", (_, what, ask) => {
  test("tells nothing of a server's insides", async () => {
    const told = await ask(quiet);
    for (const secret of [...INTERNALS, address]) expect(told).not.toContain(secret);
    if (what !== "explain") expect(told).toContain("RuntimeError: no answer from");
  });

  test.skipIf(what === "explain")("tells the server and all that it said under debug", async () => {
    const told = await ask(loud);
    for (const secret of [...INTERNALS, address]) expect(told).toContain(secret);
  });
});

test("what the caller did wrong reads the same under debug", async () => {
  const wrong = rest("/v2/models/m/infer", '{"inputs":[{"name":"x","shape":[1],"datatype":"INT31","data":[3]}]}');
  const body = (told: string) => (JSON.parse(told) as readonly unknown[])[2];
  expect(body(await wrong(loud))).toBe(body(await wrong(quiet)));
});

test("debug is refused where others can reach the gateway, also by a change", async () => {
  const yaml =
    'listen: {http: "0.0.0.0:0", admin: "127.0.0.1:0"}\ndebug: true\nbackends: {s: {kind: triton, endpoints: ["http://x:1"]}}';
  await expect(startGateway({ yaml, kinds })).rejects.toThrow(
    /debug: expected false where others can reach the gateway \(listen\.http: 0\.0\.0\.0:0\), got true/,
  );
  const { config } = loud.gateway.running;
  const listen = { http: { host: "0.0.0.0", port: 0 } };
  await expect(serve({ config: { ...config, listen } })).rejects.toThrow(/debug: expected false/);
  // the addresses in force count, whatever those of the new file are
  const open = await serve({ config: { ...config, listen, debug: false } });
  await expect(open.reload(config)).rejects.toThrow(/debug: expected false/);
  await open.stop();
});
