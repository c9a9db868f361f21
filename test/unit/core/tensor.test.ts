import { describe, expect, test } from "vitest";
import { bytesElements, checkTensor, elementCount, joinBytesElements, type Tensor } from "../../../core/tensor.ts";

const tensor = (datatype: Tensor["datatype"], shape: readonly number[], data: Uint8Array): Tensor => ({
  name: "x",
  datatype,
  shape,
  data,
});

describe("elementCount", () => {
  test.each([
    [[], 1],
    [[3], 3],
    [[2, 3, 4], 24],
    [[0], 0],
    [[2, 0, 4], 0],
  ])("shape %j has %d elements", (shape, count) => expect(elementCount(shape)).toBe(count));

  test.each([[[-1]], [[1.5]], [[Number.NaN]], [[2 ** 53]], [[2 ** 30, 2 ** 30]], [[2 ** 40, 0, 2 ** 40]]])(
    "shape %j is refused",
    (shape) => expect(() => elementCount(shape)).toThrow(/shape \[/),
  );
});

describe("checkTensor", () => {
  test("says what a tensor needs and what it got", () => {
    expect(() => checkTensor(tensor("FP32", [2, 3], new Uint8Array(20)))).toThrow(
      'tensor "x": FP32 of shape [2,3] needs 24 bytes, got 20',
    );
  });

  test("takes scalars and empty tensors", () => {
    checkTensor(tensor("INT64", [], new Uint8Array(8)));
    checkTensor(tensor("FP64", [3, 0], new Uint8Array(0)));
    checkTensor(tensor("BYTES", [0], new Uint8Array(0)));
  });

  test.each([
    ["a prefix cut short", [1], [1, 0, 0], "element 0 ends inside its length prefix"],
    ["an element cut short", [1], [5, 0, 0, 0, 97], "element 0 says 5 bytes, 1 bytes are left"],
    ["too few elements", [2], [1, 0, 0, 0, 97], "needs 2 BYTES elements, got 1"],
    ["too many elements", [1], [0, 0, 0, 0, 0, 0, 0, 0], "needs 1 BYTES elements, got more"],
    ["a length near 2^32", [1], [255, 255, 255, 255], "element 0 says 4294967295 bytes"],
  ])("refuses BYTES with %s", (_what, shape, data, text) => {
    expect(() => checkTensor(tensor("BYTES", shape, Uint8Array.from(data)))).toThrow(text);
  });
});

test("joined BYTES elements come apart again, whatever bytes they hold", () => {
  const elements = [new Uint8Array(0), Uint8Array.of(0, 255, 10), Buffer.from("é")];
  const apart = [...bytesElements(joinBytesElements(elements))];
  expect(apart.map((one) => [...one])).toEqual(elements.map((one) => [...one]));
});
