// Calls that the protocols know and the gateway does not have: each is refused as its protocol refuses, in words that say what to do.
// docs/protocols.md lists what is answered here.

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller, int32 } from "../../support/gateway-grpc.ts";
import { wholeReply } from "../../support/scripted.ts";

const PAGE = readFileSync(new URL("../../../docs/protocols.md", import.meta.url), "utf8");

let gateway: TestGateway;
let caller: GrpcCaller;

beforeAll(async () => {
  const fake = fakeBackend();
  const service = async () => wholeReply("m", "1", { outputs: [int32("y", 1)] });
  const x = { name: "x", datatype: "INT32", shape: [-1] } as const;
  fake.put("m", "1", { service, inputs: [x], outputs: [{ ...x, name: "y" }] });
  const yaml = "backends: {f: {kind: fake}}\ntriton: {control: true, sharedMemory: true}";
  gateway = await startGateway({ yaml, kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
});

afterAll(async () => {
  caller.close();
  await gateway.close();
});

/** Status and text. */
type Ask = () => Promise<readonly [status: number, text: string]>;

const rest =
  (
    method: string,
    path: string,
    more: { readonly body?: string; readonly headers?: Record<string, string> } = {},
  ): Ask =>
  async () => {
    const answer = await gateway.ask({ method, path, body: more.body ?? "", headers: more.headers ?? {} });
    const told = JSON.parse(`${answer.body}`) as Readonly<Record<string, unknown>>;
    return [answer.status, `${told.error ?? told.message ?? told.Message}`];
  };

const grpc =
  (method: string, ...messages: readonly Uint8Array[]): Ask =>
  async () => {
    const { code, details } = await caller.ask({ method, messages });
    return [code, details];
  };

const EMPTY = new Uint8Array(0);
const REGION = '{"raw_handle":{"b64":"AA=="},"device_id":0,"byte_size":8}';
const SESSION = {
  headers: { "x-amzn-sagemaker-session-id": "NEW_SESSION", "content-type": "application/json" },
  body: "[1]",
};
const EXPLAIN = {
  headers: { "x-amzn-sagemaker-enable-explanations": "true", "content-type": "application/json" },
  body: "[1]",
};

/** As the page lists them: the call, its status, a part of its text. */
const CALLS: readonly (readonly [call: string, status: number, text: string, ask: Ask])[] = [
  [
    "`StreamPredictions2` of TorchServe",
    12,
    "StreamPredictions2 is not supported: ask with StreamPredictions",
    grpc("/org.pytorch.serve.grpc.inference.InferenceAPIsService/StreamPredictions2", EMPTY),
  ],
  [
    "`HandleReloadConfigRequest` of TF Serving",
    12,
    "models come from this gateway's own config",
    grpc("/tensorflow.serving.ModelService/HandleReloadConfigRequest", EMPTY),
  ],
  ["`SessionRun` of TF Serving", 12, "SessionRun", grpc("/tensorflow.serving.SessionService/SessionRun", EMPTY)],
  ["`CudaSharedMemoryRegister` of Triton", 12, "CUDA", grpc("CudaSharedMemoryRegister", EMPTY)],
  [
    "`/v2/cudasharedmemory/region/NAME/register`",
    400,
    "CUDA",
    rest("POST", "/v2/cudasharedmemory/region/r/register", { body: REGION }),
  ],
  ["`async-invocations` of SageMaker", 400, "async", rest("POST", "/endpoints/m/async-invocations")],
  [
    "a session of SageMaker",
    400,
    "the gateway has no stateful sessions",
    rest("POST", "/endpoints/m/invocations", SESSION),
  ],
  [
    "`EnableExplanations` of SageMaker",
    400,
    "the gateway has no explanations beside answers",
    rest("POST", "/endpoints/m/invocations", EXPLAIN),
  ],
  [
    "set the default version of TorchServe",
    405,
    "the default version is the newest, or what the route in the config says",
    rest("PUT", "/models/m/1/set-default"),
  ],
  [
    "register of an archive that no backend has, of TorchServe",
    404,
    "Model not found: x",
    rest("POST", "/models?url=x.mar"),
  ],
];

describe("a call that is not there", () => {
  test.each(CALLS)("%s is refused in words", async (_call, status, text, ask) => {
    const [got, said] = await ask();
    expect([got, said]).toEqual([status, expect.stringContaining(text)]);
  });

  test.each(CALLS)("%s stands in docs/protocols.md with what it says", (call, status, text) => {
    const word = status === 12 ? "UNIMPLEMENTED" : `${status}`;
    const line = PAGE.split("\n").find((one) => one.startsWith(`| ${call} |`));
    expect(line ?? "").toContain(`| ${word} |`);
    expect(line).toContain(text);
  });
});
