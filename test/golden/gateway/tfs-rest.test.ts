// Exact bytes of TensorFlow Serving's REST protocol, from its documentation, against a whole gateway.

import { expect, test } from "vitest";
import { plain } from "../../support/gateway-oip.ts";
import { hex, printedGateway } from "../../support/gateway-printed.ts";

const { asked, model, send } = printedGateway();

const head = (path: string) => `
POST ${path} HTTP/1.1
Host: localhost:8501
Content-Type: application/x-www-form-urlencoded
Content-Length: <n>`;

const input = (name: string, datatype: "FP32" | "INT64" | "BYTES", shape: readonly number[]) => ({
  name,
  datatype,
  shape,
});

// Source: tensorflow/serving, tensorflow_serving/g3doc/api_rest.md, "Predict API", "Example" and curl's own content type
test("half_plus_three is answered as the documentation prints it", async () => {
  model("half_plus_three", [plain("y", "FP32", [3], [3.5, 4.0, 5.5])], { inputs: [input("x", "FP32", [-1])] });
  const answer = await send(head("/v1/models/half_plus_three:predict"), '{"instances": [1.0,2.0,5.0]}');
  expect([answer.status, `${answer.body}`]).toEqual([200, '{"predictions":[3.5,4.0,5.5]}']);
  expect(hex(asked[0]!.request.inputs[0]!.data)).toBe("0000803f000000400000a040");
});

// Source: the same, "Specifying input tensors in row format"
const ROWS = `{
 "instances": [
   {
     "tag": "foo",
     "signal": [1, 2, 3, 4, 5],
     "sensor": [[1, 2], [3, 4]]
   },
   {
     "tag": "bar",
     "signal": [3, 4, 1, 2, 5],
     "sensor": [[4, 5], [6, 8]]
   }
 ]
}`;

// Source: the same, "Specifying input tensors in column format"
const COLUMNS = `{
 "inputs": {
   "tag": ["foo", "bar"],
   "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
   "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]]
 }
}`;

test("rows and columns of the documentation are the same tensors", async () => {
  const inputs = [input("tag", "BYTES", [-1]), input("signal", "INT64", [-1, 5]), input("sensor", "FP32", [-1, 2, 2])];
  model("m", [plain("y", "INT64", [2], [7n, 8n])], { inputs });
  const rows = await send(head("/v1/models/m:predict"), ROWS);
  expect([rows.status, `${rows.body}`]).toEqual([200, '{"predictions":[7,8]}']);
  const columns = await send(head("/v1/models/m:predict"), COLUMNS);
  expect([columns.status, `${columns.body}`]).toEqual([200, '{"outputs":[7,8]}']);
  const [first, second] = asked.map(({ request }) =>
    request.inputs.map(({ name, datatype, shape, data }) => [name, datatype, shape, hex(data)]),
  );
  expect(first).toEqual([
    ["tag", "BYTES", [2], "03000000666f6f03000000626172"],
    ["signal", "INT64", [2, 5], [1, 2, 3, 4, 5, 3, 4, 1, 2, 5].map((n) => `0${n}${"00".repeat(7)}`).join("")],
    [
      "sensor",
      "FP32",
      [2, 2, 2],
      ["0000803f", "00000040", "00004040", "00008040", "00008040", "0000a040", "0000c040", "00000041"].join(""),
    ],
  ]);
  expect(second).toEqual(first);
});

// Source: the same, "Encoding binary values"
test("binary values are given in base64, as the documentation has it", async () => {
  const inputs = [input("tag", "BYTES", [-1]), input("image", "BYTES", [-1])];
  model("m", [plain("image_bytes", "BYTES", [1], ["ok"])], { inputs });
  const body = '{ "instances": [ { "tag": "foo", "image": { "b64": "aW1hZ2UgYnl0ZXM=" } } ] }';
  const answer = await send(head("/v1/models/m:predict"), body);
  expect([answer.status, `${answer.body}`]).toEqual([200, '{"predictions":[{"b64":"b2s="}]}']);
  expect(Buffer.from(asked[0]!.request.inputs[1]!.data).toString("latin1")).toBe("\x0b\0\0\0image bytes");
});
