// TensorFlow Serving's bodies: what is taken, what is refused, and where it differs from TensorFlow Serving on purpose.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { joinBytesElements, type Tensor } from "../../../core/tensor.ts";
import type { RowSpec } from "../../../wire/json-rows.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { openPace, runNow } from "../../../wire/sliced.ts";
import {
  classesOf,
  classTensors,
  examplesOf,
  examplesTensor,
  featuresIn,
  regressionsOf,
  regressionTensor,
} from "../../../wire/tfs-examples.ts";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../../wire/tfs-json.ts";
import {
  decodeClassifyResponse,
  decodeExamplesRequest,
  decodeRegressResponse,
  encodeClassifyResponse,
  encodeExamplesRequest,
  encodeRegressResponse,
} from "../../../wire/tfs-json-examples.ts";
import { numbers, texts } from "../../support/kind-door.ts";

const SPECS: readonly RowSpec[] = [
  { name: "a", datatype: "FP32", shape: [-1, 2] },
  { name: "b", datatype: "BYTES", shape: [-1] },
];
const hex = ({ name, datatype, shape, data }: Tensor) => [
  name,
  datatype,
  [...shape],
  Buffer.from(data).toString("hex"),
];
const joined = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString();
const read = (body: string, specs: readonly RowSpec[] | undefined = SPECS) =>
  runNow(decodeRequest(Buffer.from(body), { limits, sliceBytes: 4, specs: () => specs }));

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InferError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("expected a refusal");
}

describe("a request to :predict", () => {
  test("is rows or columns, and names its signature or not", () => {
    const rows = read(
      '{"signature_name": "s", "instances": [{"a": [1, 2], "b": "x"}, {"b": {"b64": "/w=="}, "a": [3, 4]}]}',
    );
    expect([rows.signature, rows.format]).toEqual(["s", "row"]);
    expect(rows.inputs.map(hex)).toEqual([
      hex(numbers("a", "FP32", [2, 2], [1, 2, 3, 4])),
      hex({
        name: "b",
        datatype: "BYTES",
        shape: [2],
        data: joinBytesElements([Buffer.from("x"), Buffer.from([0xff])]),
      }),
    ]);
    const columns = read('{"inputs": {"b": [], "a": [[1, 2]], "more": null}, "signature_name": ""}');
    expect([columns.signature, columns.format]).toEqual([undefined, "column"]);
    expect(columns.inputs.map(({ shape }) => shape)).toEqual([[1, 2], [0]]);
  });

  test("without a signature is integers INT64, other numbers FP32, text BYTES", () => {
    const { inputs } = runNow(
      decodeRequest(Buffer.from('{"instances": [{"i": 1, "f": 1.0, "t": "é"}]}'), { limits, specs: () => undefined }),
    );
    expect(inputs.map(({ name, datatype }) => `${name} ${datatype}`)).toEqual(["i INT64", "f FP32", "t BYTES"]);
  });

  test("is read by the signature that it names, wherever the name stands", () => {
    const specs = (signature: string | undefined) =>
      [{ name: "x", datatype: signature === "wide" ? "FP64" : "INT32" }] as const;
    const body = '{"inputs": [1.5], "signature_name": "wide"}';
    const { inputs } = runNow(decodeRequest(Buffer.from(body), { limits, specs }));
    expect(inputs.map(hex)).toEqual([hex(numbers("x", "FP64", [1], [1.5]))]);
    const without = () => runNow(decodeRequest(Buffer.from('{"inputs": [1.5]}'), { limits, specs }));
    expect(refused(without)).toContain("an integer in INT32's range");
  });

  test.each([
    ["", "expected a JSON object, got an empty body"],
    ["[]", "expected an object"],
    ["{}", "expected instances or inputs, got neither"],
    ['{"instances": [], "inputs": []}', "expected one of instances and inputs, got both"],
    ['{"instances": []}', "instances: expected rows, got none"],
    ['{"instances": 1}', "instances: expected a list, got 1"],
    ['{"signature_name": 1, "instances": []}', "signature_name: expected a string, got 1"],
    ['{"instances": [[1, 2]]}', "expected inputs by name (a, b), got bare values"],
    ['{"inputs": {"a": [[1, 2]]}}', 'inputs: expected input "b", got none'],
    ['{"inputs": {"a": [[1, 2]], "b": ["x"], "b": ["y"]}}', '"b" stands twice'],
    ['{"inputs": {"a": [[1, 2]], "b": ["x"]}} x', "malformed JSON"],
  ])("%s is refused", (body, words) => {
    expect(refused(() => read(body))).toContain(words);
  });

  test("keeps numbers within their datatypes, where TF Serving wraps them", () => {
    expect(refused(() => read('{"inputs": [200]}', [{ name: "x", datatype: "INT8" }]))).toContain("range [-128, 127]");
    expect(refused(() => read('{"inputs": [1e39]}', [{ name: "x", datatype: "FP32" }]))).toContain("FP32's range");
  });

  test("is written so that TF Serving reads the same tensors", () => {
    const inputs = [numbers("a", "FP32", [1, 2], [16777216, -0]), texts("b", [1], ["é"])];
    const write = (format: "row" | "column", signature?: string) =>
      joined(runNow(encodeRequest({ inputs, format, ...(signature === undefined ? {} : { signature }) })));
    expect(write("column", "s")).toBe('{"signature_name":"s","inputs":{"a":[[16777216.0,-0.0]],"b":["é"]}}');
    expect(write("row")).toBe('{"instances":[{"a":[16777216.0,-0.0],"b":"é"}]}');
    const none = { inputs: [numbers("a", "FP32", [0], [])], format: "row" } as const;
    expect(refused(() => runNow(encodeRequest(none)))).toContain(
      "no requests of no rows; gRPC (protocol: grpc) carries it",
    );
  });
});

