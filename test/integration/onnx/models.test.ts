// Real models in real workers: every datatype, every odd shape, what is refused, and ONNX Runtime's own answers.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Datatype, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../../core/tensor.ts";
import { seededRandom } from "../../support/fake-env.ts";
import { openReference } from "../../support/gateway-reference.ts";
import {
  FIXTURES,
  floats,
  fp32,
  int64,
  openBackend,
  openTestCall,
  type TestBackend,
  texts,
} from "../../support/onnx-repository.ts";
import { requestFor } from "../../support/scripted.ts";

const random = seededRandom(7);
const bits = (count: number) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256));

describe.each(["thread", "process"])("isolation: %s", (isolation) => {
  let test: TestBackend;
  beforeAll(async () => {
    test = await openBackend(FIXTURES, { isolation, workers: 1 });
    await test.settled();
  });
  afterAll(() => test.backend.close());

  const identities = Object.keys(ELEMENT_BYTES).filter((each) => each !== "BF16") as Datatype[];
  it.each(identities)("%s comes back with the same bits, rows, no rows and all", async (datatype) => {
    const fill = (count: number): Uint8Array => {
      if (datatype === "BYTES")
        return texts(
          "x",
          Array.from({ length: count }, (_, n) => "é😀".repeat(n)),
        ).data;
      if (datatype === "BOOL") return bits(count).map((byte) => byte & 1);
      return bits(count * ELEMENT_BYTES[datatype]);
    };
    for (const shape of [
      [2, 3],
      [0, 3],
      [1, 1],
      [3, 0],
    ]) {
      const data = fill(shape.reduce((product, size) => product * size, 1));
      const { outputs } = await test.ask(`identity_${datatype.toLowerCase()}`, [{ name: "x", datatype, shape, data }]);
      expect(outputs).toHaveLength(1);
      expect({ ...outputs[0], data: Buffer.from(outputs[0]!.data).toString("hex") }).toEqual({
        name: "y",
        datatype,
        shape,
        data: Buffer.from(data).toString("hex"),
      });
    }
  });

  it("a scalar is a scalar", async () => {
    const answer = await test.ask("scalar", [fp32("x", [3.5], [])]);
    expect([answer.outputs[0]?.shape, floats(answer)]).toEqual([[], [3.5]]);
  });

  it("a model of any rank takes any rank", async () => {
    for (const shape of [[], [1], [1, 1, 1, 1]]) {
      const answer = await test.ask("any_rank", [fp32("x", [2], shape)]);
      expect([answer.outputs[0]?.shape, floats(answer)]).toEqual([shape, [2]]);
    }
  });

  it("inputs of several datatypes go into one run", async () => {
    const answer = await test.ask("mixed", [
      { name: "flag", datatype: "BOOL", shape: [2], data: new Uint8Array([1, 0]) },
      int64("count", [10, 20]),
      fp32("x", [0.5, 0.25]),
    ]);
    expect(floats(answer)).toEqual([11.5, 20.25]);
  });

  it("only the outputs asked for are answered, in the order asked", async () => {
    const inputs = [fp32("a", [1, 2, 3], [1, 3]), fp32("b", [1, 1, 1], [1, 3])];
    const named = async (...outputs: string[]) => {
      const request = requestFor("add", { inputs, outputs: outputs.map((name) => ({ name, parameters: new Map() })) });
      const reply = await test.endpoint.infer(request, openTestCall());
      return reply.kind === "whole" ? reply.outputs.map(({ name }) => name) : [];
    };
    expect(await named()).toEqual(["sum", "difference"]);
    expect(await named("difference")).toEqual(["difference"]);
    expect(await named("difference", "sum")).toEqual(["difference", "sum"]);
  });

  it("an input with a default may be left out; given, it is refused and not ignored", async () => {
    expect(floats(await test.ask("optional_input", [fp32("x", [1, 2])]))).toEqual([2, 4]);
    for (const model of ["optional_input", "old_ir"]) {
      await expect(test.ask(model, [fp32("x", [1, 2]), fp32("scale", [10])])).rejects.toMatchObject({
        code: "unsupported",
        origin: "client",
      });
    }
  });

  it.each<[string, string, readonly Tensor[], RegExp]>([
    [
      "sizes that must agree",
      "add",
      [fp32("a", new Array(6).fill(1), [2, 3]), fp32("b", new Array(9).fill(1), [3, 3])],
      /2 by 3/,
    ],
    ["an index out of range", "gather", [int64("index", [9])], /out of data bounds, idx=9/],
    ["an impossible shape", "reshape", [fp32("x", [1, 2]), int64("shape", [4, 2])], /cannot be reshaped/],
    [
      "a BOOL of 2",
      "identity_bool",
      [{ name: "x", datatype: "BOOL", shape: [1, 2], data: new Uint8Array([1, 2]) }],
      /BOOL element 1: expected 0 or 1, got 2/,
    ],
  ])("%s is the client's fault, in words for the client", async (_what, model, inputs, words) => {
    await expect(test.ask(model, inputs)).rejects.toMatchObject({
      code: "invalid-argument",
      origin: "client",
      message: expect.stringMatching(words),
    });
    await expect(test.ask(model, inputs)).rejects.not.toMatchObject({
      message: expect.stringMatching(/onnxruntime_src/),
    });
  });

  it("BYTES that the binding would alter are refused, naming input and element", async () => {
    for (const element of [[0x61, 0], [0xff]]) {
      const data = joinBytesElements([Buffer.from("ok"), Uint8Array.from(element)]);
      await expect(
        test.ask("identity_bytes", [{ name: "x", datatype: "BYTES", shape: [1, 2], data }]),
      ).rejects.toMatchObject({ code: "unsupported", message: expect.stringMatching(/input "x": element 1 holds/) });
    }
  });

  it("an answer with NUL comes whole; one that the binding altered is refused", async () => {
    const answer = await test.ask("nul_output", [texts("x", ["first"])]);
    expect(Buffer.from(answer.outputs[0]!.data)).toEqual(
      Buffer.from(joinBytesElements([Buffer.from("first"), Buffer.from("a\0b")])),
    );
    await expect(test.ask("broken_output", [texts("x", ["first"])])).rejects.toMatchObject({
      code: "unsupported",
      origin: "backend",
    });
  });

  it("a model of BF16 says unsupported, and one with a sequence says what to do; the others are served", async () => {
    await expect(test.ask("identity_bf16", [fp32("x", [1], [1, 1])])).rejects.toMatchObject({
      code: "unsupported",
      message:
        'model "identity_bf16" version 1 is not ready: input "x" is BF16, which onnxruntime-node does not support',
    });
    await expect(test.ask("sequence_output", [fp32("x", [1])])).rejects.toMatchObject({
      message: expect.stringMatching(/set zipmap to False/),
    });
  });

  it("metadata tells the signature, the batch dimension and the hash", async () => {
    const about = (name: string) => test.backend.metadata({ name }, AbortSignal.timeout(1000));
    expect(await about("add")).toEqual({
      name: "add",
      version: "1",
      versions: ["1"],
      platform: "onnxruntime_onnx",
      inputs: ["a", "b"].map((name) => ({ name, datatype: "FP32", shape: [-1, 3] })),
      outputs: ["sum", "difference"].map((name) => ({ name, datatype: "FP32", shape: [-1, 3] })),
      batchDim: 0,
      stateful: false,
      artifact: "3975a6643f8a8d2d59abd4ad2b03984108f479d4748e08ca78d6b0aab1bd25a8",
    });
    expect((await about("optional_input")).inputs).toEqual([{ name: "x", datatype: "FP32", shape: [-1] }]);
    expect((await about("scalar")).batchDim).toBeUndefined();
    expect((await about("reshape")).batchDim).toBeUndefined();
    await expect(about("nobody")).rejects.toMatchObject({ code: "not-found" });
  });

  it("what is not there is not found", async () => {
    await expect(test.ask("nobody", [])).rejects.toMatchObject({
      code: "not-found",
      message: 'model "nobody" is not known',
    });
    await expect(test.ask("add:7", [])).rejects.toMatchObject({
      code: "not-found",
      message: 'model "add" version 7 is not known',
    });
    for (const name of ["../add", "add/../add", "\0", "", "constructor", "__proto__"]) {
      await expect(test.ask(name, [])).rejects.toMatchObject({ code: "not-found" });
    }
  });
});

