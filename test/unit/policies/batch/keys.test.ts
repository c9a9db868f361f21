import { describe, expect, test } from "vitest";
import { openCall } from "../../../../core/call.ts";
import type { InferRequest, Select } from "../../../../core/request.ts";
import type { Tensor } from "../../../../core/tensor.ts";
import { openBuckets } from "../../../../policies/batch/buckets.ts";
import { bucketKey, openBucketKeys } from "../../../../policies/batch/key.ts";
import { openMember } from "../../../../policies/batch/member.ts";
import { rowsOfInts } from "../../../support/batch-model.ts";
import { fakeClock, seededRandom } from "../../../support/fake-env.ts";
import { requestFor } from "../../../support/scripted.ts";

const SELECTS: readonly Select[] = [
  { by: "default" },
  { by: "version", version: "1" },
  { by: "version", version: "2" },
  { by: "label", label: "1" },
  { by: "label", label: "2" },
];

function randomRequest(random: () => number): InferRequest {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const input = (): Tensor => ({
    ...rowsOfInts(pick([[1], [2, 3]]), pick([1, 2])),
    name: pick(["a", "b"]),
    datatype: pick(["INT32", "UINT32"] as const),
    ...pick([{}, {}, {}, { parameters: new Map([["c", pick([1n, 2n])]]) }]),
  });
  return {
    ...requestFor("m", { inputs: pick([[input()], [input(), input()]]) }),
    model: { name: pick(["m", "m", "n"]), select: pick(SELECTS) },
    task: pick(["infer", "infer", "classify"] as const),
    parameters: pick([new Map(), new Map(), new Map(), new Map([["p", pick([1, 2])]])]),
    ...pick([{}, {}, {}, { outputs: [{ name: pick(["y", "z"]), parameters: new Map() }] }]),
    ...pick([{}, {}, { signature: pick(["s", "t"]) }]),
  };
}

describe("keys of buckets", () => {
  test("that are remembered are those that would be written, over 20,000 requests", () => {
    const random = seededRandom(7);
    const keyOf = openBucketKeys();
    let same = 0;
    let before: string | undefined;
    let request = randomRequest(random);
    for (let i = 0; i < 20_000; i += 1) {
      if (random() < 0.5) request = randomRequest(random);
      const key = bucketKey(request);
      expect(keyOf(request)).toBe(key);
      expect(keyOf({ ...request, inputs: request.inputs.map((input) => ({ ...input })) })).toBe(key);
      if (key === before) same += 1;
      before = key;
    }
    expect(same).toBeGreaterThan(5_000);
  });

  test("depend on headers where headers tell requests apart", () => {
    const keyOf = openBucketKeys();
    const request = requestFor("m", { inputs: [rowsOfInts([1], 2)] });
    const said = (value: string) => ({ names: ["x-a"], headers: new Map([["x-a", value]]) });
    expect(new Set([keyOf(request), keyOf(request, said("1")), keyOf(request, said("2")), keyOf(request)]).size).toBe(
      3,
    );
  });
});

describe("buckets", () => {
  test("somebody who comes while more than may be remembered are waited in is not forgotten", () => {
    const buckets = openBuckets(8);
    const wait = (key: string) => {
      const bucket = buckets.of(key);
      const request = requestFor("m", { inputs: [rowsOfInts([1])] });
      const call = openCall({ id: key, traceparent: "", protocol: "test", clock: fakeClock() });
      const member = openMember({ request, call, rows: 1, bytes: 4, onSettled: () => {} });
      member.answer.catch(() => {});
      bucket.line.add(member);
    };
    for (let i = 0; i < 300; i += 1) wait(`form ${i}`);
    expect(buckets.waiting()).toHaveLength(300);
  });
});
