// Exact bytes of TensorFlow Serving's messages, both ways, as Google's protobuf and TensorFlow itself write and read them
// (make_tfs.py), and the texts of its floats.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Datatype, Tensor } from "../../../core/tensor.ts";
import { runNow } from "../../../wire/sliced.ts";
import { tfsFloatText } from "../../../wire/tfs-decimals.ts";
import { exampleWith, featuresIn } from "../../../wire/tfs-examples.ts";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../../wire/tfs-proto.ts";
import {
  decodeMetadata,
  decodeMetadataRequest,
  decodeStatus,
  encodeMetadataRequest,
} from "../../../wire/tfs-proto-documents.ts";
import {
  decodeClassifyResponse,
  decodeExamplesRequest,
  decodeMultiRequest,
  decodeMultiResponse,
  decodeRegressResponse,
  encodeClassifyResponse,
  encodeExamplesRequest,
  encodeMultiRequest,
  encodeMultiResponse,
  encodeRegressResponse,
} from "../../../wire/tfs-proto-examples.ts";
import { readTensorProto } from "../../../wire/tfs-proto-tensor.ts";
import { numbers, texts } from "../../support/kind-door.ts";

interface Golden {
  readonly messages: Record<string, string>;
  readonly tensors: readonly {
    readonly name: string;
    readonly message: string;
    readonly datatype: Datatype;
    readonly shape: readonly number[];
    readonly data: string;
  }[];
  readonly floats: readonly (readonly [string, string])[];
  readonly doubles: readonly (readonly [string, string])[];
}

const golden = JSON.parse(readFileSync(new URL("./tfs.json", import.meta.url), "utf8")) as Golden;
const bytesOf = (name: string): Buffer => Buffer.from(golden.messages[name]!, "hex");
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const plain = ({ name, datatype, shape, data }: Tensor) => [name, datatype, shape, hex(data)];

describe("a TensorProto", () => {
  test.each(golden.tensors)("of $name is what TensorFlow reads", ({ message, datatype, shape, data }) => {
    for (const sliceBytes of [1, 7, 1e6]) {
      const pace = { sliceBytes, spent: 0 };
      const read = runNow(readTensorProto(Buffer.from(message, "hex"), { name: "x", label: "x", pace }));
      expect(plain(read)).toEqual(["x", datatype, shape, data]);
    }
  });

  test("whose bytes stand together is a view of its message", () => {
    for (const { name, message } of golden.tensors) {
      const isView = /^FP(32|64) as|tensor_content$/.test(name) && !name.startsWith("BYTES");
      const bytes = Buffer.from(message, "hex");
      const pace = { sliceBytes: 1e6, spent: 0 };
      const { data } = runNow(readTensorProto(bytes, { name: "x", label: "x", pace }));
      if (isView) expect(data.buffer === bytes.buffer).toBe(true);
    }
  });
});

describe("Predict", () => {
  const X = numbers("x", "FP32", [2], [1, 2]);
  const T = texts("t", [1], ["a"]);
  const model = { name: "m", version: 3n, signature: "s" };

  test("asks as Google's stubs do", () => {
    const message = bytesOf("predict request");
    const read = runNow(decodeRequest(message, { maxTensors: 8 }));
    expect([read.model, read.outputs]).toEqual([model, ["y", "z"]]);
    const byName = new Map(read.inputs.map((input) => [input.name, plain(input)]));
    expect([byName.get("x"), byName.get("t")]).toEqual([plain(X), plain(T)]);
    // deterministic writers sort maps by key
    expect(hex(runNow(encodeRequest({ model, inputs: [T, X], outputs: ["y", "z"] })))).toBe(hex(message));
  });

  test("takes a version of 0 as the newest, and knows labels", () => {
    const read = (name: string) => runNow(decodeRequest(bytesOf(name), { maxTensors: 8 })).model;
    expect(read("predict request of ovmsclient's version 0")).toEqual({ name: "m", signature: "" });
    const labelled = { name: "m", signature: "", label: "stable" };
    expect(read("predict request with a label")).toEqual(labelled);
    const written = runNow(encodeRequest({ model: labelled, inputs: [], outputs: [] }));
    expect(hex(written)).toBe(hex(bytesOf("predict request with a label")));
  });

  test("answers as TF Serving does: typed values, and who answered", () => {
    const message = bytesOf("predict response");
    const answered = { name: "m", version: 3n, signature: "serving_default" };
    const data = new Uint8Array(BigInt64Array.of(-1n, 2n ** 63n - 1n).buffer);
    const Y: Tensor = { name: "y", datatype: "INT64", shape: [2], data };
    const read = runNow(decodeResponse(message, { maxTensors: 8 }));
    expect([read.model, read.outputs.map(plain)]).toEqual([answered, [plain(Y)]]);
    expect(hex(runNow(encodeResponse({ model: answered, outputs: [Y] })))).toBe(hex(message));
  });
});

