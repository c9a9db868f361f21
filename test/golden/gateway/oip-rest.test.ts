// Exact bytes of the Open Inference Protocol over HTTP, from its specifications and from real clients, against a whole gateway.

import { gzipSync, inflateSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Call } from "../../../core/call.ts";
import type { TensorSpec } from "../../../core/model.ts";
import type { InferRequest } from "../../../core/request.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { type FakeBackend, fakeBackend } from "../../support/gateway-fake-backend.ts";
import { plain } from "../../support/gateway-oip.ts";
import { rawSocket } from "../../support/raw-socket.ts";
import { wholeReply } from "../../support/scripted.ts";

let fake: FakeBackend;
let gateway: TestGateway;
/** What the model was asked, in turn. */
let asked: { readonly request: InferRequest; readonly call: Call }[];

beforeEach(async () => {
  fake = fakeBackend();
  asked = [];
  gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}", kinds: [fake.kind] });
});

afterEach(() => gateway.close());

function model(name: string, outputs: readonly Tensor[], inputs: readonly TensorSpec[] = []): void {
  fake.put(name, "1", {
    inputs,
    outputs: [],
    service: async (request, call) => {
      asked.push({ request, call });
      return wholeReply(name, "1", { outputs });
    },
  });
}

const hex = (data: Uint8Array) => Buffer.from(data).toString("hex");

/** Sends bytes as they stand in a document: `<n>` in the head is the length of the body behind the empty line. */
async function send(head: string, body: string | Uint8Array) {
  const socket = await rawSocket(gateway.port);
  const bytes = Buffer.from(body);
  const lines = head.trim().replace("<n>", String(bytes.byteLength)).replaceAll("\n", "\r\n");
  socket.send(Buffer.concat([Buffer.from(`${lines}\r\n\r\n`), bytes]));
  const answer = await socket.answer();
  socket.reset();
  return answer;
}

// Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md, "Inference Request Examples"
const EXAMPLE = (bools: string) => `{
      "id" : "42",
      "inputs" : [
        {
          "name" : "input0",
          "shape" : [ 2, 2 ],
          "datatype" : "UINT32",
          "data" : [ 1, 2, 3, 4 ]
        },
        {
          "name" : "input1",
          "shape" : [ 3 ],
          "datatype" : "BOOL",
          "data" : [ ${bools} ]
        }
      ],
      "outputs" : [
        {
          "name" : "output0"
        }
      ]
    }`;

const EXAMPLE_HEAD = `
POST /v2/models/mymodel/infer HTTP/1.1
Host: localhost:8000
Content-Type: application/json
Content-Length: <n>`;

test("the specification's example, its second input made whole, is answered as the specification has it", async () => {
  model("mymodel", [plain("output0", "FP32", [3, 2], [1.0, 1.1, 2.0, 2.1, 3.0, 3.1])]);
  const answer = await send(EXAMPLE_HEAD, EXAMPLE("true, false, true"));
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(`${answer.body}`).toBe(
    '{"id":"42","model_name":"mymodel","model_version":"1","outputs":[{"name":"output0","datatype":"FP32","shape":[3,2],"data":[1,1.1,2,2.1,3,3.1]}]}',
  );
  const [input0, input1] = asked[0]!.request.inputs;
  expect([input0?.name, input0?.datatype, input0?.shape, hex(input0!.data)]).toEqual([
    "input0",
    "UINT32",
    [2, 2],
    "01000000020000000300000004000000",
  ]);
  expect([input1?.name, input1?.datatype, input1?.shape, hex(input1!.data)]).toEqual(["input1", "BOOL", [3], "010001"]);
  expect(asked[0]?.request.outputs?.map((output) => output.name)).toEqual(["output0"]);
});

test("the specification's example as printed, one value for a shape of three, is refused by its numbers", async () => {
  model("mymodel", []);
  const answer = await send(EXAMPLE_HEAD, EXAMPLE("true"));
  expect(answer.status).toBe(400);
  expect(JSON.parse(`${answer.body}`).error).toMatch(/input "input1".*3.*1/);
  expect(asked).toHaveLength(0);
});

