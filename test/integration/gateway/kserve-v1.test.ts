// KServe's V1 protocol, and the paths that it shares with TensorFlow Serving, against a whole gateway.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bytesElements } from "../../../core/tensor.ts";
import { type Answered, type RowGateway, rowGateway } from "../../support/gateway-rows.ts";

const MODELS = `models:
  half: {backend: local}
  pair: {backend: local}
  echo: {backend: local}
  slow: {backend: local}
  half-tfs: {backend: local, model: half, dialect: tf-serving}
  half-kserve: {backend: local, model: half, dialect: kserve-v1}
  slow-tfs: {backend: local, model: slow, dialect: tf-serving}
  slow-kserve: {backend: local, model: slow, dialect: kserve-v1}
  echo-kserve: {backend: local, model: echo, dialect: kserve-v1}
  declared: {versions: {"5": {backend: local, model: half, version: 1}, "6": {backend: local, model: slow}}}
  echo-torchserve: {backend: local, model: echo, dialect: torchserve}
`;

let rows: RowGateway;
let before = 0;
beforeAll(async () => {
  rows = await rowGateway(MODELS);
});
beforeEach(() => {
  before = rows.asked.length;
});
afterAll(() => rows.gateway.close());

const requests = () => rows.asked.slice(before).map(({ request }) => request);
const jsonOf = ({ text }: Answered): unknown => JSON.parse(text);
const onlyText = () => {
  const [input] = requests()[0]?.inputs ?? [];
  return [...bytesElements(input!.data)].map((one) => Buffer.from(one).toString());
};

const available = (version: string) => ({
  version,
  state: "AVAILABLE",
  status: { error_code: "OK", error_message: "" },
});
const loading = {
  version: "1",
  state: "LOADING",
  status: { error_code: "UNKNOWN", error_message: "still loading" },
};

describe("documents", () => {
  test("the server says that it is alive", async () => {
    expect(jsonOf(await rows.get("/"))).toEqual({ status: "alive" });
  });

  test("the list has every model by its name", async () => {
    const { models } = jsonOf(await rows.get("/v1/models")) as { readonly models: readonly string[] };
    expect(models).toEqual([...MODELS.matchAll(/^ {2}([\w-]+):/gm)].map(([, name]) => name));
  });

  test.each([
    ["half", 200, { name: "half", ready: true, model_version_status: ["3", "2", "1"].map(available) }],
    ["slow", 503, { name: "slow", ready: false, model_version_status: [loading] }],
    ["half-tfs", 200, { model_version_status: ["3", "2", "1"].map(available) }],
    ["slow-tfs", 200, { model_version_status: [loading] }],
    ["half-kserve", 200, { name: "half-kserve", ready: true }],
    ["slow-kserve", 503, { error: "Model with name slow-kserve is not ready." }],
    [
      "declared",
      200,
      {
        name: "declared",
        ready: true,
        model_version_status: [
          {
            version: "6",
            state: "END",
            status: { error_code: "UNKNOWN", error_message: 'on "local" loading: still loading' },
          },
          available("5"),
        ],
      },
    ],
    ["nope", 404, { error: "Model with name nope does not exist." }],
  ])("GET /v1/models/%s is %i", async (name, status, body) => {
    const answer = await rows.get(`/v1/models/${name}`);
    expect([answer.status, jsonOf(answer)]).toEqual([status, body]);
  });
});

describe(":predict by what the body is", () => {
  test("rows are answered alike, whoever asks", async () => {
    for (const name of ["half", "half-tfs", "half-kserve"]) {
      const answer = await rows.post(`/v1/models/${name}:predict`, { instances: [1, 2] });
      expect([name, answer.status, answer.text]).toEqual([name, 200, '{"predictions":[2.5,3.0]}']);
    }
    expect(rows.asked.slice(before).map(({ call }) => call.protocol)).toEqual(["tfs-rest", "tfs-rest", "kserve-v1"]);
  });

  test("columns and signatures are TensorFlow Serving's, and KServe's `inputs` are rows where the config says so", async () => {
    expect((await rows.post("/v1/models/half:predict", { inputs: [1] })).text).toBe('{"outputs":[2.5]}');
    expect((await rows.post("/v1/models/half-kserve:predict", { inputs: [1] })).text).toBe('{"predictions":[2.5]}');
  });

  test("an object without rows goes as it is to a model whose inputs nobody tells", async () => {
    const body = '{"prompt": "hi",  "n": 9007199254740993}';
    const answer = await rows.post("/v1/models/echo:predict", body, { "content-type": "application/json" });
    expect(answer).toMatchObject({ status: 200, text: body });
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(requests()[0]?.inputs[0]?.parameters).toEqual(new Map([["content_type", "application/json"]]));
    expect(onlyText()).toEqual([body]);
  });

  test("where the inputs are known, an object without rows is refused", async () => {
    const answer = await rows.post("/v1/models/half:predict", { prompt: "hi" });
    expect([answer.status, jsonOf(answer)]).toEqual([400, { error: "expected instances, got none" }]);
  });

  test("a model with TorchServe's dialect gets any body as it is", async () => {
    const body = Buffer.from([0xff, 0xd8, 0xff, 0]);
    const answer = await rows.post("/v1/models/echo-torchserve:predict", body, { "content-type": "image/jpeg" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "image/jpeg"]);
    expect(requests()[0]?.inputs[0]).toMatchObject({ datatype: "BYTES", shape: [1] });
    const rowsBody = '{"instances":[1]}';
    expect(await rows.post("/v1/models/echo-torchserve:predict", rowsBody)).toMatchObject({ text: rowsBody });
  });

  test.each([
    ["half", "", 400],
    ["half", "{", 400],
    ["half-kserve", "{", 400],
    ["half-kserve", "[1]", 400],
    ["half-kserve", { instances: ["a"] }, 400],
    ["half-kserve", { instances: [], inputs: [] }, 400],
    ["nope", { instances: [1] }, 404],
    ["nope", { other: 1 }, 404],
    ["slow-kserve", { instances: [1] }, 503],
  ])("%s with %j is %i", async (name, body, status) => {
    const answer = await rows.post(`/v1/models/${name}:predict`, body);
    expect(answer.status).toBe(status);
    expect(Object.keys(jsonOf(answer) as object)).toEqual(["error"]);
    expect(requests()).toHaveLength(0);
  });

  test("infinities that a model gives are refused, where KServe itself would write null", async () => {
    const answer = await rows.post("/v1/models/half-kserve:predict", '{"instances":[Infinity]}');
    expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
    expect(answer.text).toMatch(/Infinity/);
  });
});