describe("an answer to :predict", () => {
  test("is written as TF Serving writes it", () => {
    const y = numbers("y", "FP32", [2], [1, Math.fround(0.1)]);
    const write = (outputs: readonly Tensor[], format: "row" | "column") =>
      joined(runNow(encodeResponse({ outputs, format })));
    expect(write([y], "row")).toBe('{"predictions":[1.0,0.1]}');
    const t = texts("t_bytes", [2], ["a", "b"]);
    expect(write([y, t], "column")).toBe('{"outputs":{"y":[1.0,0.1],"t_bytes":[{"b64":"YQ=="},{"b64":"Yg=="}]}}');
    expect(write([y, t], "row")).toContain('{"y":1.0,"t_bytes":{"b64":"YQ=="}}');
    expect(refused(() => write([numbers("z", "FP32", [], [1])], "row"))).toContain(
      "a scalar cannot be written as rows",
    );
  });

  test("has the sizes of its signature behind an empty array, and more outputs than it says", () => {
    const specs: readonly RowSpec[] = [{ name: "y", datatype: "FP32", shape: [-1, 3] }];
    const back = (body: string) => runNow(decodeResponse(Buffer.from(body), { limits, specs }));
    expect(back('{"predictions": []}').map(hex)).toEqual([hex(numbers("y", "FP32", [0, 3], []))]);
    expect(back('{"outputs": {"y": [[1]], "more": [2]}}').map(hex)).toEqual([
      hex(numbers("y", "FP32", [1, 1], [1])),
      hex(numbers("more", "INT64", [1], [2])),
    ]);
  });
});

