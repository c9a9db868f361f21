// In which form outputs come over the Open Inference Protocol's gRPC: raw, or as the inputs came where the config says so.

import { afterEach, expect, test } from "vitest";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import {
  type GrpcCaller,
  grpcCaller,
  inferAnswer,
  inferMessage,
  int32,
  ints,
  streamAnswer,
} from "../../support/gateway-grpc.ts";
import { payloadsOf } from "../../support/matrix-protobuf.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway | undefined;
let caller: GrpcCaller;
afterEach(async () => {
  caller.close();
  await gateway?.close();
});

const HALF = { name: "y", datatype: "FP16", shape: [1], data: Uint8Array.of(0, 0x3c) } as const;

async function start(words = ""): Promise<void> {
  const fake = fakeBackend();
  fake.put("echo", "1", { service: async ({ inputs }) => wholeReply("echo", "1", { outputs: inputs }) });
  fake.put("half", "1", { service: async ({ inputs }) => wholeReply("half", "1", { outputs: [...inputs, HALF] }) });
  gateway = await startGateway({ yaml: `backends: {b: {kind: fake}}\n${words}`, kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
}

/** How many raw contents an answer has, and what it says. */
async function ask(model: string, contents: "raw" | "typed") {
  const message = inferMessage({ model, inputs: [int32("x", 7, -1)], contents });
  const { messages } = await caller.ask({ method: "ModelInfer", messages: [message] });
  const [answer] = messages;
  return [payloadsOf(answer!, 6).length, ints(inferAnswer(answer).outputs[0])];
}

const SENT = [7, -1];

test("outputs come raw where nothing is said", async () => {
  await start();
  expect([await ask("echo", "raw"), await ask("echo", "typed")]).toEqual([
    [1, SENT],
    [1, SENT],
  ]);
});

test("outputs come as the inputs did where the config says as-asked", async () => {
  await start("triton: {contents: as-asked}");
  expect([await ask("echo", "raw"), await ask("echo", "typed")]).toEqual([
    [1, SENT],
    [0, SENT],
  ]);
});

test("so they do on a stream", async () => {
  await start("triton: {contents: as-asked}");
  const messages = (["typed", "raw"] as const).map((contents) =>
    inferMessage({ model: "echo", inputs: [int32("x", 7)], contents }),
  );
  const answer = await caller.ask({ method: "ModelStreamInfer", messages });
  const parts = answer.messages.map((message) => {
    const part = streamAnswer(message);
    // ModelStreamInferResponse: infer_response 2
    return [payloadsOf(payloadsOf(message, 2)[0]!, 6).length, part.kind === "answer" && ints(part.response.outputs[0])];
  });
  expect(parts).toEqual([
    [0, [7]],
    [1, [7]],
  ]);
});

test("an answer with an output that has no typed form comes raw as a whole", async () => {
  await start("triton: {contents: as-asked}");
  expect(await ask("half", "typed")).toEqual([2, SENT]);
});