test(":explain passes any body, and any answer, as they are", async () => {
  const body = '{"instances": [[1, 2]], "top": 3}';
  const answer = await rows.post("/v1/models/half:explain", body);
  expect(requests()[0]).toMatchObject({ task: "explain", inputs: [{ datatype: "BYTES", shape: [1] }] });
  expect(onlyText()).toEqual([body]);
  // `half` is no model that explains
  expect(answer.status).toBe(400);
  expect(await rows.post("/v1/models/echo:explain", body)).toMatchObject({ status: 200, text: body });
  expect((await rows.post("/v1/models/nope:explain", body)).status).toBe(404);
});

describe("CloudEvents", () => {
  const binary = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "36077800",
    "ce-source": "https://example.com/event-producer",
    "ce-type": "com.example.sampletype1",
  };
  const event = { specversion: "1.0", id: "1", source: "s", type: "t", time: "2021-01-28T21:04:43Z" };

  test("a binary event is answered by one", async () => {
    const answer = await rows.post("/v1/models/half:predict", { instances: [1] }, { ...binary, "x-request-id": "r1" });
    expect(answer).toMatchObject({ status: 200, text: '{"predictions":[2.5]}' });
    expect(answer.headers).toMatchObject({
      "content-type": "application/json",
      "ce-specversion": "1.0",
      "ce-id": "r1",
      "ce-source": "io.kserve.inference.half",
      "ce-type": "io.kserve.inference.response",
    });
    expect(answer.headers["ce-time"]).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test("without one of the four headers it is an ordinary request", async () => {
    for (const name of ["ce-id", "ce-source", "ce-type", "ce-specversion"] as const) {
      const { [name]: _, ...rest } = binary as Readonly<Record<string, string>>;
      const answer = await rows.post("/v1/models/half:predict", { instances: [1] }, rest);
      expect([answer.status, answer.headers["ce-type"]]).toEqual([200, undefined]);
    }
  });

  test("a structured event is answered by one, its data read where they stand", async () => {
    const body = JSON.stringify({ ...event, data: { instances: [1, 2] }, datacontenttype: "application/json" });
    const answer = await rows.post("/v1/models/half:predict", body, {
      "content-type": "application/cloudevents+json; charset=utf-8",
      "x-request-id": "r2",
    });
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/cloudevents+json"]);
    expect(jsonOf(answer)).toEqual({
      specversion: "1.0",
      id: "r2",
      source: "io.kserve.inference.half",
      type: "io.kserve.inference.response",
      time: expect.stringMatching(/Z$/),
      data: { predictions: [2.5, 3] },
    });
  });

  test.each([
    [{ ...event, data: undefined }, /data/],
    [{ ...event, id: undefined, data: {} }, /id/],
    [{ ...event, id: 5, data: {} }, /id/],
    [{ ...event, specversion: "0.3", data: {} }, /specversion: expected 1.0, got 0.3/],
    [{ ...event, data_base64: "e30=" }, /data_base64/],
    [{ ...event, data: { other: 1 } }, /instances/],
    ["[]", /object/],
  ])("%j is a 400 without an event around it", async (body, error) => {
    const answer = await rows.post("/v1/models/half:predict", body, { "content-type": "application/cloudevents+json" });
    expect([answer.status, answer.headers["content-type"]]).toEqual([400, "application/json"]);
    expect((jsonOf(answer) as { readonly error: string }).error).toMatch(error);
  });

  test("events of a caller's own form go as they are", async () => {
    const body = JSON.stringify({ ...event, data: { a: [1, 2] } });
    const answer = await rows.post("/v1/models/echo:predict", body, { "content-type": "application/cloudevents+json" });
    expect(onlyText()).toEqual(['{"a":[1,2]}']);
    expect((jsonOf(answer) as { readonly data: unknown }).data).toEqual({ a: [1, 2] });
  });
});
