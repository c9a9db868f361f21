import { describe, expect, it } from "vitest";
import { wholeRequest } from "../../../core/deferred.ts";
import type { DecodedRequest } from "../../../core/protocol.ts";
import { openMemo } from "../../../gateway/memo.ts";
import { openContents } from "../../../policies/cache/contents.ts";
import { openDigests } from "../../../policies/cache/key.ts";
import { runNow } from "../../../wire/sliced.ts";
import { requestFor } from "../../support/scripted.ts";

const secret = new Uint8Array(32).fill(1);
const digests = openDigests({ secret });

function setUp(maxBytes?: number) {
  const contents = openContents();
  const memo = openMemo({ contents, secret, ...(maxBytes === undefined ? {} : { maxBytes }) });
  const decodedOf = (bytes: Uint8Array): DecodedRequest => ({
    request: { ...requestFor("m"), inputs: [{ name: "x", datatype: "UINT8", shape: [bytes.length], data: bytes }] },
  });
  const digested = (decoded: DecodedRequest) => {
    contents.note(decoded.request, runNow(digests.content(decoded.request)));
    return decoded;
  };
  return { contents, memo, decodedOf, digested };
}

const never = (): Promise<DecodedRequest> => Promise.reject(new Error("decoded"));

describe("the memory of bodies", () => {
  it("gives what was kept with the digests of its question, and decodes nothing for it", () => {
    const { memo, contents, decodedOf, digested } = setUp();
    const body = Uint8Array.from([1, 2, 3]);
    const decoded = digested(decodedOf(body));
    const key = memo.key(["a"], body);
    expect(memo.find(key, never)).toBeUndefined();
    memo.keep(key, decoded);
    const found = memo.find(key, never);
    expect(found?.request.inputs.map(({ name, shape }) => [name, shape])).toEqual([["x", [3]]]);
    expect(contents.of(found?.request ?? requestFor("m"))).toEqual(runNow(digests.content(decoded.request)));
  });

  it("decodes the body where its bytes are needed", async () => {
    const { memo, decodedOf, digested } = setUp();
    const body = Uint8Array.from([1, 2, 3]);
    const key = memo.key([], body);
    memo.keep(key, digested(decodedOf(body)));
    const found = memo.find(key, async () => decodedOf(body));
    expect([...((await wholeRequest(found?.request ?? requestFor("m"))).inputs[0]?.data ?? [])]).toEqual([1, 2, 3]);
  });

  it("keeps nothing of a request that no cache has digested", () => {
    const { memo, decodedOf } = setUp();
    memo.keep("key", decodedOf(new Uint8Array(3)));
    expect(memo.find("key", never)).toBeUndefined();
  });

  it("gives no digests to a request of which anything but the model was changed", () => {
    const { memo, contents, decodedOf, digested } = setUp();
    memo.keep("key", digested(decodedOf(new Uint8Array(3))));
    const request = memo.find("key", never)?.request ?? requestFor("m");
    expect(contents.of({ ...request, model: { name: "other", select: { by: "default" } } })).toBeDefined();
    expect(contents.of({ ...request, parameters: new Map([["p", 1n]]) })).toBeUndefined();
    expect(contents.of({ ...request, outputs: [] })).toBeUndefined();
    expect(contents.of({ ...request, task: "classify" })).toBeUndefined();
    expect(contents.of({ ...request, signature: "other" })).toBeUndefined();
    expect(contents.of({ ...request, inputs: [...request.inputs] })).toBeUndefined();
  });

  it("has another key for every other word and byte, small and large", () => {
    const { memo } = setUp();
    for (const length of [0, 3, 4095, 4096, 100_000]) {
      const body = new Uint8Array(length);
      const keys = [memo.key(["a", "b"], body), memo.key(["ab", ""], body), memo.key(["a", "b", ""], body)];
      for (let at = 0; at < length; at += 1 + Math.floor(length / 50)) {
        const changed = Uint8Array.from(body);
        changed[at] = 1;
        keys.push(memo.key(["a", "b"], changed));
      }
      keys.push(memo.key(["a", "b"], new Uint8Array(length + 1)));
      expect(new Set(keys).size).toBe(keys.length);
      expect(memo.key(["a", "b"], Uint8Array.from(body))).toBe(keys[0]);
    }
  });

  it("has the same key for the same words whatever was asked between, of that path and of many others", () => {
    const { memo } = setUp();
    const body = new Uint8Array(300).fill(5);
    const wordsOf = (n: number, more = "") => ["oip", "POST", `/m${n % 600}/infer`, more, "{}", `${n}`, ""];
    const keys = Array.from({ length: 1_200 }, (_, n) => memo.key(wordsOf(n), body));
    expect(new Set(keys).size).toBe(1_200);
    for (const n of [0, 599, 600, 1_199, 0]) {
      expect(memo.key(wordsOf(n), body)).toBe(keys[n]);
      expect(memo.key(wordsOf(n, "q"), body)).not.toBe(keys[n]);
      expect(memo.key(wordsOf(n).slice(1), body)).not.toBe(keys[n]);
      expect(memo.key(wordsOf(n), new Uint8Array(9_000))).not.toBe(keys[n]);
    }
    const small = memo.key(["a"], new Uint8Array(1));
    memo.key(["a"], new Uint8Array(4_000).fill(9));
    expect(memo.key(["a"], new Uint8Array(1))).toBe(small);
  });

  it("keeps no more than its bytes: the oldest go", () => {
    const { memo, decodedOf, digested } = setUp(20_000);
    for (let n = 0; n < 1_000; n += 1) memo.keep(`${n}`, digested(decodedOf(new Uint8Array(1_000))));
    const kept = Array.from({ length: 1_000 }, (_, n) => memo.find(`${n}`, never) !== undefined);
    const count = kept.filter(Boolean).length;
    expect(count).toBeGreaterThan(5);
    expect(count).toBeLessThanOrEqual(20_000 / 800);
    expect(kept.slice(-count).every(Boolean)).toBe(true);
  });
});
