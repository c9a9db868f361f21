import { describe, expect, it } from "vitest";
import { checkRequest } from "../../../../backends/onnx/check.ts";
import type { Signature } from "../../../../backends/onnx/signature.ts";
import type { InferError } from "../../../../core/error.ts";
import type { InferRequest } from "../../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../../core/tensor.ts";
import { requestFor } from "../../../support/scripted.ts";

const SIGNATURE: Signature = {
  inputs: [
    { name: "a", datatype: "FP32", shape: [-1, 3] },
    { name: "b", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1] },
    { name: "z", datatype: "FP32", shape: [-1] },
  ],
  defaults: new Set(["scale"]),
  anyRank: new Set(),
  batchDim: 0,
};

const a: Tensor = { name: "a", datatype: "FP32", shape: [2, 3], data: new Uint8Array(24) };
const b: Tensor = { name: "b", datatype: "BYTES", shape: [1], data: new Uint8Array(4) };

function check(init: Partial<InferRequest>): { code: string; message: string } {
  try {
    const { outputs } = checkRequest(requestFor("m", init), SIGNATURE);
    return { code: "ok", message: outputs.join() };
  } catch (error) {
    const { code, message } = error as InferError;
    return { code, message };
  }
}

describe("a request is refused when", () => {
  it.each<[string, readonly Tensor[], string, string]>([
    [
      "a name is unknown",
      [a, b, { ...a, name: "c" }],
      "invalid-argument",
      'input "c" is unknown: the model has "a", "b"',
    ],
    ["a name stands twice", [a, a, b], "invalid-argument", 'input "a" is given twice'],
    ["an input is missing", [b], "invalid-argument", 'input "a" missing'],
    ["all are missing", [], "invalid-argument", 'inputs "a", "b" missing'],
    [
      "a datatype differs",
      [{ ...a, datatype: "INT32" }, b],
      "invalid-argument",
      'input "a": expected datatype FP32, got INT32',
    ],
    [
      "a datatype is BF16",
      [{ ...a, datatype: "BF16" }, b],
      "unsupported",
      'input "a": BF16 is not supported by onnxruntime-node',
    ],
    ["a rank differs", [{ ...a, shape: [6] }, b], "invalid-argument", 'input "a": expected shape [-1,3], got [6]'],
    [
      "a fixed size differs",
      [{ ...a, shape: [3, 2] }, b],
      "invalid-argument",
      'input "a": expected shape [-1,3], got [3,2]',
    ],
    [
      "bytes are missing",
      [{ ...a, data: new Uint8Array(20) }, b],
      "invalid-argument",
      'input "a": shape [2,3] needs 24 bytes, got 20',
    ],
    [
      "bytes are left",
      [{ ...a, data: new Uint8Array(25) }, b],
      "invalid-argument",
      'input "a": shape [2,3] needs 24 bytes, got 25',
    ],
    [
      "elements cannot be counted",
      [{ ...a, shape: [2 ** 52, 3], data: new Uint8Array(0) }, b],
      "invalid-argument",
      'input "a": shape [4503599627370496,3] has more elements than can be counted',
    ],
    [
      "an input with a default is given",
      [a, b, { ...a, name: "scale" }],
      "unsupported",
      'input "scale" has a default that onnxruntime-node cannot override; leave the input out',
    ],
  ])("%s", (_what, inputs, code, message) => {
    expect(check({ inputs })).toEqual({ code, message });
  });

  it("an unknown output is asked for, or one twice", () => {
    const outputs = (...names: string[]) => names.map((name) => ({ name, parameters: NO_PARAMETERS }));
    const inputs = [a, b];
    expect(check({ inputs, outputs: outputs("w") })).toEqual({
      code: "invalid-argument",
      message: 'output "w" is unknown: the model has "y", "z"',
    });
    expect(check({ inputs, outputs: outputs("y", "y") }).message).toBe('output "y" is requested twice');
  });
});

describe("a request is taken when", () => {
  it("its inputs stand in another order, with all outputs or those asked for in the order asked", () => {
    expect(check({ inputs: [b, a] })).toEqual({ code: "ok", message: "y,z" });
    expect(check({ inputs: [a, b], outputs: [] }).message).toBe("y,z");
    const outputs = ["z", "y"].map((name) => ({ name, parameters: NO_PARAMETERS }));
    expect(check({ inputs: [a, b], outputs }).message).toBe("z,y");
  });

  it("a dimension is 0", () => {
    expect(check({ inputs: [{ ...a, shape: [0, 3], data: new Uint8Array(0) }, b] }).code).toBe("ok");
  });

  it("the model takes any rank", () => {
    const anyRank = { ...SIGNATURE, anyRank: new Set(["a"]) };
    expect(checkRequest(requestFor("m", { inputs: [{ ...a, shape: [1, 6, 1] }, b] }), anyRank).inputs).toHaveLength(2);
  });
});
