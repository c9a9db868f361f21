// The binary tensor extension: blobs, the header that tells where they begin, raw requests, and what answers cannot
// carry.

import { describe, expect, test } from "vitest";
import type { ModelMetadata, TensorSpec } from "../../../core/model.ts";
import { decodeResponse, encodeResponse, JSON_FORM, parseHeaderLength } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { decodeRawRequest } from "../../../wire/oip-raw.ts";
import { runNow } from "../../../wire/sliced.ts";
import { decode, fault, input } from "./requests.ts";

describe("blobs", () => {
  const json = (shape: string, datatype: string, size: string) =>
    input(`"shape":${shape},"datatype":"${datatype}","parameters":{"binary_data_size":${size}}`);
  const withBlob = (text: string, hex: string) => () =>
    decode(Buffer.concat([Buffer.from(text), Buffer.from(hex, "hex")]), text.length);

  test.each([
    [json("[2]", "INT16", "4"), "010002", 'input "x": needs 4 bytes behind the JSON, got 3'],
    [json("[2]", "INT16", "4"), "0100020003", "the inputs take 4 bytes behind the JSON, got 5"],
    [json("[2]", "INT16", "2"), "0100", 'input "x": INT16 of shape [2] needs 4 bytes, binary_data_size says 2'],
    [
      json("[2]", "INT16", '"4"'),
      "01000200",
      'parameter "binary_data_size" of input "x": expected a whole number in [0, 2^53), got "4"',
    ],
    [
      json("[2]", "INT16", "-4"),
      "01000200",
      'parameter "binary_data_size" of input "x": expected a whole number in [0, 2^53), got -4',
    ],
    [json("[2]", "BYTES", "5"), "0100000061", 'input "x": shape [2] needs 2 BYTES elements, got 1'],
    [json("[1]", "BYTES", "3"), "010000", 'input "x": element 0 ends inside its length prefix'],
    [json("[1]", "BYTES", "5"), "0200000061", 'input "x": element 0 says 2 bytes, 1 bytes are left'],
    [
      input('"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1},"data":[1]'),
      "01",
      'input "x": expected either data or binary_data_size, got both',
    ],
    ['{"inputs":[]}', "01", "the inputs take 0 bytes behind the JSON, got 1"],
  ])("%s with %s is refused", (text, hex, message) => {
    expect(fault(withBlob(text, hex))).toBe(`invalid-argument: ${message}`);
  });

  test("a size needs the header that says where the JSON ends, unless it is 0", () => {
    expect(fault(() => decode(json("[2]", "INT16", "4")))).toBe(
      'invalid-argument: input "x": binary_data_size needs the header Inference-Header-Content-Length, got none',
    );
    expect(decode(json("[0]", "INT16", "0")).inputs[0]!.data.byteLength).toBe(0);
  });

  test("a tensor's other parameters stay with it", () => {
    const text = input('"shape":[1],"datatype":"INT8","parameters":{"binary_data_size":1,"content_type":"np"}');
    expect(withBlob(text, "07")().inputs[0]!.parameters).toEqual(new Map([["content_type", "np"]]));
  });
});

describe("the header Inference-Header-Content-Length", () => {
  test("is a whole number up to the body's length; 0 says raw", () => {
    expect(parseHeaderLength(undefined, 10)).toBe(undefined);
    expect(parseHeaderLength("10", 10)).toBe(10);
    expect(parseHeaderLength(" 7 ", 10)).toBe(7);
    expect(parseHeaderLength("0", 10)).toBe("raw");
  });

  test.each(["11", "-1", "1.5", "1e1", "0x5", "", "a", "99999999999999999999"])("%j is refused", (header) => {
    expect(fault(() => parseHeaderLength(header, 10))).toBe(
      `invalid-argument: header Inference-Header-Content-Length: expected a whole number in [0, 10], got "${header}"`,
    );
  });
});

