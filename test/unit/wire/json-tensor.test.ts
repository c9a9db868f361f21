// The data of JSON tensors: counts, nesting, ranges and types, before and after the shape is known.

import { describe, expect, test } from "vitest";
import { decode, fault, input } from "./requests.ts";

describe("data", () => {
  const data = (datatype: string, shape: string, elements: string) =>
    input(`"shape":${shape},"datatype":"${datatype}","data":${elements}`);

  test.each([
    ["FP32", "[2]", "[1]", "shape [2] needs 2 elements, got 1"],
    ["FP32", "[2]", "[1,2,3,4,5]", "shape [2] needs 2 elements, got 5"],
    ["FP32", "[]", "[]", "shape [] needs 1 elements, got 0"],
    ["FP32", "[0]", "[1]", "shape [0] needs 0 elements, got 1"],
    [
      "FP32",
      "[1000000000000]",
      "[1,2]",
      "shape [1000000000000] needs 1000000000000 elements, more than 8 bytes of data can hold",
    ],
    ["FP32", "[20]", `[${"1,".repeat(17)}"a"]`, 'expected a number in FP32\'s range at data[17], got "a"'],
    ["FP32", "[2]", "5", "expected an array at data, got 5"],
    ["FP32", "[2,2]", "[[1,2],[3]]", "shape [2,2] needs 2 items in data[1], got 1"],
    ["FP32", "[2,2]", "[[1,2],[3,4],[5,6]]", "shape [2,2] needs 2 items in data, got 3"],
    ["FP32", "[2,2]", "[[1,2],3]", "expected [ at data[1], got 3"],
    ["FP32", "[2,2]", "[1,2,[3,4]]", "expected a number in FP32's range at data[2], got ["],
    ["FP32", "[4]", "[[1,2],[3,4]]", "expected an element of shape [4] at data[0], got ["],
    ["FP32", "[2,2]", "[[1,2],[3,null]]", "expected a number in FP32's range at data[1][1], got null"],
    ["FP32", "[1]", "[1e39]", "expected a number in FP32's range at data[0], got 1e39"],
    [
      "FP32",
      "[1]",
      "[-3.4028235677973366e38]",
      "expected a number in FP32's range at data[0], got -3.4028235677973366e38",
    ],
    ["FP64", "[1]", "[1e309]", "expected a number in FP64's range at data[0], got 1e309"],
    ["INT8", "[2]", "[127,128]", "expected an integer in INT8's range [-128, 127] at data[1], got 128"],
    ["INT8", "[1]", "[1.0]", "expected an integer in INT8's range [-128, 127] at data[0], got 1.0"],
    ["INT8", "[1]", "[1e1]", "expected an integer in INT8's range [-128, 127] at data[0], got 1e1"],
    ["UINT32", "[1]", "[-1]", "expected an integer in UINT32's range [0, 4294967295] at data[0], got -1"],
    [
      "INT32",
      "[1]",
      "[2147483648]",
      "expected an integer in INT32's range [-2147483648, 2147483647] at data[0], got 2147483648",
    ],
    [
      "INT64",
      "[1]",
      "[9223372036854775808]",
      "expected an integer in INT64's range [-9223372036854775808, 9223372036854775807] at data[0], got 9223372036854775808",
    ],
    [
      "INT64",
      "[1]",
      "[-9223372036854775809]",
      "expected an integer in INT64's range [-9223372036854775808, 9223372036854775807] at data[0], got -9223372036854775809",
    ],
    [
      "INT64",
      "[1]",
      "[1234567890123456.5]",
      "expected an integer in INT64's range [-9223372036854775808, 9223372036854775807] at data[0], got 1234567890123456.5",
    ],
    [
      "UINT64",
      "[1]",
      "[18446744073709551616]",
      "expected an integer in UINT64's range [0, 18446744073709551615] at data[0], got 18446744073709551616",
    ],
    ["UINT64", "[1]", "[-1]", "expected an integer in UINT64's range [0, 18446744073709551615] at data[0], got -1"],
    ["BOOL", "[2]", "[true,1]", "expected true or false at data[1], got 1"],
    ["BYTES", "[2]", '["a",7]', "expected a string at data[1], got 7"],
    ["BYTES", "[1]", '["\\ud83d"]', "element 0 holds a lone surrogate, which has no UTF-8"],
    ["BYTES", "[1]", '["\\ude00"]', "element 0 holds a lone surrogate, which has no UTF-8"],
    ["FP16", "[1]", "[1]", "FP16 has no JSON form; send it with the binary tensor extension (binary_data_size)"],
    ["BF16", "[1]", "[1]", "BF16 has no JSON form; send it with the binary tensor extension (binary_data_size)"],
  ])("%s %s %s is refused", (datatype, shape, elements, message) => {
    expect(fault(() => decode(data(datatype, shape, elements)))).toBe(`invalid-argument: input "x": ${message}`);
  });

  test.each([
    ["FP32", "[]", "1.5", "0000c03f"],
    ["FP32", "[]", "[1.5]", "0000c03f"],
    ["FP32", "[2,0]", "[[],[]]", ""],
    ["FP32", "[2,0]", "[]", ""],
    ["FP32", "[0,3]", "[]", ""],
    ["FP32", "[3]", "[Inf,-Inf,-Infinity]", "0000807f000080ff000080ff"],
    ["INT8", "[2,1,2]", "[[[1,2]],[[3,-4]]]", "010203fc"],
    ["INT8", "[2,1,2]", " [ 1 , 2 , 3 , -0 ] ", "01020300"],
    ["BOOL", "[]", "true", "01"],
    ["BYTES", "[]", '"a"', "0100000061"],
    ["BYTES", "[2]", '["","\\u0000\\/\\b\\f\\n\\r\\t\\"\\\\"]', "0000000009000000002f080c0a0d09225c"],
    ["BYTES", "[1]", '["\\u20ac\\ud83d\\ude00é"]', "09000000e282acf09f9880c3a9"],
  ])("%s %s %s is read, before and after its shape and datatype", (datatype, shape, elements, hex) => {
    const after = decode(data(datatype, shape, elements));
    const before = decode(input(`"data":${elements},"datatype":"${datatype}","shape":${shape}`));
    for (const { inputs } of [after, before]) expect(Buffer.from(inputs[0]!.data).toString("hex")).toBe(hex);
  });
});
