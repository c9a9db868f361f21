// Classification and shared memory, over REST and gRPC, against the demo models.

import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { NOTHING, REGION_NAME, SYSTEM_REGISTER, SYSTEM_STATUS } from "../../../wire/oip-proto-service.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type GrpcCaller, grpcCaller } from "../../support/gateway-grpc.ts";
import { type SpelledField, spell } from "../../unit/wire/messages.ts";

let gateway: TestGateway;
let caller: GrpcCaller;
const KEY = `sluice-test-${process.pid}`;
beforeAll(async () => {
  const yaml =
    "triton: {sharedMemory: true}\nbackends: {local: {kind: onnx, repository: ./models, workers: 1, watch: false}}";
  gateway = await startGateway({ yaml, kinds: backendKinds });
  caller = grpcCaller(gateway.grpcPort);
  writeFileSync(`/dev/shm/${KEY}`, new Uint8Array(256));
}, 60_000);
afterAll(async () => {
  caller.close();
  await gateway.close();
  unlinkSync(`/dev/shm/${KEY}`);
});

async function post(path: string, value: unknown) {
  const answer = await gateway.ask({ method: "POST", path, body: JSON.stringify(value) });
  const text = answer.body.toString();
  return { status: answer.status, json: text === "" ? undefined : JSON.parse(text) };
}

const iris = [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3];

test("the largest class of each row comes as a text", async () => {
  const metadata = JSON.parse((await gateway.ask({ path: "/v2/models/iris" })).body.toString());
  const scores = metadata.outputs.find((each: { datatype: string }) => each.datatype === "FP32").name;
  const inputs = [{ name: "measurements", datatype: "FP32", shape: [2, 4], data: iris }];
  const plain = await post("/v2/models/iris/infer", { inputs, outputs: [{ name: scores }] });
  const rows = [plain.json.outputs[0].data.slice(0, 3), plain.json.outputs[0].data.slice(3)];
  const { status, json } = await post("/v2/models/iris/infer", {
    inputs,
    outputs: [{ name: scores, parameters: { classification: 1 } }],
  });
  expect(status).toBe(200);
  expect(json.outputs).toEqual([
    {
      name: scores,
      datatype: "BYTES",
      shape: [2, 1],
      data: rows.map((row) => `${Math.max(...row).toFixed(6)}:${row.indexOf(Math.max(...row))}`),
    },
  ]);
  const wrong = await post("/v2/models/iris/infer", {
    inputs,
    outputs: [{ name: scores, parameters: { classification: 0 } }],
  });
  expect(wrong.status).toBe(400);
});