test("the binary extension's example is answered as the extension has it", async () => {
  // Source: triton-inference-server/server, docs/protocol/extension_binary_data.md, "Examples"
  model("mymodel", [plain("output0", "FP32", [3, 2], [1.0, 1.1, 2.0, 2.1, 3.0, 3.1])]);
  const json = `{
  "model_name" : "mymodel",
  "inputs" : [
    {
      "name" : "input0",
      "shape" : [ 2, 2 ],
      "datatype" : "UINT32",
      "parameters" : {
        "binary_data_size" : 16
      }
    },
    {
      "name" : "input1",
      "shape" : [ 3 ],
      "datatype" : "BOOL",
      "parameters" : {
        "binary_data_size" : 3
      }
    }
  ],
  "outputs" : [
    {
      "name" : "output0",
      "parameters" : {
        "binary_data" : true
      }
    }
  ]
}
`;
  const blobs = Buffer.from("01000000020000000300000004000000010001", "hex");
  const head = `
POST /v2/models/mymodel/infer HTTP/1.1
Host: localhost:8000
Content-Type: application/octet-stream
Inference-Header-Content-Length: ${json.length}
Content-Length: <n>`;
  const answer = await send(head, Buffer.concat([Buffer.from(json), blobs]));
  const expected =
    '{"model_name":"mymodel","model_version":"1","outputs":[{"name":"output0","datatype":"FP32","shape":[3,2],"parameters":{"binary_data_size":24}}]}';
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/octet-stream");
  expect(answer.headers.get("inference-header-content-length")).toBe(String(expected.length));
  expect(answer.headers.get("content-length")).toBe(String(expected.length + 24));
  expect(answer.body.toString("utf8", 0, expected.length)).toBe(expected);
  expect(hex(answer.body.subarray(expected.length))).toBe("0000803fcdcc8c3f0000004066660640000040406666464" + "0");
  expect(asked[0]?.request.inputs.map((input) => hex(input.data))).toEqual([
    "01000000020000000300000004000000",
    "010001",
  ]);
});

// Source of what follows: captures of tritonclient.http 2.x, its header names in lower case and without a content-type.
test("tritonclient's default: BYTES as a blob with every output asked for as a blob", async () => {
  model("m", [plain("Y", "BYTES", [2], ["a", "ÿ"])]);
  const json =
    '{"inputs":[{"name":"X","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}],"parameters":{"binary_data_output":true}}';
  expect(json).toHaveLength(134);
  const body = Buffer.concat([Buffer.from(json), Buffer.from("01000000610200000000ff", "hex")]);
  const head = `
POST /v2/models/m/infer HTTP/1.1
host: localhost:8000
inference-header-content-length: 134
content-length: <n>`;
  const answer = await send(head, body);
  expect(answer.status).toBe(200);
  const json2 =
    '{"model_name":"m","model_version":"1","outputs":[{"name":"Y","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}]}';
  expect(answer.headers.get("inference-header-content-length")).toBe(String(json2.length));
  expect(answer.body.toString("latin1", 0, json2.length)).toBe(json2);
  expect(hex(answer.body.subarray(json2.length))).toBe("010000006102000000c3bf");
  expect(hex(asked[0]!.request.inputs[0]!.data)).toBe("01000000610200000000ff");
});

test("tritonclient with binary_data=False: NaN and Infinity as bare words, no header, blobs asked for all the same", async () => {
  model("m", [plain("Y", "FP32", [3], [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])]);
  const json = (output: boolean) =>
    `{"inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","data":[NaN,Infinity]}],"parameters":{"binary_data_output":${output}}}`;
  const head = "POST /v2/models/m/infer HTTP/1.1\nhost: localhost:8000\ncontent-length: <n>";
  const blob = await send(head, json(true));
  expect(hex(blob.body.subarray(Number(blob.headers.get("inference-header-content-length"))))).toBe(
    "0000c07f0000807f000080ff",
  );
  expect(hex(asked[0]!.request.inputs[0]!.data)).toBe("0000c07f0000807f");
  const text = await send(head, json(false));
  expect(text.headers.get("inference-header-content-length")).toBe(undefined);
  expect(`${text.body}`).toContain('"data":[NaN,Infinity,-Infinity]');
});

test("tritonclient's strings as JSON, escapes and all", async () => {
  model("m", [plain("Y", "BYTES", [2], ["a", 'é"\\\n'])]);
  const body = '{"inputs":[{"name":"X","shape":[2],"datatype":"BYTES","data":["a","\\u00E9"]}]}';
  const answer = await send("POST /v2/models/m/infer HTTP/1.1\nhost: x\ncontent-length: <n>", body);
  expect(hex(asked[0]!.request.inputs[0]!.data)).toBe("010000006102000000c3a9");
  expect(JSON.parse(`${answer.body}`).outputs[0].data).toEqual(["a", 'é"\\\n']);
});

