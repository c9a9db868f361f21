// One model that answers in three parts, asked through every front: parts where the front has room for them, one answer
// where it has not, and nothing left open behind.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { InferResponse } from "../../../core/request.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { MAX_COLLECTED_BYTES } from "../../../gateway/protocols/collected.ts";
import { decodeFrames } from "../../../wire/event-stream.ts";
import { opaqueTensor } from "../../../wire/opaque.ts";
import { decodeEvent } from "../../../wire/sagemaker.ts";
import { runNow } from "../../../wire/sliced.ts";
import { decodeResponse, encodeRequest } from "../../../wire/tfs-proto.ts";
import { predictionResponse, predictionsRequest, SERVICE } from "../../../wire/torchserve-proto.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { type GrpcCaller, grpcCaller, inferMessage, int32, ints, streamAnswer } from "../../support/gateway-grpc.ts";
import { until } from "../../support/http-client.ts";
import { wholeReply } from "../../support/scripted.ts";

let gateway: TestGateway;
let caller: GrpcCaller;
/** What the models answer next. */
let parts: () => AsyncGenerator<InferResponse>;
let ended = 0;

const numbers = (...values: readonly number[]) => wholeReply("m", "1", { outputs: [int32("y", ...values)] });
const pieces = (text: string) =>
  wholeReply("m", "1", { outputs: [opaqueTensor("y", Buffer.from(text), { contentType: "text/plain" })] });
async function* some(...all: readonly (InferResponse | Error)[]): AsyncGenerator<InferResponse> {
  try {
    for (const one of all) {
      if (one instanceof Error) throw one;
      yield one;
    }
  } finally {
    ended += 1;
  }
}

beforeAll(async () => {
  const fake = fakeBackend();
  const service = async () => ({ kind: "stream" as const, parts: parts() });
  const x = { name: "x", datatype: "INT32", shape: [-1] } as const;
  fake.put("typed", "1", { service, inputs: [x], outputs: [{ ...x, name: "y" }] });
  fake.put("free", "1", { service });
  gateway = await startGateway({ yaml: "backends: {f: {kind: fake}}", kinds: [fake.kind] });
  caller = grpcCaller(gateway.grpcPort);
});
afterAll(async () => {
  caller.close();
  await gateway.close();
});
beforeEach(() => {
  ended = 0;
});
// whatever the front did with it
afterEach(async () => {
  await until(() => ended === 1);
  const after = await gateway.metrics();
  expect(after.sum("sluice_in_flight_requests")).toBe(0);
});

interface Told {
  /** The texts of what came, a part each. */
  readonly parts: readonly string[];
  /** What went wrong, in the front's words. */
  readonly fault?: string;
}

const post = async (path: string, body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}) => {
  const answer = await gateway.ask({ method: "POST", path, body, headers });
  return { ...answer, text: `${answer.body}` };
};

const rest =
  (path: (model: string) => string, body: string) =>
  async (model: string): Promise<Told> => {
    const { status, text } = await post(path(model), body, { "content-type": "application/json" });
    return status === 200 ? { parts: [text] } : { parts: [], fault: text };
  };

const grpc =
  (method: string, message: (model: string) => Uint8Array, read: (answer: Buffer) => string) =>
  async (model: string): Promise<Told> => {
    const { code, details, messages } = await caller.ask({ method, messages: [message(model)] });
    return { parts: messages.map(read), ...(code === 0 ? {} : { fault: details }) };
  };

const X = int32("x", 3);
const torchserve = (name: string) =>
  predictionsRequest.encode({
    model: name,
    version: "",
    input: new Map([["data", Buffer.from("[3]")]]),
    sequenceId: undefined,
  });
const prediction = (answer: Buffer) => Buffer.from(predictionResponse.decode(answer).prediction).toString();
const predict = (name: string) =>
  runNow(encodeRequest({ model: { name, signature: "" }, inputs: [X], outputs: [] }, { form: "typed" }));
const values = (tensor: Tensor | undefined) => JSON.stringify(ints(tensor));
const tfs = (answer: Buffer) => values(runNow(decodeResponse(answer, { maxTensors: 9 })).outputs[0]);
const oip = (answer: Buffer) => {
  const part = streamAnswer(answer);
  return part.kind === "answer" ? values(part.response.outputs[0]) : part.message;
};

