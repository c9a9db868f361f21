// generate and generate_stream over a model whose answers the test writes.

import { afterAll, beforeAll, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { plain } from "../../support/gateway-oip.ts";

let gateway: TestGateway;
const fake = fakeBackend();
let asked: InferRequest[] = [];
/** What the model does next. */
let answer: (request: InferRequest) => AsyncGenerator<InferResponse> | InferResponse;
let released = 0;

const words = (...texts: readonly string[]): InferResponse => ({
  kind: "whole",
  model: { name: "m", version: "1" },
  outputs: [plain("text_output", "BYTES", [texts.length], texts)],
  parameters: NO_PARAMETERS,
});

/** A stream that ends before its first answer, well or not. */
// biome-ignore lint/correctness/useYield: that it never yields is what is tested
async function* broken(error?: Error): AsyncGenerator<InferResponse> {
  if (error !== undefined) throw error;
}

beforeAll(async () => {
  fake.put("m", "1", {
    inputs: [
      { name: "text_input", datatype: "BYTES", shape: [1] },
      { name: "top", datatype: "INT64", shape: [-1] },
    ],
    outputs: [{ name: "text_output", datatype: "BYTES", shape: [-1] }],
    async service(request) {
      asked.push(request);
      const reply = answer(request);
      return "kind" in reply ? reply : { kind: "stream", parts: reply };
    },
  });
  gateway = await startGateway({ yaml: "backends: {b: {kind: fake}}", kinds: [fake.kind] });
});
afterAll(() => gateway.close());

async function post(tail: string, body: string) {
  asked = [];
  const got = await gateway.ask({ method: "POST", path: `/v2/models/m/${tail}`, body });
  return { status: got.status, type: got.headers["content-type"], text: got.body.toString() };
}

test("members that are inputs become tensors, the others parameters, and one element comes back bare", async () => {
  answer = () => words("yes");
  const got = await post(
    "generate",
    '{"id":"7","text_input":"hi","top":[1,9007199254740993],"stream":false,"temperature":0.5,"n":3,"parameters":{"k":"v"}}',
  );
  expect(got).toEqual({
    status: 200,
    type: "application/json",
    text: '{"id":"7","model_name":"m","model_version":"1","text_output":"yes"}',
  });
  const [{ inputs, parameters, stream }] = asked as [InferRequest];
  expect(inputs.map((each) => ({ ...each, data: Buffer.from(each.data) }))).toEqual([
    plain("text_input", "BYTES", [1], ["hi"]),
    {
      ...plain("top", "INT64", [2], [1n, 9007199254740993n]),
      data: Buffer.from("01000000000000000100000000002000", "hex"),
    },
  ]);
  expect([...parameters]).toEqual([
    ["stream", false],
    ["temperature", 0.5],
    ["n", 3n],
    ["k", "v"],
  ]);
  expect(stream).toBe(false);
});

test("several elements come back as a flat list", async () => {
  answer = () => words("a", "b");
  expect((await post("generate", '{"text_input":["x"],"top":1}')).text).toBe(
    '{"model_name":"m","model_version":"1","text_output":["a","b"]}',
  );
  expect(asked[0]?.inputs.map(({ shape }) => shape)).toEqual([[1], [1]]);
});

test.each([
  '{"text_input":"x","top":[1],"deep":{"a":1}}',
  '{"text_input":1}',
  "[1]",
  '{"text_input":"x"',
  '{"text_input":"x","text_input":"y"}',
])("%s is refused before the model is asked", async (body) => {
  const got = await post("generate", body);
  expect([got.status, asked.length]).toEqual([400, 0]);
  expect(JSON.parse(got.text)).toHaveProperty("error");
});

test("a stream comes as events, and one answer as one event", async () => {
  answer = async function* () {
    yield words("a");
    yield words("b");
  };
  const got = await post("generate_stream", '{"text_input":"x","top":1}');
  const one = (text: string) => `data: {"model_name":"m","model_version":"1","text_output":"${text}"}\n\n`;
  expect(got).toEqual({ status: 200, type: "text/event-stream; charset=utf-8", text: one("a") + one("b") });
  expect(asked[0]?.stream).toBe(true);
  answer = () => words("c");
  expect((await post("generate_stream", '{"text_input":"x","top":1}')).text).toBe(one("c"));
});

test("a fault before the first answer has a status of its own, a later one is an event", async () => {
  answer = () => broken(new InferError("overloaded", "full"));
  const early = await post("generate_stream", '{"text_input":"x","top":1}');
  expect([early.status, early.type, early.text]).toEqual([503, "application/json", '{"error":"full"}']);
  answer = async function* () {
    yield words("a");
    throw new InferError("unavailable", "gone");
  };
  const late = await post("generate_stream", '{"text_input":"x","top":1}');
  expect(late.status).toBe(200);
  expect(late.text.endsWith('data: {"error":"gone"}\n\n')).toBe(true);
});

test("generate of a model that answers more than once, or never, names the way", async () => {
  answer = async function* () {
    try {
      yield words("a");
      yield words("b");
    } finally {
      released += 1;
    }
  };
  const two = await post("generate", '{"text_input":"x","top":1}');
  expect([two.status, two.text.includes("use generate stream"), released]).toEqual([400, true, 1]);
  answer = () => broken();
  expect((await post("generate", '{"text_input":"x","top":1}')).status).toBe(400);
});