test("tritonclient's full set of options: what concerns the caller is lifted out, the rest reaches the model", async () => {
  model("m", [plain("Y", "INT32", [1], [7]), plain("Z", "FP32", [2], [0.25, 0.75])]);
  fake.put("m", "3", {
    service: async (request, call) => {
      asked.push({ request, call });
      return wholeReply("m", "3", { outputs: [plain("Y", "INT32", [1], [7]), plain("Z", "FP32", [2], [0.25, 0.75])] });
    },
  });
  const json =
    '{"id":"1","parameters":{"sequence_id":7,"sequence_start":true,"sequence_end":false,"priority":2,"timeout":5000000,"p":1.5,"s":"t"},"inputs":[{"name":"X","shape":[1],"datatype":"INT32","parameters":{"binary_data_size":4}}],"outputs":[{"name":"Y","parameters":{"binary_data":true}},{"name":"Z","parameters":{"classification":3,"binary_data":false}}]}';
  const head = `
POST /v2/models/m/versions/3/infer?q=1&q=2 HTTP/1.1
host: localhost:8000
inference-header-content-length: ${json.length}
content-length: <n>`;
  const answer = await send(head, Buffer.concat([Buffer.from(json), Buffer.from("2a000000", "hex")]));
  expect(answer.status).toBe(200);
  const { request, call } = asked[0]!;
  expect(request.parameters).toEqual(
    new Map<string, unknown>([
      ["p", 1.5],
      ["s", "t"],
    ]),
  );
  expect(request.outputs).toEqual([
    { name: "Y", parameters: new Map() },
    { name: "Z", parameters: new Map([["classification", 3n]]) },
  ]);
  expect(call.sequence).toEqual({ id: 7n, start: true, end: false });
  expect([call.priority, call.deadline - call.startedAt]).toEqual([2, expect.closeTo(5000, 6)]);
  expect(call.query.getAll("q")).toEqual(["1", "2"]);
  const length = Number(answer.headers.get("inference-header-content-length"));
  const said = JSON.parse(answer.body.toString("utf8", 0, length));
  expect(said).toEqual({
    id: "1",
    model_name: "m",
    model_version: "3",
    outputs: [
      { name: "Y", datatype: "INT32", shape: [1], parameters: { binary_data_size: 4 } },
      { name: "Z", datatype: "FP32", shape: [2], data: [0.25, 0.75] },
    ],
  });
  expect(hex(answer.body.subarray(length))).toBe("07000000");
});

test("a gzip request and a deflate answer: both header lengths count uncompressed bytes", async () => {
  model("m", [plain("Y", "FP32", [400], Array(400).fill(0.5))]);
  const json =
    '{"inputs":[{"name":"X","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}}';
  const head = `
POST /v2/models/m/infer HTTP/1.1
host: localhost:8000
content-encoding: gzip
accept-encoding: deflate
inference-header-content-length: ${json.length}
content-length: <n>`;
  const answer = await send(head, gzipSync(Buffer.concat([Buffer.from(json), Buffer.from("0000803f00000040", "hex")])));
  expect([answer.status, answer.headers.get("content-encoding")]).toEqual([200, "deflate"]);
  const whole = inflateSync(answer.body);
  const length = Number(answer.headers.get("inference-header-content-length"));
  expect(JSON.parse(whole.toString("utf8", 0, length)).outputs[0].parameters).toEqual({ binary_data_size: 1600 });
  expect(whole.byteLength - length).toBe(1600);
  expect(hex(asked[0]!.request.inputs[0]!.data)).toBe("0000803f00000040");
});

test("an input of no elements has a blob of 0 bytes, and outputs without bytes come without the header", async () => {
  model("m", [plain("Y", "FP32", [0, 3], [])]);
  const json =
    '{"inputs":[{"name":"X","shape":[0,4],"datatype":"FP32","parameters":{"binary_data_size":0}}],"parameters":{"binary_data_output":true}}';
  const head = `POST /v2/models/m/infer HTTP/1.1\nhost: x\ninference-header-content-length: ${json.length}\ncontent-length: <n>`;
  const answer = await send(head, json);
  expect([answer.status, answer.headers.get("inference-header-content-length")]).toEqual([200, undefined]);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(`${answer.body}`).toBe(
    '{"model_name":"m","model_version":"1","outputs":[{"name":"Y","datatype":"FP32","shape":[0,3],"parameters":{"binary_data_size":0}}]}',
  );
  expect(asked[0]?.request.inputs[0]).toMatchObject({ shape: [0, 4], data: { byteLength: 0 } });
});

