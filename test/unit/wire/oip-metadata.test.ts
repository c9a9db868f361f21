// Metadata of the Open Inference Protocol: written as servers write it, read as real ones send it.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import {
  decodeError,
  decodeHealth,
  decodeModelMetadata,
  decodeServerMetadata,
  encodeModelMetadata,
  encodeServerMetadata,
} from "../../../wire/oip-metadata.ts";

const bytes = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

const model: ModelMetadata = {
  name: "digits",
  version: "2",
  versions: ["1", "2"],
  platform: "onnxruntime_onnx",
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 64], optional: true }],
  outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
  batchDim: 0,
  stateful: false,
  artifact: "sha256:0",
};

describe("metadata", () => {
  test("of a model says what the standard has and no more", () => {
    expect(encodeModelMetadata(model)).toEqual({
      name: "digits",
      versions: ["1", "2"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 64] }],
      outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
    });
    expect(encodeServerMetadata({ name: "sluice", version: "1" }, ["parameters"])).toEqual({
      name: "sluice",
      version: "1",
      extensions: ["parameters"],
    });
  });

  test("written and read again is the same", () => {
    const { name, versions, platform, outputs } = model;
    expect(decodeModelMetadata(bytes(encodeModelMetadata(model)))).toEqual({
      name,
      versions,
      platform,
      inputs: [{ name: "image", datatype: "FP32", shape: [-1, 64] }],
      outputs,
    });
    expect(decodeServerMetadata(bytes(encodeServerMetadata({ name: "s", version: "1" }, ["a"])))).toEqual({
      name: "s",
      version: "1",
      extensions: ["a"],
    });
  });

  test("may leave out what servers leave out, and write a dimension as text", () => {
    const read = decodeModelMetadata(
      bytes({ name: "m", inputs: [{ name: "x", datatype: "BYTES", shape: ["-1", 2] }] }),
    );
    expect(read).toEqual({
      name: "m",
      versions: [],
      platform: "",
      inputs: [{ name: "x", datatype: "BYTES", shape: [-1, 2] }],
      outputs: [],
    });
  });

  test.each([
    ["", "the backend's answer is not JSON"],
    ["[]", "the backend's answer: expected an object, got []"],
    [{}, 'the backend\'s answer: expected a string as "name", got nothing'],
    [{ name: "m", versions: [1] }, 'the backend\'s answer: expected strings in "versions", got 1'],
    [{ name: "m", inputs: {} }, 'the backend\'s answer: expected an array as "inputs", got {}'],
    [{ name: "m", inputs: [1] }, "the backend's answer: expected an object for each input, got 1"],
    [
      { name: "m", inputs: [{ name: "x", datatype: "F", shape: [] }] },
      'the backend\'s answer: expected a datatype for input "x", got "F"',
    ],
    [
      { name: "m", outputs: [{ name: "x", datatype: "FP32", shape: [-2] }] },
      'the backend\'s answer: expected whole numbers of at least -1 in the shape of output "x", got -2',
    ],
  ])("%j is refused as the backend's fault", (value, message) => {
    expect(() => decodeModelMetadata(bytes(value))).toThrow(new InferError("bad-backend", message));
  });
});

describe("small bodies", () => {
  test("of health may be empty, as Triton's are", () => {
    expect(decodeHealth(bytes(""))).toBe(undefined);
    expect(decodeHealth(bytes({ live: true }))).toBe(true);
    expect(decodeHealth(bytes({ name: "m", ready: false }))).toBe(false);
  });

  test("of errors give their text where they have one", () => {
    expect(decodeError(bytes({ error: "no" }))).toBe("no");
    expect(decodeError(bytes({ detail: "no" }))).toBe(undefined);
    expect(decodeError(bytes("<html>"))).toBe(undefined);
  });
});
