// TensorFlow Serving's REST protocol against a whole gateway.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { floatsIn, type RowGateway, rowGateway } from "../../support/gateway-rows.ts";

let rows: RowGateway;
let before = 0;
beforeAll(async () => {
  rows = await rowGateway();
});
beforeEach(() => {
  before = rows.asked.length;
});
afterAll(() => rows.gateway.close());

const requests = () => rows.asked.slice(before).map(({ request }) => request);

describe(":predict", () => {
  // Source: tensorflow/serving, tensorflow_serving/g3doc/api_rest.md (half_plus_two)
  test("answers the documentation's example, whole floats with their fraction", async () => {
    const answer = await rows.post("/v1/models/half:predict", '{"instances": [1.0, 2.0, 5.0]}');
    expect(answer).toMatchObject({ status: 200, text: '{"predictions":[2.5,3.0,4.5]}' });
    expect(answer.headers["content-type"]).toBe("application/json");
    const [{ inputs, ...asked }] = requests() as [ReturnType<typeof requests>[number]];
    expect(inputs).toMatchObject([{ name: "x", datatype: "FP32", shape: [3] }]);
    expect(asked).toEqual({
      model: { name: "half", select: { by: "version", version: "3" } },
      task: "infer",
      parameters: new Map(),
      stream: false,
    });
  });

  test.each([
    [{ instances: [{ x: 1 }, { x: 2 }] }, '{"predictions":[2.5,3.0]}'],
    [{ inputs: [1, 2] }, '{"outputs":[2.5,3.0]}'],
    [{ inputs: { x: [1, 2], other: "ignored" } }, '{"outputs":[2.5,3.0]}'],
    [{ signature_name: "", inputs: [1] }, '{"outputs":[2.5]}'],
    [{ signature_name: "serving_default", instances: [1] }, '{"predictions":[2.5]}'],
    [{ instances: [1], signature_name: "serving_default" }, '{"predictions":[2.5]}'],
    ['{"instances":[NaN,-Infinity,Infinity]}', '{"predictions":[NaN,-Infinity,Infinity]}'],
    [{ instances: [0.1, 1e10, 123456.789] }, '{"predictions":[2.05,5e+09,61730.3945]}'],
  ])("%j is answered %s", async (body, text) => {
    expect(await rows.post("/v1/models/half:predict", body)).toMatchObject({ status: 200, text });
  });

  test("rows of several inputs are objects both ways, in the signature's order", async () => {
    const text = '{"instances":[{"a":[1,2],"b":9007199254740993},{"b":7,"a":[3,4.5]}]}';
    expect(await rows.post("/v1/models/pair:predict", text)).toMatchObject({
      status: 200,
      text: '{"predictions":[{"b":9007199254740993,"a":[1.0,2.0]},{"b":7,"a":[3.0,4.5]}]}',
    });
  });

  test("columns of several inputs are lists of their own", async () => {
    expect(await rows.post("/v1/models/pair:predict", { inputs: { a: [[1, 2]], b: [5, 6] } })).toMatchObject({
      status: 200,
      text: '{"outputs":{"b":[5,6],"a":[[1.0,2.0]]}}',
    });
  });

  test("strings come as text or b64, and go as b64 where the output's name ends in _bytes", async () => {
    const body = { instances: ["é", { b64: Buffer.from("ab").toString("base64") }] };
    expect(await rows.post("/v1/models/words:predict", body)).toMatchObject({
      status: 200,
      text: '{"predictions":[{"t":"é","raw_bytes":{"b64":"w6k="}},{"t":"ab","raw_bytes":{"b64":"YWI="}}]}',
    });
  });

  test("a string that is no UTF-8 is refused where its output's name does not end in _bytes", async () => {
    const body = { inputs: [{ b64: Buffer.from([0xff, 0]).toString("base64") }] };
    const answer = await rows.post("/v1/models/words:predict", body);
    expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
    expect(answer.text).toMatch(/output \\"t\\".*UTF-8/);
  });

  test("without a signature the values tell their types", async () => {
    await rows.post("/v1/models/echo:predict", { instances: [{ a: 1, b: 1.5, c: "x", d: true }] });
    expect(requests()[0]?.inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual([
      ["a", "INT64", [1]],
      ["b", "FP32", [1]],
      ["c", "BYTES", [1]],
      ["d", "BOOL", [1]],
    ]);
  });

  test.each([
    ["versions/1", "1"],
    ["versions/2", "2"],
    ["versions/0", "3"],
    ["labels/stable", "2"],
    ["labels/canary", "3"],
  ])("%s names the version %s", async (path, version) => {
    expect((await rows.post(`/v1/models/half/${path}:predict`, { instances: [1] })).status).toBe(200);
    expect(requests()[0]?.model.select).toEqual({ by: "version", version });
    expect(floatsIn(requests()[0]?.inputs[0])).toEqual([1]);
  });

  test("a gzipped body is inflated", async () => {
    const { gzipSync } = await import("node:zlib");
    const body = gzipSync('{"instances":[1]}');
    const answer = await rows.post("/v1/models/half:predict", body, { "content-encoding": "gzip" });
    expect(answer).toMatchObject({ status: 200, text: '{"predictions":[2.5]}' });
  });
});

describe("refusals", () => {
  test.each([
    ["/v1/models/nope:predict", 404, "Servable not found for request: Latest(nope)"],
    ["/v1/models/half/versions/9:predict", 404, "Servable not found for request: Specific(half, 9)"],
    ["/v1/models/half/labels/x:predict", 400, "Unrecognized servable version label: x"],
    [
      "/v1/models/half/versions/99999999999999999999:predict",
      400,
      "Failed to convert version: 99999999999999999999 to numeric.",
    ],
    ["/v1/models/half:PREDICT", 400, "Malformed request: POST /v1/models/half:PREDICT"],
    ["/v1/models/half", 400, "Malformed request: POST /v1/models/half"],
    ["/v1/models/half/nothing/1:predict", 400, "Malformed request: POST /v1/models/half/nothing/1:predict"],
  ])("POST %s is %i %s", async (path, status, error) => {
    const answer = await rows.post(path, { instances: [1] });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { error }]);
    expect(answer.headers["sluice-error-origin"]).toBe("client");
  });

  test("a mistake in the body comes before a model that is not there", async () => {
    expect((await rows.post("/v1/models/nope/versions/1:predict", "")).status).toBe(400);
    expect((await rows.post("/v1/models/nope:predict", "{")).status).toBe(400);
  });

  test.each([
    ["", /empty body/],
    ["[]", /object/],
    ["{}", /neither/],
    [{ instances: [1], inputs: [1] }, /both/],
    [{ instances: [] }, /rows/],
    [{ instances: 1 }, /list/],
    [{ instances: ["a"] }, /"x"/],
    [{ instances: [{ y: 1 }] }, /x/],
    [{ instances: [1, [2]] }, /"x"/],
    [{ signature_name: 1, instances: [1] }, /signature_name/],
    [{ signature_name: "other", instances: [1] }, /Serving signature name: "other" not found in signature def/],
    ['{"instances":[1]} trailing', /end of the text/],
  ])("%j is a 400", async (body, error) => {
    const answer = await rows.post("/v1/models/half/versions/3:predict", body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).error).toMatch(error);
    expect(requests()).toHaveLength(0);
  });

  test("a model that is not ready is a 503", async () => {
    const answer = await rows.post("/v1/models/slow:predict", { instances: [1] });
    expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([503, "backend"]);
  });
});

