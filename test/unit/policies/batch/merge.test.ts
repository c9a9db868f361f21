// Joining and cutting: split(merge(xs)) is xs, for every datatype, and nothing is joined that cannot be.

import { describe, expect, it } from "vitest";
import type { InferRequest, InferResponse } from "../../../../core/request.ts";
import { DATATYPES, type Datatype, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../../../core/tensor.ts";
import { bucketKey, rowsOf } from "../../../../policies/batch/key.ts";
import { cutRequest, mergeRequests, partsOf } from "../../../../policies/batch/merge.ts";
import { joinReplies, splitReply } from "../../../../policies/batch/split.ts";
import { cutRows, joinRows } from "../../../../policies/batch/tensors.ts";
import { rowsOfInts } from "../../../support/batch-model.ts";
import { seededRandom } from "../../../support/fake-env.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";

function finish<T>(work: Generator<void, T, void>): T {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

function randomTensor(datatype: Datatype, shape: readonly number[], random: () => number): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const bytes = (length: number) => Uint8Array.from({ length }, () => Math.floor(256 * random()));
  const data =
    ELEMENT_BYTES[datatype] > 0
      ? bytes(count * ELEMENT_BYTES[datatype])
      : joinBytesElements(Array.from({ length: count }, () => bytes(Math.floor(5 * random()))));
  return { name: "x", datatype, shape, data };
}

const plain = ({ data, ...rest }: Tensor) => ({ ...rest, data: [...data] });

describe("rows of tensors", () => {
  it.each(DATATYPES)("of %s come apart as they were joined, none and many of them", (datatype) => {
    const random = seededRandom(7);
    for (let i = 0; i < 50; i += 1) {
      const row = Array.from({ length: Math.floor(3 * random()) }, () => Math.floor(4 * random()));
      const counts = Array.from({ length: 1 + Math.floor(5 * random()) }, () => Math.floor(4 * random()));
      const tensors = counts.map((rows) => randomTensor(datatype, [rows, ...row], random));
      const joined = finish(joinRows(tensors));
      expect(finish(cutRows(joined, counts)).map(plain)).toEqual(tensors.map(plain));
    }
  });

  it("are cut as views, without a copy", () => {
    const tensor = rowsOfInts([1, 2, 3]);
    for (const part of finish(cutRows(tensor, [1, 2]))) expect(part.data.buffer).toBe(tensor.data.buffer);
  });

  it("are padded with copies of the first, texts too", () => {
    const texts: Tensor = {
      name: "x",
      datatype: "BYTES",
      shape: [2],
      data: joinBytesElements([new Uint8Array([65]), new Uint8Array([66, 66])]),
    };
    const padded = finish(joinRows([texts], 2));
    expect(padded.shape).toEqual([4]);
    const rows = finish(cutRows(padded, [1, 1, 1, 1])).map(({ data }) => [...data]);
    expect(rows).toEqual([
      [1, 0, 0, 0, 65],
      [2, 0, 0, 0, 66, 66],
      [1, 0, 0, 0, 65],
      [1, 0, 0, 0, 65],
    ]);
  });

  it("stop between slices while much is copied", () => {
    const big: Tensor = { name: "x", datatype: "UINT8", shape: [1, 3 << 20], data: new Uint8Array(3 << 20) };
    const work = joinRows([big, big]);
    let slices = 0;
    while (!work.next().done) slices += 1;
    expect(slices).toBe(5);
  });

  it.each<[string, Tensor, Tensor]>([
    ["another row shape", rowsOfInts([1], 2), rowsOfInts([1], 3)],
    ["another rank", rowsOfInts([1]), { ...rowsOfInts([1]), shape: [1] }],
    ["another datatype", rowsOfInts([1]), { ...rowsOfInts([1]), datatype: "FP32" }],
  ])("are not joined with %s: MLServer made [1,2] and [1,3] one tensor", (_, one, other) => {
    expect(() => finish(joinRows([one, other]))).toThrow(/cannot be joined/);
  });

  it("whose bytes are not those of the shape are the backend's fault", () => {
    const short = { ...rowsOfInts([1, 2]), data: new Uint8Array(7) };
    expect(() => finish(cutRows(short, [1, 1]))).toThrow(/does not have 7 bytes/);
    const text: Tensor = { name: "t", datatype: "BYTES", shape: [2], data: joinBytesElements([new Uint8Array(3)]) };
    expect(() => finish(cutRows(text, [1, 1]))).toThrow(/does not have 7 bytes/);
  });
});

describe("requests", () => {
  it("are joined by their inputs' names, in whatever order each has them", () => {
    const [a, b] = [rowsOfInts([1]), rowsOfInts([2])];
    const one = requestFor("m", {
      inputs: [
        { ...a, name: "a" },
        { ...b, name: "b" },
      ],
    });
    const other = requestFor("m", {
      inputs: [
        { ...b, name: "b" },
        { ...a, name: "a" },
      ],
    });
    expect(bucketKey(one)).toBe(bucketKey(other));
    const merged = finish(mergeRequests([one, other]));
    expect(merged.inputs.map(({ name, shape, data }) => [name, shape, data[0], data[4]])).toEqual([
      ["a", [2, 1], 1, 1],
      ["b", [2, 1], 2, 2],
    ]);
  });

  it("of ragged inputs have no rows", () => {
    expect(rowsOf({ inputs: [rowsOfInts([1]), rowsOfInts([1, 2])] })).toBeUndefined();
    expect(rowsOf({ inputs: [{ ...rowsOfInts([1]), shape: [] }] })).toBeUndefined();
    expect(rowsOf({ inputs: [] })).toBeUndefined();
    expect(() => finish(mergeRequests([requestFor("m", { inputs: [rowsOfInts([1]), rowsOfInts([1, 2])] })]))).toThrow();
  });

  it("with more rows than a batch may have are cut into parts that hold all of them", () => {
    expect(partsOf(10, 4)).toEqual([4, 4, 2]);
    const request = requestFor("m", { inputs: [rowsOfInts([1, 2, 3, 4, 5])] });
    const parts = finish(cutRequest(request, partsOf(5, 2)));
    expect(parts.map(rowsOf)).toEqual([2, 2, 1]);
    expect(plain(finish(mergeRequests(parts)).inputs[0] as Tensor)).toEqual(plain(request.inputs[0] as Tensor));
  });
});

describe("the key of a bucket", () => {
  const base = requestFor("m", { inputs: [rowsOfInts([1], 2)] });
  const parameter = (value: string | number | bigint | boolean): Partial<InferRequest> => ({
    parameters: new Map([["p", value]]),
  });

  it("is the same whatever the rows and their number", () => {
    expect(bucketKey(requestFor("m", { inputs: [rowsOfInts([5, 6], 2)] }))).toBe(bucketKey(base));
  });

  it.each<[string, InferRequest]>([
    ["another model: a cache key of MLServer's has none", requestFor("other", { inputs: base.inputs })],
    ["another version", { ...base, model: { name: "m", select: { by: "version", version: "2" } } }],
    ["another task", { ...base, task: "classify" }],
    ["another signature", { ...base, signature: "other" }],
    ["other outputs", { ...base, outputs: [{ name: "y", parameters: new Map() }] }],
    ["another datatype", { ...base, inputs: [{ ...rowsOfInts([1], 2), datatype: "UINT32" }] }],
    ["another row shape", { ...base, inputs: [rowsOfInts([1], 3)] }],
    ["another input name", { ...base, inputs: [{ ...rowsOfInts([1], 2), name: "z" }] }],
    [
      "other parameters of an input",
      { ...base, inputs: [{ ...rowsOfInts([1], 2), parameters: new Map([["c", 1n]]) }] },
    ],
    ["other parameters: MLServer applied the last request's to all", { ...base, ...parameter(1) }],
  ])("differs for %s", (_, request) => {
    expect(bucketKey(request)).not.toBe(bucketKey(base));
  });

  it("tells apart values that are written alike", () => {
    const keys = [1, 1n, "1", true, "true", 0, -0, Number.NaN].map((value) =>
      bucketKey({ ...base, ...parameter(value) }),
    );
    expect(new Set(keys).size).toBe(8);
  });

  it("differs for another value of a header that the answer depends on", () => {
    const key = (user: string) => bucketKey(base, { names: ["x-user"], headers: new Map([["x-user", user]]) });
    expect(key("a")).not.toBe(key("b"));
    expect(key("a")).toBe(key("a"));
  });
});

describe("an answer", () => {
  const y = (values: readonly number[]): Tensor => ({ ...rowsOfInts(values), name: "y" });
  const asked = { rows: 3, counts: [1, 2], request: {} };
  const split = (reply: InferResponse, more = {}) => finish(splitReply(reply, { ...asked, ...more }));

  it("comes apart by the members' rows, padding left out", () => {
    const parts = split(wholeReply("m", "1", { outputs: [y([1, 2, 3, 3])] }), { rows: 4 });
    expect(parts.map(({ outputs }) => outputs.map(plain))).toEqual([[plain(y([1]))], [plain(y([2, 3]))]]);
  });

  it.each<[string, readonly Tensor[], object]>([
    ["short: MLServer gave later callers empty data", [y([1, 2])], {}],
    ["long", [y([1, 2, 3, 4])], {}],
    ["of a scalar", [{ ...y([1]), shape: [] }], {}],
    ["without outputs", [], {}],
    ["with an output twice", [y([1, 2, 3]), y([1, 2, 3])], {}],
    [
      "with an output that nobody asked for",
      [y([1, 2, 3])],
      { request: { outputs: [{ name: "z", parameters: new Map() }] } },
    ],
    [
      "in another order than asked",
      [y([1, 2, 3]), { ...y([1, 2, 3]), name: "a" }],
      {
        request: {
          outputs: [
            { name: "a", parameters: new Map() },
            { name: "y", parameters: new Map() },
          ],
        },
      },
    ],
    [
      "of another datatype than the signature's",
      [y([1, 2, 3])],
      { signature: { outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }] } },
    ],
    [
      "of another shape than the signature's",
      [y([1, 2, 3])],
      { signature: { outputs: [{ name: "y", datatype: "INT32", shape: [-1, 7] }] } },
    ],
  ])("%s is the backend's fault", (_, outputs, more) => {
    expect(() => split(wholeReply("m", "1", { outputs }), more)).toThrow(
      expect.objectContaining({ code: "bad-backend", message: expect.stringContaining("batch of 3 rows") }),
    );
  });

  it("of parts is put together again", () => {
    const replies = [[1, 2], [3]].map((values) => wholeReply("m", "1", { outputs: [y(values)] }));
    expect(finish(joinReplies(replies)).outputs.map(plain)).toEqual([plain(y([1, 2, 3]))]);
  });

  it("of parts that differ in their outputs is the backend's fault", () => {
    const other = wholeReply("m", "1", { outputs: [{ ...y([3]), name: "z" }] });
    expect(() => finish(joinReplies([wholeReply("m", "1", { outputs: [y([1])] }), other]))).toThrow(
      /different outputs/,
    );
    const wide = wholeReply("m", "1", { outputs: [{ ...rowsOfInts([3], 2), name: "y" }] });
    expect(() => finish(joinReplies([wholeReply("m", "1", { outputs: [y([1])] }), wide]))).toThrow(/different outputs/);
  });
});