describe("a raw binary request", () => {
  const model = (inputs: readonly TensorSpec[], batchDim?: 0): ModelMetadata => ({
    name: "m",
    version: "1",
    versions: ["1"],
    platform: "onnxruntime_onnx",
    inputs,
    outputs: [],
    stateful: false,
    ...(batchDim === undefined ? {} : { batchDim }),
  });
  const spec = (datatype: TensorSpec["datatype"], ...shape: number[]): TensorSpec => ({ name: "x", datatype, shape });

  test("takes one row, a varying dimension following from the size, and answers in binary", () => {
    const { inputs, form } = decodeRawRequest(Buffer.alloc(24), model([spec("FP32", -1, 2, -1)], 0));
    expect(inputs[0]!.shape).toEqual([1, 2, 3]);
    expect(inputs[0]!.data.byteLength).toBe(24);
    expect(form.binaryByDefault).toBe(true);
    expect(decodeRawRequest(Buffer.alloc(8), model([spec("INT64")])).inputs[0]!.shape).toEqual([]);
    expect(decodeRawRequest(Buffer.alloc(0), model([spec("INT64", -1)])).inputs[0]!.shape).toEqual([0]);
  });

  test("takes BYTES as one element", () => {
    const { inputs } = decodeRawRequest(Buffer.from("abc"), model([spec("BYTES", -1, 1)], 0));
    expect(inputs[0]).toEqual({
      name: "x",
      datatype: "BYTES",
      shape: [1, 1],
      data: new Uint8Array([3, 0, 0, 0, 97, 98, 99]),
    });
  });

  test("is refused for models that cannot take it, and for a wrong size", () => {
    const refused = (bytes: number, metadata: ModelMetadata) =>
      fault(() => decodeRawRequest(Buffer.alloc(bytes), metadata));
    const two = [spec("FP32", 1), { ...spec("FP32", 1), name: "y" }];
    expect(refused(4, model(two))).toBe(
      'invalid-argument: model "m" has 2 inputs, a raw binary request needs a model with 1',
    );
    expect(refused(4, model([spec("FP32", -1, -1)]))).toBe(
      'invalid-argument: input "x": a raw binary request needs a shape with at most 1 variable dimension beside the rows, got FP32 of shape [-1,-1]',
    );
    expect(refused(5, model([spec("FP32", -1)]))).toBe(
      'invalid-argument: input "x": FP32 of shape [-1] needs a multiple of 4 bytes, got 5',
    );
    expect(refused(5, model([spec("FP32", -1, 2)], 0))).toBe(
      'invalid-argument: input "x": FP32 of shape [-1,2] needs 8 bytes, got 5',
    );
    expect(refused(5, model([spec("BYTES", 2)]))).toBe(
      'invalid-argument: input "x": a raw binary request carries 1 BYTES element, the model takes BYTES of shape [2]',
    );
  });
});

describe("an answer", () => {
  const answer = (datatype: "BYTES" | "FP16", data: Uint8Array) => () =>
    runNow(
      encodeResponse(
        {
          kind: "whole",
          model: { name: "m", version: "1" },
          outputs: [{ name: "y", datatype, shape: [1], data }],
          parameters: new Map(),
        },
        { id: "", form: JSON_FORM },
      ),
    );

  test("has no id when the request's was empty, and escapes what JSON must have escaped", () => {
    const { parts } = answer("BYTES", Buffer.from('\u0005\0\0\0"\\\u0001é'))();
    expect(Buffer.concat(parts).toString()).toBe(
      '{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"BYTES","shape":[1],"data":["\\"\\\\\\u0001é"]}]}',
    );
  });

  test("cannot carry BYTES that are no UTF-8 or half floats as JSON", () => {
    expect(fault(answer("BYTES", Uint8Array.of(1, 0, 0, 0, 0xff)))).toBe(
      'unsupported: output "y": element 0 is not UTF-8, so JSON cannot carry it; the binary tensor extension (binary_data) can',
    );
    expect(fault(answer("FP16", Uint8Array.of(0, 0)))).toBe(
      'invalid-argument: output "y": FP16 has no JSON form; the binary tensor extension (binary_data) carries it',
    );
  });

  test("of a backend that cannot be read is the backend's fault", () => {
    expect(fault(() => runNow(decodeResponse(Buffer.from('{"outputs":[{}]}'), { limits })))).toBe(
      "bad-backend: the backend's answer cannot be read: output 0: expected a name, got none",
    );
    expect(fault(() => runNow(decodeResponse(Buffer.from("{}"), { limits })))).toBe(
      "bad-backend: the backend's answer cannot be read: expected outputs, got none",
    );
  });
});
