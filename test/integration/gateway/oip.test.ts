// The Open Inference Protocol over HTTP, route by route, with the demo models.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestGateway } from "../../support/gateway.ts";
import { chance, randomInputs, startDemo } from "../../support/gateway-demo.ts";
import { binaryBody, elements, jsonBody, plain, readInfer } from "../../support/gateway-oip.ts";
import { rawSocket, requestBytes } from "../../support/raw-socket.ts";

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startDemo();
});

afterAll(() => gateway.close());

const DIGITS_SIGNATURE = {
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
  outputs: [
    { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
    { name: "digit", datatype: "INT64", shape: [-1] },
  ],
};

test.each([
  ["/v2", { name: "sluice", version: expect.any(String), extensions: expect.arrayContaining(["binary_tensor_data"]) }],
  ["/v2/", { name: "sluice", version: expect.any(String), extensions: expect.arrayContaining(["parameters"]) }],
  ["/v2/health/live", { live: true }],
  ["/v2/health/ready", { ready: true }],
  ["/v2/models/digits/ready", { name: "digits", ready: true }],
  ["/v2/models/digits/versions/1/ready", { name: "digits", ready: true }],
  ["/v2/models/digits", { name: "digits", versions: ["1", "2"], platform: "onnxruntime_onnx", ...DIGITS_SIGNATURE }],
  [
    "/v2/models/digits/versions/1",
    { name: "digits", versions: ["1", "2"], platform: "onnxruntime_onnx", ...DIGITS_SIGNATURE },
  ],
  [
    "/v2/models/add_sub",
    {
      name: "add_sub",
      versions: ["1"],
      platform: "onnxruntime_onnx",
      inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [-1, 16] })),
      outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, datatype: "INT32", shape: [-1, 16] })),
    },
  ],
  [
    "/v2/models/language",
    {
      name: "language",
      versions: ["1"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "text", datatype: "BYTES", shape: [-1] }],
      outputs: [
        { name: "label", datatype: "BYTES", shape: [-1] },
        { name: "probabilities", datatype: "FP32", shape: [-1, 24] },
      ],
    },
  ],
])("GET %s answers, and HEAD the same without the body", async (path, expected) => {
  const answer = await gateway.ask({ path });
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
  expect(answer.json<unknown>()).toEqual(expected);
  const head = await gateway.ask({ method: "HEAD", path });
  expect([head.status, head.body.byteLength]).toEqual([200, 0]);
  expect(head.headers["content-length"]).toBe(String(answer.body.byteLength));
});

test.each([
  ["GET", "/v2/models/nobody", 404],
  ["GET", "/v2/models/nobody/ready", 404],
  ["GET", "/v2/models/digits/versions/3", 404],
  ["GET", "/v2/models/digits/versions/3/ready", 404],
  ["GET", "/v2/models/digits/versions/abc", 404],
  ["GET", "/v2/models/digits/versions/-1/ready", 404],
  ["POST", "/v2/models/digits/versions/abc/infer", 404],
  ["POST", "/v2/models/digits/versions/3/infer", 404],
  ["POST", "/v2/models/nobody/infer", 404],
  ["GET", "/v2/models/digits/infer", 405],
  ["HEAD", "/v2/models/digits/infer", 405],
  ["POST", "/v2/health/live", 405],
  ["DELETE", "/v2/models/digits", 405],
  ["GET", "/v2/models/digits/nothing", 404],
  ["GET", "/v2/nothing", 404],
  ["GET", "/v9/models", 404],
])('%s %s is a %i as {"error": text} of the client\'s making', async (method, path, status) => {
  const body =
    method === "POST" ? jsonBody(randomInputs("digits", chance(1), { rows: 1, finite: true })).body : undefined;
  const answer = await gateway.ask({ method, path, ...(body === undefined ? {} : { body }) });
  expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([status, "client"]);
  if (method !== "HEAD") expect(answer.json<unknown>()).toEqual({ error: expect.stringMatching(/^\S.*[^.]$/s) });
  expect(answer.headers.allow !== undefined).toBe(status === 405);
});