describe("the demo models", () => {
  const MODELS = join(import.meta.dirname, "../../../models");

  it("answer what ONNX Runtime answers, bit for bit", async () => {
    const test = await openBackend(MODELS);
    const reference = openReference();
    await test.settled();
    const image = fp32(
      "image",
      Array.from({ length: 5 * 64 }, () => Math.floor(random() * 17)),
      [5, 1, 8, 8],
    );
    const asks: [string, string, Tensor][] = [
      ["digits:1", "digits/1", image],
      ["digits:2", "digits/2", image],
      [
        "iris",
        "iris/1",
        fp32(
          "measurements",
          Array.from({ length: 12 }, () => random() * 7),
          [3, 4],
        ),
      ],
      ["language", "language/1", texts("text", ["the weather is fine", "es regnet", "où est la gare", ""])],
    ];
    for (const [model, folder, input] of asks) {
      const expected = await reference.run(join(MODELS, folder, "model.onnx"), [input as never]);
      const { outputs } = await test.ask(model, [input]);
      const plain = (tensors: readonly Pick<Tensor, "name" | "shape" | "data">[]) =>
        tensors.map(({ name, shape, data }) => ({ name, shape: [...shape], data: Buffer.from(data).toString("hex") }));
      expect(plain(outputs)).toEqual(plain(expected));
    }
    await reference.close();
    await test.backend.close();
  });
});