describe("signatures and tasks of TensorFlow", () => {
  test("a name of another signature is passed on to a model of TensorFlow", async () => {
    await rows.post("/v1/models/tensorflow:predict", { signature_name: "other", inputs: { x: [1.5] } });
    expect(requests()[0]).toMatchObject({ signature: "other", inputs: [{ name: "x", datatype: "FP32" }] });
  });

  test(":classify gives labels and scores for each example, the context in all of them", async () => {
    const body = { context: { c: 1 }, examples: [{ a: 1.5 }, { a: 2.5, c: 2 }] };
    expect(await rows.post("/v1/models/tensorflow:classify", body)).toMatchObject({
      status: 200,
      text: '{"results":[[["c0",0.0],["c1",0.5]],[["c2",1.0],["c3",1.5]]]}',
    });
    expect(requests()[0]).toMatchObject({ task: "classify", inputs: [{ datatype: "BYTES", shape: [2] }] });
  });

  test(":regress gives a value for each example", async () => {
    expect(await rows.post("/v1/models/tensorflow/versions/7:regress", { examples: [{ a: 1 }, {}] })).toMatchObject({
      status: 200,
      text: '{"results":[0.0,0.5]}',
    });
  });
});

describe("documents", () => {
  test("a version's status, whatever label is asked for all of them, newest first", async () => {
    const one = (version: string) => ({
      version,
      state: "AVAILABLE",
      status: { error_code: "OK", error_message: "" },
    });
    const versionOne = await rows.get("/v1/models/half/versions/1");
    expect(JSON.parse(versionOne.text)).toEqual({ model_version_status: [one("1")] });
    const byLabel = await rows.get("/v1/models/half/labels/whatever");
    expect(JSON.parse(byLabel.text)).toEqual({ model_version_status: ["3", "2", "1"].map(one) });
  });

  test("every signature that a model of TensorFlow has, under its own name and method", async () => {
    const { text } = await rows.get("/v1/models/tensorflow/metadata");
    const { signature_def } = JSON.parse(text).metadata.signature_def;
    expect(Object.keys(signature_def)).toEqual(["serving_default", "classify_x"]);
    expect(signature_def.classify_x).toMatchObject({
      inputs: { inputs: { dtype: "DT_STRING", tensor_shape: { dim: [{ size: "-1" }] } } },
      method_name: "tensorflow/serving/classify",
    });
  });

  test.each([
    ["/v1/models/nope/versions/1", 404, "Could not find any versions of model nope"],
    ["/v1/models/half/versions/9", 404, "Could not find version 9 of model half"],
    ["/v1/models/nope/metadata", 404, "Servable not found for request: Latest(nope)"],
    ["/v1/models/half/labels/x/metadata", 400, "Unrecognized servable version label: x"],
    ["/v1/models/half/what/ever", 400, "Malformed request: GET /v1/models/half/what/ever"],
  ])("GET %s is %i %s", async (path, status, error) => {
    const answer = await rows.get(path);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([status, { error }]);
  });

  test("metadata have the model's own signature as serving_default", async () => {
    const answer = await rows.get("/v1/models/half/labels/stable/metadata");
    const info = (name: string) => ({
      dtype: "DT_FLOAT",
      tensor_shape: { dim: [{ size: "-1", name: "" }], unknown_rank: false },
      name: `${name}:0`,
    });
    expect(JSON.parse(answer.text)).toEqual({
      model_spec: { name: "half", signature_name: "", version: "2" },
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: {
              inputs: { x: info("x") },
              outputs: { y: info("y") },
              method_name: "tensorflow/serving/predict",
              defaults: {},
            },
          },
        },
      },
    });
  });
});