describe("Examples", () => {
  const feature = { bytes_list: undefined, float_list: undefined, int64_list: undefined };
  const features = new Map([
    ["n", { ...feature, int64_list: { value: [-7n, 2n ** 62n] } }],
    ["t", { ...feature, bytes_list: { value: [Buffer.from("a"), Buffer.from([0xff])] } }],
    ["x", { ...feature, float_list: { value: [1.5] } }],
  ]);

  test("are read and written as TensorFlow has them", () => {
    expect(featuresIn(bytesOf("example"))).toEqual(features);
    expect(hex(exampleWith(features))).toBe(hex(bytesOf("example")));
  });

  test("are asked about alone or with a context, whose features give way to theirs", () => {
    const alone = decodeExamplesRequest(bytesOf("classify request"));
    expect(alone.examples.map(hex)).toEqual([hex(bytesOf("example"))]);
    expect(hex(encodeExamplesRequest(alone))).toBe(hex(bytesOf("classify request")));
    const [merged] = decodeExamplesRequest(bytesOf("classify request with a context")).examples;
    const all = featuresIn(merged!);
    expect([...all.keys()].sort()).toEqual(["c", "n", "t", "x"]);
    expect(all.get("x")).toEqual(features.get("x"));
  });

  test("are answered by classes or values", () => {
    const classes = [
      [
        { label: "a", score: 0.25 },
        { label: "b", score: 0.75 },
      ],
    ];
    const message = bytesOf("classify response");
    expect(runNow(decodeClassifyResponse(message)).outputs.map(plain)).toEqual([
      plain(texts("classes", [1, 2], ["a", "b"])),
      plain(numbers("scores", "FP32", [1, 2], [0.25, 0.75])),
    ]);
    expect(hex(encodeClassifyResponse(classes, undefined))).toBe(hex(message));
    const values = bytesOf("regress response");
    expect(runNow(decodeRegressResponse(values)).outputs.map(plain)).toEqual([
      plain(numbers("outputs", "FP32", [2], [2.5, 0])),
    ]);
    expect(hex(encodeRegressResponse([2.5, 0], undefined))).toBe(hex(values));
  });

  test("are asked several questions at once", () => {
    const { tasks, examples } = decodeMultiRequest(bytesOf("multi request"));
    expect(tasks).toEqual([{ method: "tensorflow/serving/regress", model: { name: "m", signature: "" } }]);
    expect(hex(encodeMultiRequest(tasks, examples))).toBe(hex(bytesOf("multi request")));
    const results = decodeMultiResponse(bytesOf("multi response"));
    expect(results).toEqual([
      { task: "regress", values: [2.5] },
      { task: "classify", results: [[{ label: "a", score: 1 }]] },
    ]);
    expect(hex(encodeMultiResponse(results))).toBe(hex(bytesOf("multi response")));
  });
});

test("the question for signatures is Google's, and its answer is read, unknown ranks and datatypes included", () => {
  const model = { name: "m", signature: "" };
  expect(hex(encodeMetadataRequest(model))).toBe(hex(bytesOf("metadata request")));
  expect(decodeMetadataRequest(bytesOf("metadata request"))).toEqual({ model, fields: ["signature_def"] });
  const { signatures, ...of } = decodeMetadata(bytesOf("metadata response"));
  expect(of).toEqual({ name: "m", version: "123" });
  expect(signatures.get("serving_default")).toEqual({
    inputs: [{ name: "x", datatype: "FP32", dtype: "DT_FLOAT", shape: [-1, 4] }],
    outputs: [{ name: "y", datatype: undefined, dtype: "DT_COMPLEX64", shape: undefined }],
    method: "tensorflow/serving/predict",
  });
});

test("the states of versions are read", () => {
  expect(decodeStatus(bytesOf("status response"))).toEqual([
    { version: "2", state: "AVAILABLE", message: "" },
    { version: "1", state: "END", message: "gone" },
  ]);
});

describe("a float's text", () => {
  test("is C's, for floats and doubles", () => {
    const wrong = [
      ...golden.floats.map(([bits, text]) => [tfsFloatText(Buffer.from(bits, "hex").readFloatLE(), "FP32"), text]),
      ...golden.doubles.map(([bits, text]) => [tfsFloatText(Buffer.from(bits, "hex").readDoubleLE(), "FP64"), text]),
    ].filter(([ours, text]) => ours !== text);
    expect(wrong).toEqual([]);
    expect(golden.floats.length + golden.doubles.length).toBeGreaterThan(800);
  });
});
