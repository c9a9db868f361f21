import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import type { InferResponse } from "../../../../core/request.ts";
import { aCall } from "../../../support/fake-pool.ts";
import { fakeRoute } from "../../../support/routes.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";

describe("fallback", () => {
  const words = { fallback: ["next", "stable"] };
  const failing = (error: unknown) => ({ "2": () => Promise.reject(error) });

  it("takes the first branch while it answers", async () => {
    const { call, version, said } = await fakeRoute({ words }).ask();
    expect({ version, said }).toEqual({ version: "2", said: ["fallback next, then stable"] });
    expect(call.trace.facts.fallback).toBeUndefined();
  });

  it.each(["unavailable", "overloaded", "bad-backend"] as const)("goes on after %s and says so", async (code) => {
    const { call, version, said } = await fakeRoute({ words, leaves: failing(new InferError(code, "no")) }).ask();
    expect(version).toBe("1");
    expect(said).toEqual(["fallback next, then stable", `fallback next failed (${code}), on to stable`]);
    expect(call.trace.facts.fallback).toBe("stable");
  });

  it.each(["invalid-argument", "deadline-exceeded", "internal"] as const)("does not go on after %s", async (code) => {
    const { ask, asked } = fakeRoute({ words, leaves: failing(new InferError(code, "no")) });
    await expect(ask()).rejects.toMatchObject({ code });
    expect(asked.length).toBe(1);
  });

  it("ends with the last branch's fault", async () => {
    const down = () => Promise.reject(new InferError("unavailable", "down"));
    await expect(fakeRoute({ words, leaves: { "1": down, "2": down } }).ask()).rejects.toMatchObject({
      message: "down",
    });
  });

  const streams = (parts: () => AsyncGenerator<InferResponse>) => ({
    "2": async () => ({ kind: "stream" as const, parts: parts() }),
  });

  it("goes on when a stream breaks before its first part", async () => {
    async function* broken(): AsyncGenerator<InferResponse> {
      yield* [];
      throw new InferError("unavailable", "gone");
    }
    expect((await fakeRoute({ words, leaves: streams(broken) }).ask()).version).toBe("1");
  });

  it("never goes on after a stream's first part, and hands a reader's leaving down", async () => {
    let ended = false;
    async function* late(): AsyncGenerator<InferResponse> {
      try {
        yield wholeReply("m", "2");
        throw new InferError("unavailable", "gone");
      } finally {
        ended = true;
      }
    }
    const { route, env, asked } = fakeRoute({ words, leaves: streams(late) });
    const read = async () => {
      const reply = await route.service(requestFor("m"), aCall(env));
      if (reply.kind !== "stream") throw new Error("expected a stream");
      return reply.parts[Symbol.asyncIterator]();
    };
    const first = await read();
    expect((await first.next()).value).toMatchObject({ model: { version: "2" } });
    await expect(first.next()).rejects.toMatchObject({ message: "gone" });
    expect(asked.length).toBe(1);
    ended = false;
    // left before the first part was read: the stream below has begun, so it must be told
    await (await read()).return?.();
    expect(ended).toBe(true);
  });

  it("may end in a fixed answer, repeated for each row, which says that it is one", async () => {
    const answer = { score: { datatype: "FP32", shape: [-1, 1], data: [0.5] } };
    const down = () => Promise.reject(new InferError("unavailable", "down"));
    const { route, env } = fakeRoute({ words: { fallback: ["next", { answer }] }, leaves: { "2": down } });
    const call = aCall(env);
    const inputs = [{ name: "x", datatype: "FP32", shape: [3, 1], data: new Uint8Array(12) }] as const;
    const reply = (await route.service(requestFor("m", { inputs }), call)) as InferResponse;
    expect(reply.outputs).toMatchObject([{ name: "score", shape: [3, 1] }]);
    expect([...new Float32Array(reply.outputs[0]!.data.slice().buffer)]).toEqual([0.5, 0.5, 0.5]);
    expect(call.trace.facts.fallback).toBe("default answer");
  });
});