test("the aio client's header in mixed case and its content-type are the same request", async () => {
  model("m", []);
  const json = '{"inputs":[{"name":"X","shape":[1],"datatype":"UINT8","parameters":{"binary_data_size":1}}]}';
  const head = `
POST /v2/models/m/infer HTTP/1.1
Host: localhost
Inference-Header-Content-Length: ${json.length}
Content-Type: application/octet-stream
Accept-Encoding: gzip, deflate, br
Content-Length: <n>`;
  const answer = await send(head, Buffer.concat([Buffer.from(json), Buffer.from([9])]));
  expect(answer.status).toBe(200);
  expect(asked[0]?.request.inputs[0]?.data).toEqual(Buffer.from([9]));
});

test("the C++ client's empty Expect header is taken", async () => {
  model("m", []);
  const head =
    "POST /v2/models/m/infer HTTP/1.1\nHost: x\nExpect:\nContent-Type: application/json\nContent-Length: <n>";
  expect((await send(head, '{"inputs":[]}')).status).toBe(200);
});

test("a raw binary request is the one input's bytes and its answer is binary", async () => {
  // Source: triton-inference-server/server, docs/protocol/extension_binary_data.md, "Raw Binary Request"
  model("m", [plain("Y", "INT32", [2], [1, 2])], [{ name: "X", datatype: "INT32", shape: [-1] }]);
  const head = "POST /v2/models/m/infer HTTP/1.1\nhost: x\ninference-header-content-length: 0\ncontent-length: <n>";
  const answer = await send(head, Buffer.from("010000000200000003000000", "hex"));
  expect(answer.status).toBe(200);
  expect(asked[0]?.request.inputs).toMatchObject([{ name: "X", datatype: "INT32", shape: [3] }]);
  expect(hex(asked[0]!.request.inputs[0]!.data)).toBe("010000000200000003000000");
  const length = Number(answer.headers.get("inference-header-content-length"));
  expect(hex(answer.body.subarray(length))).toBe("0100000002000000");
});

test("64-bit integers travel exactly, both ways, in JSON", async () => {
  const extremes = [-9223372036854775808n, 9223372036854775807n, 9007199254740993n];
  model("m", [plain("Y", "INT64", [3], extremes), plain("Z", "UINT64", [1], [18446744073709551615n])]);
  const body = `{"inputs":[{"name":"X","shape":[3],"datatype":"INT64","data":[${extremes}]},{"name":"W","shape":[1],"datatype":"UINT64","data":[18446744073709551615]}]}`;
  const answer = await send("POST /v2/models/m/infer HTTP/1.1\nhost: x\ncontent-length: <n>", body);
  expect(asked[0]?.request.inputs.map((input) => hex(input.data))).toEqual([
    "0000000000000080ffffffffffffff7f0100000000002000",
    "ffffffffffffffff",
  ]);
  expect(`${answer.body}`).toContain('"data":[-9223372036854775808,9223372036854775807,9007199254740993]');
  expect(`${answer.body}`).toContain('"data":[18446744073709551615]');
});

test.each([
  ["not a number", "abc"],
  ["negative", "-1"],
  ["a fraction", "1.5"],
  ["hexadecimal", "0x10"],
  ["beyond the body", "14"],
  ["beyond 64 bits", "9".repeat(30)],
  ["empty", ""],
  ["a list", "13, 13"],
])("an Inference-Header-Content-Length that is %s is a 400 that says what was expected", async (_what, value) => {
  model("m", []);
  const head = `POST /v2/models/m/infer HTTP/1.1\nhost: x\ninference-header-content-length: ${value}\ncontent-length: <n>`;
  const answer = await send(head, '{"inputs":[]}');
  expect(answer.status).toBe(400);
  expect(JSON.parse(`${answer.body}`).error).toMatch(
    /Inference-Header-Content-Length: expected a whole number in \[0, 13\]/,
  );
  expect(asked).toHaveLength(0);
});

test("an Inference-Header-Content-Length that cuts the JSON is a 400", async () => {
  model("m", []);
  const head = "POST /v2/models/m/infer HTTP/1.1\nhost: x\ninference-header-content-length: 12\ncontent-length: <n>";
  expect((await send(head, '{"inputs":[]}')).status).toBe(400);
  expect(asked).toHaveLength(0);
});