test.each(["42", "ünïcødé 🐍", 'a"b\\c\n', " ", "0"])("the id %j comes back as it came", async (id) => {
  const inputs = randomInputs("add_sub", chance(2), { rows: 1 });
  const answer = await gateway.ask({ path: "/v2/models/add_sub/infer", ...jsonBody(inputs, { id }) });
  expect(answer.json<{ id: string }>().id).toBe(id);
});

test.each([undefined, ""])("without an id (%j) the answer has none", async (id) => {
  const inputs = randomInputs("add_sub", chance(2), { rows: 1 });
  const answer = await gateway.ask({
    path: "/v2/models/add_sub/infer",
    ...jsonBody(inputs, id === undefined ? {} : { id }),
  });
  expect(Object.keys(answer.json<object>())).toEqual(["model_name", "model_version", "outputs"]);
});

test("parameters that the model does not know change nothing", async () => {
  const inputs = randomInputs("iris", chance(3), { rows: 2, finite: true });
  const bare = readInfer(await gateway.ask({ path: "/v2/models/iris/infer", ...jsonBody(inputs) }));
  const parameters = { s: "t", n: 1.5, i: 7, b: true, priority: 3, sequence_id: 0, sluice_note: "x" };
  const given = readInfer(await gateway.ask({ path: "/v2/models/iris/infer", ...jsonBody(inputs, { parameters }) }));
  expect(given).toEqual(bare);
});

test("nested and flat data are the same tensor", async () => {
  const flat = Array.from({ length: 16 }, (_, index) => index);
  const nested = [flat.slice(0, 16)];
  const input = (name: string, data: unknown) => ({ name, shape: [1, 16], datatype: "INT32", data });
  const body = JSON.stringify({ inputs: [input("INPUT0", nested), input("INPUT1", flat)] });
  const answer = readInfer(await gateway.ask({ path: "/v2/models/add_sub/infer", body }));
  expect(elements(answer.outputs[0]!)).toEqual(flat.map((value) => value * 2));
});

test("a raw binary request to the digits comes back whole and binary", async () => {
  const [image] = randomInputs("digits", chance(4), { rows: 1, finite: true });
  const raw = await gateway.ask({
    path: "/v2/models/digits/infer",
    body: Buffer.from(image!.data),
    headers: { "inference-header-content-length": "0" },
  });
  const whole = await gateway.ask({ path: "/v2/models/digits/infer", ...binaryBody([image!]) });
  expect(readInfer(raw)).toEqual(readInfer(whole));
  expect(readInfer(raw).binary).toBe(true);
});

const ROW = Array.from({ length: 16 }, (_, index) => index);
const good = () => [plain("INPUT0", "INT32", [1, 16], ROW), plain("INPUT1", "INT32", [1, 16], ROW)];

