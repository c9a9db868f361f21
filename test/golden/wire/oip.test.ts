// Exact bytes of the Open Inference Protocol, both ways: from the specification, Triton's documentation and captured
// clients.

import { describe, expect, test } from "vitest";
import { joinBytesElements, type ParameterValue, type Tensor } from "../../../core/tensor.ts";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, JSON_FORM } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";

const NONE: ReadonlyMap<string, ParameterValue> = new Map();
const BINARY_FORM = { binaryByDefault: true, binary: new Map<string, boolean>() };

const bytes = (name: string, ...elements: Uint8Array[]): Tensor => ({
  name,
  datatype: "BYTES",
  shape: [elements.length],
  data: joinBytesElements(elements),
});

function floats(...values: number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

function askFor(inputs: readonly Tensor[]) {
  const model = { name: "m", select: { by: "default" as const } };
  return { model, task: "infer" as const, inputs, parameters: NONE, stream: false };
}

const sameTensor = (tensor: Tensor) => ({ ...tensor, data: Buffer.from(tensor.data) });

// Captured from tritonclient.http 2.x (protocols.md 4.1, "infer, numpy default"): two BYTES elements, "a" and 00 ff.
describe("tritonclient's default request", () => {
  const json =
    '{"inputs":[{"name":"X","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}],"parameters":{"binary_data_output":true}}';
  const body = Buffer.concat([Buffer.from(json), Buffer.from("0100000061" + "0200000000ff", "hex")]);
  const input = bytes("X", Buffer.from("a"), Buffer.from([0, 0xff]));

  test("has a JSON part of 134 bytes and is read", () => {
    expect(json.length).toBe(134);
    const { inputs, form, parameters } = runNow(decodeRequest(body, { headerLength: 134, limits }));
    expect(inputs.map(sameTensor)).toEqual([sameTensor(input)]);
    expect(form).toEqual(BINARY_FORM);
    expect(parameters.size).toBe(0);
  });

  test("is what encodeRequest writes", () => {
    const { parts, headerLength } = runNow(encodeRequest(askFor([input]), { isBinary: () => true, form: BINARY_FORM }));
    expect(headerLength).toBe(134);
    expect(Buffer.concat(parts)).toEqual(body);
  });
});

// protocols.md 4.1: "FP32 nan/inf as JSON", "BYTES as JSON", "BF16 [1,2]", "zero-element input", "full options".
describe("tritonclient's other bodies", () => {
  test("NaN and Infinity as bare tokens", () => {
    const body = Buffer.from(
      '{"inputs":[{"name":"X","shape":[2],"datatype":"FP32","data":[NaN,Infinity]}],"parameters":{"binary_data_output":true}}',
    );
    const [input] = runNow(decodeRequest(body, { limits })).inputs;
    expect(sameTensor(input!).data).toEqual(Buffer.from(floats(Number.NaN, Number.POSITIVE_INFINITY)));
  });

  test("BYTES as escaped strings", () => {
    const body = Buffer.from('{"inputs":[{"name":"X","shape":[2],"datatype":"BYTES","data":["a","\\u00E9"]}]}');
    const [input] = runNow(decodeRequest(body, { limits })).inputs;
    expect(sameTensor(input!)).toEqual(sameTensor(bytes("X", Buffer.from("a"), Buffer.from([0xc3, 0xa9]))));
  });

  test("BF16 as two bytes an element", () => {
    const json = '{"inputs":[{"name":"X","shape":[1,2],"datatype":"BF16","parameters":{"binary_data_size":4}}]}';
    const body = Buffer.concat([Buffer.from(json), Buffer.from("803f0040", "hex")]);
    const [input] = runNow(decodeRequest(body, { headerLength: json.length, limits })).inputs;
    expect(sameTensor(input!)).toEqual({
      name: "X",
      datatype: "BF16",
      shape: [1, 2],
      data: Buffer.from("803f0040", "hex"),
    });
  });

  test("no elements, the header as long as the body", () => {
    const json = '{"inputs":[{"name":"X","shape":[0],"datatype":"FP32","parameters":{"binary_data_size":0}}]}';
    const [input] = runNow(decodeRequest(Buffer.from(json), { headerLength: json.length, limits })).inputs;
    expect(input!.data.byteLength).toBe(0);
  });

  test("all options", () => {
    const body = Buffer.from(
      '{"id":"7","inputs":[{"name":"X","shape":[1],"datatype":"INT32","data":[1]}],' +
        '"outputs":[{"name":"Y","parameters":{"binary_data":true}},{"name":"Z","parameters":{"classification":3,"binary_data":false}}],' +
        '"parameters":{"sequence_id":7,"sequence_start":true,"sequence_end":false,"priority":2,"timeout":500,"p":1.5,"s":"t"}}',
    );
    const { outputs, parameters, hints, form } = runNow(decodeRequest(body, { limits }));
    expect(outputs).toEqual([
      { name: "Y", parameters: new Map() },
      { name: "Z", parameters: new Map([["classification", 3n]]) },
    ]);
    expect([...parameters]).toEqual([
      ["p", 1.5],
      ["s", "t"],
    ]);
    expect(hints).toEqual({
      id: "7",
      timeoutMs: 0.5,
      priority: 2,
      sequence: { id: 7n, start: true, end: false },
      sluice: new Map(),
    });
    expect([...form.binary]).toEqual([
      ["Y", true],
      ["Z", false],
    ]);
  });
});

// open-inference-protocol, specification/protocol/inference_rest.md, "Inference Request Examples" and "Response
// Examples".
describe("the specification's example", () => {
  test("a request with a nested and a flat tensor is read", () => {
    const body = Buffer.from(`{
      "id" : "42",
      "inputs" : [
        { "name" : "input0", "shape" : [ 2, 2 ], "datatype" : "UINT32", "data" : [ 1, 2, 3, 4 ] },
        { "name" : "input1", "shape" : [ 3 ], "datatype" : "BOOL", "data" : [ true ,true, true ] }
      ],
      "outputs" : [ { "name" : "output0" } ]
    }`);
    const { inputs, outputs, hints } = runNow(decodeRequest(body, { limits }));
    expect(inputs.map(sameTensor)).toEqual([
      {
        name: "input0",
        datatype: "UINT32",
        shape: [2, 2],
        data: Buffer.from("01000000020000000300000004000000", "hex"),
      },
      { name: "input1", datatype: "BOOL", shape: [3], data: Buffer.from([1, 1, 1]) },
    ]);
    expect(outputs).toEqual([{ name: "output0", parameters: new Map() }]);
    expect(hints.id).toBe("42");
  });

  test("nested data is the same as flat data", () => {
    const text = (data: string) =>
      Buffer.from(`{"inputs":[{"name":"a","shape":[2,3],"datatype":"INT16","data":${data}}]}`);
    const flat = runNow(decodeRequest(text("[1,2,4,5,6,7]"), { limits }));
    const nested = runNow(decodeRequest(text("[[1,2,4],[5,6,7]]"), { limits }));
    expect(nested.inputs.map(sameTensor)).toEqual(flat.inputs.map(sameTensor));
  });

  test("an answer is written and read", () => {
    const output = { name: "output0", datatype: "FP32", shape: [3, 2], data: floats(1, 1.1, 2, 2.1, 3, 3.1) } as const;
    const response = {
      kind: "whole",
      model: { name: "mymodel", version: "1" },
      outputs: [output],
      parameters: NONE,
    } as const;
    const { parts, headerLength } = runNow(encodeResponse(response, { id: "42", form: JSON_FORM }));
    const text =
      '{"id":"42","model_name":"mymodel","model_version":"1","outputs":[{"name":"output0","datatype":"FP32","shape":[3,2],"data":[1,1.1,2,2.1,3,3.1]}]}';
    expect(Buffer.concat(parts).toString()).toBe(text);
    expect(headerLength).toBe(undefined);
    const read = runNow(decodeResponse(Buffer.from(text), { limits }));
    expect(read.outputs.map(sameTensor)).toEqual([sameTensor(output)]);
    expect([read.id, read.modelName, read.modelVersion]).toEqual(["42", "mymodel", "1"]);
  });
});

// Triton, docs/protocol/extension_binary_data.md: one input and one output as blobs, one input as JSON; key order as in
// src/http_server.cc (protocols.md 2.4).
describe("Triton's binary extension", () => {
  test("a blob comes behind the JSON in the order of the inputs, the JSON ones skipped", () => {
    const json =
      '{"model_name":"mymodel","inputs":[{"name":"input0","shape":[2,2],"datatype":"UINT32","parameters":{"binary_data_size":16}},' +
      '{"name":"input1","shape":[3],"datatype":"BOOL","data":[true,false,true]},' +
      '{"name":"input2","shape":[3,1],"datatype":"BOOL","parameters":{"binary_data_size":3}}],' +
      '"outputs":[{"name":"output0","parameters":{"binary_data":true}},{"name":"output1"}]}';
    const body = Buffer.concat([Buffer.from(json), Buffer.from("01000000020000000300000004000000" + "010001", "hex")]);
    const { inputs, form } = runNow(decodeRequest(body, { headerLength: json.length, limits }));
    expect(inputs.map(({ data }) => Buffer.from(data).toString("hex"))).toEqual([
      "01000000020000000300000004000000",
      "010001",
      "010001",
    ]);
    expect(form).toEqual({ binaryByDefault: false, binary: new Map([["output0", true]]) });
  });

  test("an answer mixes blobs and JSON", () => {
    const outputs: Tensor[] = [
      { name: "output0", datatype: "FP32", shape: [3, 2], data: floats(1, 1.1, 2, 2.1, 3, 3.1) },
      { name: "output1", datatype: "INT8", shape: [2], data: Uint8Array.of(255, 1) },
    ];
    const response = { kind: "whole", model: { name: "mymodel", version: "2" }, outputs, parameters: NONE } as const;
    const form = { binaryByDefault: false, binary: new Map([["output0", true]]) };
    const { parts, headerLength } = runNow(encodeResponse(response, { form }));
    const json =
      '{"model_name":"mymodel","model_version":"2","outputs":[{"name":"output0","datatype":"FP32","shape":[3,2],"parameters":{"binary_data_size":24}},' +
      '{"name":"output1","datatype":"INT8","shape":[2],"data":[-1,1]}]}';
    expect(headerLength).toBe(json.length);
    expect(Buffer.concat(parts)).toEqual(Buffer.concat([Buffer.from(json), outputs[0]!.data]));
    expect(parts.at(-1)).toBe(outputs[0]!.data);
  });

  test("an answer whose blobs are all empty has no header length", () => {
    const outputs: Tensor[] = [{ name: "y", datatype: "FP32", shape: [0], data: new Uint8Array(0) }];
    const response = { kind: "whole", model: { name: "m", version: "1" }, outputs, parameters: NONE } as const;
    const { parts, headerLength } = runNow(encodeResponse(response, { form: BINARY_FORM }));
    expect(headerLength).toBe(undefined);
    const text =
      '{"model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[0],"parameters":{"binary_data_size":0}}]}';
    expect(Buffer.concat(parts).toString()).toBe(text);
    expect(runNow(decodeResponse(Buffer.from(text), { limits })).outputs).toEqual([
      { name: "y", datatype: "FP32", shape: [0], data: Buffer.alloc(0) },
    ]);
  });
});
