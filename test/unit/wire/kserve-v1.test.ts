// The bodies of KServe's V1 protocol. Answers are those of KServe 0.21, as it was run.

import { describe, expect, it } from "vitest";
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from "../../../wire/kserve-v1.ts";
import { decodeModels, decodeReady } from "../../../wire/kserve-v1-documents.ts";
import { runNow } from "../../../wire/sliced.ts";
import { plain } from "../../property/wire/bodies.ts";
import { numbers, texts } from "../../support/kind-door.ts";

const text = (parts: readonly Uint8Array[]) => Buffer.concat(parts).toString("utf8");
const body = (json: string) => Buffer.from(json);

const FP32 = { name: "x", datatype: "FP32", shape: [-1, 2] } as const;

describe("instances", () => {
  it("are the values of the only input, floats with a fraction", () => {
    const x = numbers("x", "FP32", [2, 2], [1, 2.5, -0, 1e-8]);
    expect(text(runNow(encodeRequest([x])))).toBe('{"instances":[[1.0,2.5],[-0.0,0.00000001]]}');
  });

  it("are objects for several inputs, or where it is said", () => {
    const a = numbers("a", "INT64", [2], [1, 2]);
    const b = texts("b", [2], ["x", "y"]);
    expect(text(runNow(encodeRequest([a, b])))).toBe('{"instances":[{"a":1,"b":"x"},{"a":2,"b":"y"}]}');
    expect(text(runNow(encodeRequest([a], { rows: "named" })))).toBe('{"instances":[{"a":1},{"a":2}]}');
  });

  it("with NaN are refused before they are sent, because KServe answers them with a 400", () => {
    const x = numbers("x", "FP32", [1, 2], [1, Number.NaN]);
    expect(() => runNow(encodeRequest([x]))).toThrow(/input "x".*NaN/);
    expect(text(runNow(encodeRequest([x], { odd: "token" })))).toBe('{"instances":[[1.0,NaN]]}');
  });

  it("carry bytes that are no text in base64", () => {
    const x = { name: "x", datatype: "BYTES", shape: [1], data: Uint8Array.of(2, 0, 0, 0, 0xff, 0xd8) } as const;
    expect(text(runNow(encodeRequest([x])))).toBe('{"instances":[{"b64":"/9g="}]}');
  });

  it.each(["instances", "inputs"])("are read under %s by the signature, whatever stands beside them", (member) => {
    const [x] = runNow(decodeRequest(body(`{"signature_name":"s","${member}":[[1,2],[3,4]]}`), { specs: [FP32] }));
    expect(plain(x)).toEqual(plain(numbers("x", "FP32", [2, 2], [1, 2, 3, 4])));
  });

  it("under both names, under none, or with a name nobody knows are refused", () => {
    expect(() => runNow(decodeRequest(body('{"instances":[1],"inputs":[1]}')))).toThrow(
      "expected either instances or inputs",
    );
    expect(() => runNow(decodeRequest(body('{"data":[1]}')))).toThrow("expected instances, got none");
    expect(() => runNow(decodeRequest(body('{"instances":[{"y":[1,2]}]}'), { specs: [FP32] }))).toThrow('"y"');
  });

  it("without a signature have the types that their text has", () => {
    expect(runNow(decodeRequest(body('{"instances":[{"a":1,"b":[1.5]}]}')))).toMatchObject([
      { name: "a", datatype: "INT64", shape: [1] },
      { name: "b", datatype: "FP32", shape: [1, 1] },
    ]);
  });
});

describe("predictions", () => {
  it("are read as rows by name, without those that the signature does not have", () => {
    const outputs = runNow(
      decodeResponse(body('{"predictions":[{"digit":7,"extra":"?"},{"digit":9007199254740993,"extra":"?"}]}'), {
        specs: [{ name: "digit", datatype: "INT64", shape: [-1] }],
      }),
    );
    expect(outputs).toMatchObject([{ name: "digit", datatype: "INT64", shape: [2] }]);
    expect(new BigInt64Array(Uint8Array.from(outputs[0]!.data).buffer)).toEqual(
      BigInt64Array.of(7n, 9007199254740993n),
    );
  });

  it("are read as columns, or as the value of the only output", () => {
    const specs = [FP32];
    const wanted = plain([numbers("x", "FP32", [1, 2], [1, 2])]);
    expect(plain(runNow(decodeResponse(body('{"predictions":{"x":[[1,2]]}}'), { specs })))).toEqual(wanted);
    expect(plain(runNow(decodeResponse(body('{"predictions":[[1,2]]}'), { specs })))).toEqual(wanted);
  });

  it.each([
    ['{"error":"it failed"}', "expected predictions, got none"],
    ['{"predictions":[[1]]}', "x"],
    ["<html>", "expected an object"],
  ])("in %s are the backend's fault", (json, message) => {
    const read = () => runNow(decodeResponse(body(json), { specs: [FP32] }));
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ code: "bad-backend", origin: "backend" }));
  });

  it("are written as KServe answers them", () => {
    expect(text(runNow(encodeResponse([numbers("y", "INT32", [2, 1], [1, 2])])))).toBe('{"predictions":[[1],[2]]}');
  });
});

describe("the small documents of V1", () => {
  it("say which models there are and whether one is ready", () => {
    expect(decodeModels(body('{"models":["add_sub","echo"]}'))).toEqual(["add_sub", "echo"]);
    expect(() => decodeModels(body('{"object":"list"}'))).toThrow("the backend's list of models cannot be read");
    expect(decodeReady(body('{"name":"echo","ready":true}'))).toBe(true);
    expect(decodeReady(body('{"name":"echo","ready":"False"}'))).toBe(false);
    expect(decodeReady(body('{"model_version_status":[]}'))).toBeUndefined();
  });
});