async function frames(model: string): Promise<Told> {
  const { status, body, text } = await post(`/endpoints/${model}/invocations-response-stream`, "[3]", {
    "content-type": "application/json",
  });
  if (status !== 200) return { parts: [], fault: text };
  const told: string[] = [];
  for await (const frame of decodeFrames(some1(body))) {
    const event = decodeEvent(frame);
    if (event.kind === "error") return { parts: told, fault: event.message };
    told.push(Buffer.from(event.bytes).toString());
  }
  return { parts: told };
}

async function* some1(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function events(model: string): Promise<Told> {
  const told = await rest((name) => `/v2/models/${name}/generate_stream`, '{"x":[3]}')(model);
  return { ...told, parts: told.parts.flatMap((text) => [...text.matchAll(/data: (.*)\n\n/g)].map(([, one]) => one!)) };
}

/** Fronts without room for parts, and what the numbers 0, 1, 2 look like put together. */
const WHOLE: readonly (readonly [string, (model: string) => Promise<Told>, string])[] = [
  ["tfs-rest", rest((name) => `/v1/models/${name}:predict`, '{"inputs":[3]}'), '{"outputs":[0,1,2]}'],
  ["v1-models, by row", rest((name) => `/v1/models/${name}:predict`, '{"instances":[3]}'), '{"predictions":[0,1,2]}'],
  ["tfs-grpc", grpc("/tensorflow.serving.PredictionService/Predict", predict, tfs), "[0,1,2]"],
  ["sagemaker", rest((name) => `/endpoints/${name}/invocations`, "[3]"), "[0,1,2]"],
  ["sagemaker-container", rest((name) => `/models/${name}/invoke`, "[3]"), "[0,1,2]"],
  ["torchserve-grpc, Predictions", grpc(`${SERVICE}/Predictions`, torchserve, prediction), "[0,1,2]"],
];

const STREAMS: readonly (readonly [string, (model: string) => Promise<Told>, readonly string[]])[] = [
  ["generate_stream", events, [0, 1, 2].map((i) => `{"model_name":"typed","model_version":"1","y":${i}}`)],
  ["ModelStreamInfer", grpc("ModelStreamInfer", (model) => inferMessage({ model, inputs: [X] }), oip), []],
  ["sagemaker, response stream", frames, []],
  ["torchserve-grpc, StreamPredictions", grpc(`${SERVICE}/StreamPredictions`, torchserve, prediction), []],
];

const compact = (text: string) => text.replace(/\s/g, "");

describe.each(WHOLE)("%s", (_, ask, joined) => {
  test("puts the rows of the parts together", async () => {
    parts = () => some(numbers(0), numbers(1), numbers(2));
    const { parts: got, fault } = await ask("typed");
    expect([got.map(compact), fault]).toEqual([[joined], undefined]);
  });

  test("refuses a stream that ends without a part, and takes one that ends with Triton's empty one", async () => {
    parts = () => some();
    expect((await ask("typed")).fault).toMatch(/in a stream, which ended without a part; .* carries it/);
    await until(() => ended === 1);
    ended = 0;
    parts = () => some(numbers(0), numbers(1, 2), wholeReply("m", "1"));
    expect((await ask("typed")).parts.map(compact)).toEqual([joined]);
  });

  test("says the fault of a stream that fails on its way", async () => {
    parts = () => some(numbers(0), new InferError("bad-backend", "out of words"));
    expect(await ask("typed")).toMatchObject({ parts: [], fault: expect.stringContaining("out of words") });
  });

  test("refuses parts that do not fit together, saying who carries them", async () => {
    parts = () => some(numbers(0), pieces("a"), numbers(1));
    const { parts: got, fault } = await ask("typed");
    expect([got, fault]).toEqual([
      [],
      expect.stringMatching(/parts do not fit together: .*INT32\[1\], then .*text.plain; .* carries it/),
    ]);
  });

  test("holds no more of an endless stream than the bound, and ends it", async () => {
    const data = new Uint8Array(MAX_COLLECTED_BYTES / 4);
    let asked = 0;
    async function* endless() {
      try {
        for (; ; asked += 1)
          yield wholeReply("m", "1", { outputs: [{ ...X, name: "y", shape: [data.length / 4], data }] });
      } finally {
        ended += 1;
      }
    }
    parts = endless;
    expect((await ask("typed")).fault).toMatch(/at most 67108864 bytes and 65536 parts to put together, got more/);
    // the one beyond the bound, and one more that ends it
    expect(asked).toBe(5);
  });
});

describe.each(STREAMS)("%s", (_, ask, expected) => {
  test("hands on part by part", async () => {
    parts = () => some(numbers(0), numbers(1), numbers(2));
    const { parts: got, fault } = await ask("typed");
    const wanted = expected.length > 0 ? expected : ["[0]", "[1]", "[2]"];
    expect([got.map(compact), fault]).toEqual([wanted, undefined]);
  });
});

test.each([
  ["KServe V1", rest((name) => `/v1/models/${name}:predict`, '{"prompt":"x"}')],
  ["sagemaker", rest((name) => `/endpoints/${name}/invocations`, "x")],
  ["torchserve-grpc", grpc(`${SERVICE}/Predictions`, torchserve, prediction)],
])("%s puts the pieces of a text one behind the other", async (_, ask) => {
  parts = () => some(pieces("bon"), pieces("jour"), pieces(""));
  expect(await ask("free")).toEqual({ parts: ["bonjour"] });
});

describe("a container", () => {
  const typed = (type: string, accept = type) =>
    gateway.ask({
      method: "POST",
      path: "/models/typed/invoke",
      body: "[3]",
      headers: { "content-type": type, accept },
    });

  test("streams the pieces of a payload in chunks, with the type of the first", async () => {
    parts = () => some(pieces("bon"), pieces("jour"));
    const answer = await gateway.ask({ method: "POST", path: "/models/free/invoke", body: "x" });
    expect([
      answer.status,
      answer.headers["transfer-encoding"],
      answer.headers["content-type"],
      `${answer.body}`,
    ]).toEqual([200, "chunked", "text/plain", "bonjour"]);
  });

  test("hands the first piece on before there is a second", async () => {
    let go = () => {};
    const more = new Promise<void>((resolve) => {
      go = resolve;
    });
    parts = async function* () {
      try {
        yield pieces("bon");
        await more;
        yield pieces("jour");
      } finally {
        ended += 1;
      }
    };
    const came: string[] = [];
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/models/free/invoke`, { method: "POST", body: "x" });
    for await (const chunk of answer.body!) {
      came.push(Buffer.from(chunk).toString());
      go();
    }
    expect(came).toEqual(["bon", "jour"]);
  });

  test.each([
    ["text/csv", "0\n1\n"],
    ["application/jsonlines", "0\n1\n"],
  ])("streams rows as lines of %s", async (type, text) => {
    parts = () => some(numbers(0), numbers(1));
    const answer = await typed("application/json", type);
    expect([answer.headers["transfer-encoding"], `${answer.body}`]).toEqual(["chunked", text]);
  });

  test("gives a fault before the first piece its status, and breaks the connection off behind it", async () => {
    parts = () => some(new InferError("bad-backend", "out of words"));
    const early = await gateway.ask({ method: "POST", path: "/models/free/invoke", body: "x" });
    expect([early.status, `${early.body}`]).toEqual([503, expect.stringContaining("out of words")]);
    await until(() => ended === 1);
    ended = 0;
    parts = () => some(pieces("bon"), new InferError("bad-backend", "out of words"));
    await expect(gateway.ask({ method: "POST", path: "/models/free/invoke", body: "x" })).rejects.toThrow();
  });
});

// as Triton does
test.each([
  [
    "infer",
    rest((name) => `/v2/models/${name}/infer`, '{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":[3]}]}'),
  ],
  ["ModelInfer", grpc("ModelInfer", (model) => inferMessage({ model, inputs: [X] }), String)],
])("%s refuses a stream, naming who carries it, and gives it back", async (_, ask) => {
  const before = (await gateway.metrics()).sum("sluice_requests_total", { code: "unsupported" });
  parts = () => some(numbers(0), numbers(1));
  expect(await ask("typed")).toEqual({ parts: [], fault: expect.stringMatching(/in a stream.*ModelStreamInfer/) });
  await until(() => ended === 1);
  expect((await gateway.metrics()).sum("sluice_requests_total", { code: "unsupported" })).toBe(before + 1);
});