test.each([
  ["an input too few", good().slice(1), {}, /INPUT0/],
  ["no inputs", [], {}, /INPUT0/],
  ["an input too many", [...good(), plain("INPUT2", "INT32", [1, 16], ROW)], {}, /INPUT2/],
  ["an input twice", [...good(), good()[0]!], {}, /INPUT0/],
  ["an input of another name", [good()[0]!, plain("input1", "INT32", [1, 16], ROW)], {}, /input1|INPUT1/],
  ["another datatype", [plain("INPUT0", "INT64", [1, 16], ROW), good()[1]!], {}, /INPUT0.*INT(32|64)/],
  ["another rank", [plain("INPUT0", "INT32", [16], ROW), good()[1]!], {}, /INPUT0/],
  ["another row", [plain("INPUT0", "INT32", [2, 8], ROW), good()[1]!], {}, /INPUT0/],
  ["an output that is not there", good(), { outputs: [{ name: "OUTPUT7" }] }, /OUTPUT7/],
  ["an output asked for twice", good(), { outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT0" }] }, /OUTPUT0/],
])("%s is a 400 that names it, as JSON and as binary", async (_what, inputs, beside, named) => {
  for (const body of [jsonBody(inputs, beside), binaryBody(inputs, beside)]) {
    const answer = await gateway.ask({ path: "/v2/models/add_sub/infer", ...body });
    expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([400, "client"]);
    expect(answer.json().error).toMatch(named);
  }
});

test("rows that disagree between inputs are the client's fault", async () => {
  const inputs = [plain("INPUT0", "INT32", [1, 16], ROW), plain("INPUT1", "INT32", [2, 16], [...ROW, ...ROW])];
  const answer = await gateway.ask({ path: "/v2/models/add_sub/infer", ...jsonBody(inputs) });
  // ONNX Runtime would broadcast [1,16] over [2,16]: what counts is that nobody is told it was the server
  expect([200, 400]).toContain(answer.status);
});

test("a text that ONNX Runtime would alter is refused, naming the input", async () => {
  const bytes = (hex: string) => ({ ...plain("text", "BYTES", [1], [""]), data: Buffer.from(hex, "hex") });
  for (const hex of ["03000000610062", "0200000061ff", "03000000eda080"]) {
    const answer = await gateway.ask({ path: "/v2/models/language/infer", ...binaryBody([bytes(hex)]) });
    expect([hex, answer.status]).toEqual([hex, 400]);
    expect(answer.json().error).toContain('"text"');
  }
});

test.each([
  "../digits",
  "%2e%2e%2fdigits",
  "..%2f..%2fetc%2fpasswd",
  "%2fetc%2fpasswd",
  "digits%00",
  "digits%2f1",
  "digits%5c1",
  "%E6%A8%A1%E5%9E%8B",
  "Digits",
  "digits%20",
  "%20digits",
  "__proto__",
  "constructor",
  ".",
  "a".repeat(4096),
])("the model name %s is not known, whatever is asked of it", async (name) => {
  for (const [method, path] of [
    ["GET", `/v2/models/${name}`],
    ["GET", `/v2/models/${name}/ready`],
    ["GET", `/v2/models/${name}/versions/1/ready`],
    ["POST", `/v2/models/${name}/infer`],
  ] as const) {
    const socket = await rawSocket(gateway.port);
    const body = method === "POST" ? jsonBody(good()).body : "";
    socket.send(requestBytes({ method, path, body }));
    const answer = await socket.answer();
    expect([path, answer.status]).toEqual([path, 404]);
    expect(Object.keys(JSON.parse(`${answer.body}`))).toEqual(["error"]);
    socket.reset();
  }
});

test("a name of 10 kB is a 414", async () => {
  expect((await gateway.ask({ path: `/v2/models/${"a".repeat(10_240)}/ready` })).status).toBe(414);
});

test.each([
  ["{", 400],
  ["", 400],
  ["[]", 400],
  ["null", 400],
  ['{"inputs":{}}', 400],
  ['{"inputs":[{"name":"INPUT0"}]}', 400],
  ['{"inputs":[],"inputs":[]}', 400],
  [`{"inputs":${"[".repeat(10_000)}`, 400],
  [`{"x":${"[".repeat(200)}${"]".repeat(200)},"inputs":[]}`, 400],
  [`{"inputs":[${Array(2000).fill('{"name":"a","shape":[1],"datatype":"INT8","data":[1]}').join(",")}]}`, 400],
  ['\ufeff{"inputs":[]}', 400],
])("the body %.40s is a %i", async (body, status) => {
  const answer = await gateway.ask({ path: "/v2/models/add_sub/infer", method: "POST", body });
  expect([answer.status, answer.headers["sluice-error-origin"]]).toEqual([status, "client"]);
});
