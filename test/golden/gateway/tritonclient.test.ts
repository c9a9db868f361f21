// Exact bytes that Triton's clients send, captured on the wire, against a whole gateway.

import { gzipSync, inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { plain } from "../../support/gateway-oip.ts";
import { hex, printedGateway } from "../../support/gateway-printed.ts";

const { asked, model, send } = printedGateway();

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
  const outputs = [plain("Y", "INT32", [1], [7]), plain("Z", "FP32", [2], [0.25, 0.75])];
  model("m", outputs, { version: "3" });
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
      { name: "Z", datatype: "BYTES", shape: [2], data: ["0.750000:1", "0.250000:0"] },
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