describe("examples", () => {
  const body =
    '{"context": {"c": 1, "x": 9.5}, "examples": [{"x": 1.5, "n": [1, 2]}, {"t": ["a", {"b64": "/w=="}], "e": []}]}';

  test("are features by the looks of their values, those of the context in each", () => {
    const { examples } = runNow(decodeExamplesRequest(Buffer.from(body), { limits, sliceBytes: 3 }));
    const [first, second] = examples.map((example) => featuresIn(example));
    expect(first?.get("x")?.float_list?.value).toEqual([1.5]);
    expect(first?.get("n")?.int64_list?.value).toEqual([1n, 2n]);
    expect(second?.get("x")?.float_list?.value).toEqual([9.5]);
    expect(second?.get("c")?.int64_list?.value).toEqual([1n]);
    expect(second?.get("t")?.bytes_list?.value).toEqual([Buffer.from("a"), Buffer.from([0xff])]);
  });

  test("written over REST are read as the same", () => {
    const inputs = [
      numbers("x", "FP32", [2], [1, Number.NaN]),
      numbers("n", "INT64", [2, 2], [1, -2, 3, 2 ** 53]),
      { ...texts("t", [2], ["é", ""]), data: joinBytesElements([Buffer.from("é"), Buffer.from([0xff])]) },
      numbers("b", "BOOL", [2], [1, 0]),
    ];
    const examples = runNow(examplesOf(inputs, openPace({ sliceBytes: 1 })));
    const text = joined(runNow(encodeExamplesRequest({ examples, signature: "s" })));
    expect(text).toContain('{"x":[1.0],"n":[1,-2],"t":["é"],"b":[1]}');
    const back = runNow(decodeExamplesRequest(Buffer.from(text), { limits }));
    expect(back.signature).toBe("s");
    expect(back.examples.map(featuresIn)).toEqual(examples.map(featuresIn));
    const again = runNow(examplesOf([runNow(examplesTensor(examples, openPace({})))], openPace({})));
    expect(again.map((one) => Buffer.from(one))).toEqual(examples.map((one) => Buffer.from(one)));
  });

  test.each([
    ['{"examples": []}', "expected a list of examples, got none"],
    ['{"examples": [1]}', "examples[0]: expected an object of features, got 1"],
    ['{"examples": [{"x": [[1]]}]}', "expected a value or a list, got a nested list"],
    ['{"examples": [{"x": null}]}', "got null"],
    ['{"examples": [{"x": [1, "a"]}]}', 'got "a"'],
    ['{"examples": [{"x": 9223372036854775808}]}', "INT64's range"],
  ])("%s are refused", (text, words) => {
    expect(refused(() => runNow(decodeExamplesRequest(Buffer.from(text), { limits })))).toContain(words);
  });

  test("of features that no Example has are refused", () => {
    const of = (...inputs: readonly Tensor[]) => refused(() => runNow(examplesOf(inputs, openPace({}))));
    expect(of(numbers("x", "FP64", [1], [1]))).toContain(
      "a feature is BYTES, FP32, or integers within INT64, got FP64",
    );
    expect(of(numbers("x", "FP32", [], [1]))).toContain("got a scalar");
    expect(of(numbers("x", "FP32", [1], [1]), numbers("y", "FP32", [2], [1, 2]))).toContain("expected 1 rows, got 2");
    expect(of()).toContain("got none");
  });

  test("are answered in classes and values, read as they were written", () => {
    const results = [[{ label: "a", score: Math.fround(0.1) }], [{ label: "é", score: Number.POSITIVE_INFINITY }]];
    const text = joined(encodeClassifyResponse(results));
    expect(text).toBe('{"results":[[["a",0.1]],[["é",Infinity]]]}');
    const tensors = runNow(decodeClassifyResponse(Buffer.from(text), { limits, sliceBytes: 2 }));
    expect(tensors.map(hex)).toEqual(classTensors(results).map(hex));
    expect(classesOf(tensors)).toEqual(results);
    const values = joined(encodeRegressResponse([2.5, 1e9]));
    expect(values).toBe('{"results":[2.5,1e+09]}');
    const back = runNow(decodeRegressResponse(Buffer.from(values), { limits }));
    expect(back.map(hex)).toEqual([hex(regressionTensor([2.5, 1e9]))]);
    expect(regressionsOf(back)).toEqual([2.5, 1e9]);
    expect(refused(() => classTensors([[], results[0]!]))).toContain(
      "unsupported: the examples have different numbers",
    );
    const ragged = () => runNow(decodeClassifyResponse(Buffer.from('{"result": [[["a"]]]}'), { limits }));
    expect(refused(ragged)).toMatch(/^bad-backend: /);
  });
});