test("inputs are read from shared memory and outputs written there, over REST and over gRPC", async () => {
  const values = Int32Array.from({ length: 32 }, (_, i) => i * 3);
  writeFileSync(`/dev/shm/${KEY}`, Buffer.concat([Buffer.from(values.buffer), Buffer.alloc(128)]));
  const registered = await post("/v2/systemsharedmemory/region/in/register", {
    key: `/${KEY}`,
    offset: 0,
    byte_size: 128,
  });
  expect(registered).toEqual({ status: 200, json: undefined });
  const message = SYSTEM_REGISTER.encode({ name: "out", key: `/${KEY}`, offset: 128n, byte_size: 128n });
  expect((await caller.ask({ method: "SystemSharedMemoryRegister", messages: [message] })).code).toBe(0);
  const listed = await caller.ask({ method: "SystemSharedMemoryStatus", messages: [NOTHING.encode({})] });
  expect([...SYSTEM_STATUS.decode(listed.messages[0] ?? Buffer.alloc(0)).regions.keys()]).toEqual(["in", "out"]);

  const at = (region: string, offset = 0) => ({
    shared_memory_region: region,
    shared_memory_byte_size: 64,
    shared_memory_offset: offset,
  });
  const { status, json } = await post("/v2/models/add_sub/infer", {
    inputs: [
      { name: "INPUT0", datatype: "INT32", shape: [1, 16], parameters: at("in") },
      { name: "INPUT1", datatype: "INT32", shape: [1, 16], parameters: at("in", 64) },
    ],
    outputs: [
      { name: "OUTPUT0", parameters: at("out") },
      { name: "OUTPUT1", parameters: { ...at("out", 64), binary_data: true } },
    ],
  });
  expect(status).toBe(200);
  expect(json.outputs).toEqual([
    {
      name: "OUTPUT0",
      datatype: "INT32",
      shape: [1, 16],
      parameters: { shared_memory_region: "out", shared_memory_byte_size: 64 },
    },
    { name: "OUTPUT1", datatype: "INT32", shape: [1, 16], parameters: at("out", 64) },
  ]);
  const sums = Array.from({ length: 16 }, (_, i) => i * 3 + (i + 16) * 3);
  expect([...int32s(128, 16)]).toEqual(sums);
  expect([...int32s(192, 16)]).toEqual(Array(16).fill(-48));

  // over gRPC: the first input in shared memory, the second raw; one output in each place
  writeFileSync(`/dev/shm/${KEY}`, Buffer.concat([Buffer.from(values.buffer), Buffer.alloc(128)]));
  const parameter = (key: string, value: Uint8Array) => [4, spell([1, key], [2, value])] as const;
  const region = (name: string) =>
    [
      parameter("shared_memory_region", spell([3, name])),
      parameter("shared_memory_byte_size", spell([2, 64])),
    ] as const;
  const tensor = (name: string, ...more: SpelledField[]) =>
    spell([1, name], [2, "INT32"], [3, Uint8Array.of(1, 16)], ...more);
  const wanted = (key: string, value: Uint8Array) => [2, spell([1, key], [2, value])] as const;
  const ask = spell(
    [1, "add_sub"],
    [5, tensor("INPUT0", ...region("in"))],
    [5, tensor("INPUT1")],
    [
      6,
      spell(
        [1, "OUTPUT0"],
        wanted("shared_memory_region", spell([3, "out"])),
        wanted("shared_memory_byte_size", spell([2, 64])),
      ),
    ],
    [6, spell([1, "OUTPUT1"])],
    [7, new Uint8Array(64)],
  );
  const answer = await caller.ask({ method: "ModelInfer", messages: [ask] });
  expect([answer.code, answer.details]).toEqual([0, ""]);
  expect([...int32s(128, 16)]).toEqual([...values.slice(0, 16)]);
  const raw = rawLengths(answer.messages[0] ?? Buffer.alloc(0));
  expect(raw).toEqual([0, 64]);
});

/** The lengths of the raw contents of ModelInferResponse (field 6). */
function rawLengths(message: Uint8Array): readonly number[] {
  const lengths: number[] = [];
  for (let at = 0; at < message.length; ) {
    const tag = message[at] as number;
    const [length, head] = varint(message, at + 1);
    if (tag === ((6 << 3) | 2)) lengths.push(length);
    at = head + length;
  }
  return lengths;
}

function varint(message: Uint8Array, from: number): readonly [number, number] {
  let value = 0;
  for (let at = from; ; at++) {
    value += ((message[at] as number) & 0x7f) * 2 ** (7 * (at - from));
    if ((message[at] as number) < 0x80) return [value, at + 1];
  }
}

function int32s(from: number, count: number): Int32Array {
  const data = readFileSync(`/dev/shm/${KEY}`);
  return new Int32Array(data.buffer.slice(data.byteOffset + from, data.byteOffset + from + count * 4));
}

test("a region that is not there, or an output that does not fit, is the client's to mend", async () => {
  const input = (parameters: object) => ({
    inputs: [{ name: "measurements", datatype: "FP32", shape: [1, 4], parameters }],
  });
  const none = await post(
    "/v2/models/iris/infer",
    input({ shared_memory_region: "none", shared_memory_byte_size: 16 }),
  );
  expect(none).toEqual({ status: 400, json: { error: "Unable to find shared memory region: 'none'" } });
  const short = await post("/v2/models/iris/infer", input({ shared_memory_region: "in", shared_memory_byte_size: 12 }));
  expect(short.status).toBe(400);
  expect(
    (await caller.ask({ method: "SystemSharedMemoryUnregister", messages: [REGION_NAME.encode({ name: "in" })] })).code,
  ).toBe(0);
  expect((await gateway.ask({ path: "/v2/systemsharedmemory/region/in/status" })).status).toBe(400);
});