describe("a request's bytes", () => {
  it.each([300, 20_000, 40_000, 600_000])(
    "are the same before and after, in a body of %d bytes with inputs at odd offsets",
    async (size) => {
      const test = await openBackend(FIXTURES, { workers: 1 });
      await test.until("mixed", "1", "ready");
      // as a small body comes from the socket: a slice of Node's shared pool
      const body = Buffer.allocUnsafe(size);
      body.fill(0);
      const rows = Math.floor((size - 16) / 13);
      const at = { flag: 1, count: 1 + rows + 1, x: 1 + rows + 1 + rows * 8 + 1 };
      for (let row = 0; row < rows; row += 1) {
        body[at.flag + row] = row & 1;
        body.writeBigInt64LE(BigInt(row), at.count + row * 8);
        body.writeFloatLE(row / 4, at.x + row * 4);
      }
      const before = Buffer.from(body);
      const inputs: Tensor[] = [
        { name: "flag", datatype: "BOOL", shape: [rows], data: body.subarray(at.flag, at.flag + rows) },
        { name: "count", datatype: "INT64", shape: [rows], data: body.subarray(at.count, at.count + rows * 8) },
        { name: "x", datatype: "FP32", shape: [rows], data: body.subarray(at.x, at.x + rows * 4) },
      ];
      const answers = await Promise.all([
        test.ask("mixed", inputs),
        test.ask("mixed", inputs),
        test.ask("mixed", inputs),
      ]);
      const expected = Array.from({ length: rows }, (_, row) => Math.fround((row & 1) + row + row / 4));
      for (const answer of answers) expect(floats(answer)).toEqual(expected);
      expect(body.equals(before)).toBe(true);
      expect(inputs.map(({ data }) => data.buffer.byteLength > 0 && data.byteLength)).toEqual([
        rows,
        rows * 8,
        rows * 4,
      ]);
      await test.backend.close();
    },
  );
});
