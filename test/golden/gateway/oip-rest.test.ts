// Exact bytes of the Open Inference Protocol over HTTP, from its specifications, against a whole gateway.

import { expect, test } from "vitest";
import { plain } from "../../support/gateway-oip.ts";
import { hex, printedGateway } from "../../support/gateway-printed.ts";

const { asked, model, send } = printedGateway();

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

test("a raw binary request is the one input's bytes and its answer is binary", async () => {
  // Source: triton-inference-server/server, docs/protocol/extension_binary_data.md, "Raw Binary Request"
  model("m", [plain("Y", "INT32", [2], [1, 2])], { inputs: [{ name: "X", datatype: "INT32", shape: [-1] }] });
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
