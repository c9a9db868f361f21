// Equal questions at the same time: how often the model is asked, and who hears what of its failures.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import type { Reply } from "../../../../core/request.ts";
import { answerOf, type CacheAsk, type CacheBench, ints, openCacheBench, settle } from "../../../support/cache.ts";

const input = (...values: readonly number[]): CacheAsk => ({ request: { inputs: [ints("x", values)] } });
const firstOf = (reply: Reply) => (reply.kind === "whole" ? (reply.outputs[0]?.data[0] ?? -1) : -1);
const down = () => new InferError("unavailable", "down");

describe("equal questions at the same time", () => {
  const crowd = (bench: CacheBench, count: number) => Array.from({ length: count }, () => bench.ask());

  it("are one call to the model: 1,000 misses, one asked", async () => {
    const bench = openCacheBench();
    const askings = crowd(bench, 1_000);
    const asked = await bench.handle.next();
    await settle();
    expect(bench.handle.waiting).toBe(0);
    asked.reply(answerOf(5));
    const replies = await Promise.all(askings.map(({ answer }) => answer));
    expect(replies.every((reply) => firstOf(reply) === 5)).toBe(true);
    expect(askings.filter(({ call }) => call.trace.facts.cache === "miss").length).toBe(1);
    expect(askings.filter(({ call }) => call.trace.facts.cache === "coalesced").length).toBe(999);
    expect(bench.handle.waiting).toBe(0);
  });

  it("go on when the one that asked leaves, and each leaves at its own deadline", async () => {
    const bench = openCacheBench();
    const [leader, patient] = [bench.ask({ call: { timeoutMs: 5 } }), bench.ask({ call: { timeoutMs: 100 } })];
    const asked = await bench.handle.next();
    leader.call.cancel(new InferError("cancelled", "gone"));
    await expect(leader.answer).rejects.toMatchObject({ code: "cancelled" });
    expect(asked.call.signal.aborted).toBe(false);
    asked.reply(answerOf(5));
    expect(firstOf(await patient.answer)).toBe(5);
  });

  it("are given up when all have left, and who comes then begins anew", async () => {
    const bench = openCacheBench();
    const askings = crowd(bench, 3);
    const asked = await bench.handle.next();
    await settle();
    for (const { call } of askings) call.cancel(new InferError("cancelled", "gone"));
    expect(asked.call.signal.aborted).toBe(true);
    expect(firstOf(await (await bench.miss({}, answerOf(6))).answer)).toBe(6);
  });

  it("are asked once more by the next one when the first fails, and not a third time", async () => {
    const bench = openCacheBench();
    const askings = crowd(bench, 100);
    const first = await bench.handle.next();
    await settle();
    first.fail(down());
    const second = await bench.handle.next();
    await settle();
    expect(bench.handle.waiting).toBe(0);
    second.fail(down());
    const ends = await Promise.allSettled(askings.map(({ answer }) => answer));
    expect(ends.every(({ status }) => status === "rejected")).toBe(true);
    await settle();
    expect(bench.handle.waiting).toBe(0);
    // and nothing of the failure is left for who comes after
    expect(firstOf(await (await bench.miss({}, answerOf(7))).answer)).toBe(7);
  });

  it("are well when the second try is", async () => {
    const bench = openCacheBench();
    const askings = crowd(bench, 10);
    const first = await bench.handle.next();
    await settle();
    first.fail(down());
    (await bench.handle.next()).reply(answerOf(5));
    const ends = await Promise.allSettled(askings.map(({ answer }) => answer));
    expect(ends.map(({ status }) => status).filter((status) => status === "rejected").length).toBe(1);
  });

  it("share the fault of the question itself at once", async () => {
    const bench = openCacheBench();
    const askings = crowd(bench, 10);
    const asked = await bench.handle.next();
    await settle();
    asked.fail(new InferError("invalid-argument", "shape"));
    const ends = await Promise.allSettled(askings.map(({ answer }) => answer));
    expect(ends.every(({ status }) => status === "rejected")).toBe(true);
    expect(bench.handle.waiting).toBe(0);
  });

  it("are not one with questions that only have the same first digest", async () => {
    const bench = openCacheBench({ room: { first: () => "same" } });
    const [one, other] = [bench.ask(input(1)), bench.ask(input(2))];
    const asked = [await bench.handle.next(), await bench.handle.next()];
    for (const { request, reply } of asked) reply(answerOf(request.inputs[0]?.data[0] ?? 0));
    expect([firstOf(await one.answer), firstOf(await other.answer)]).toEqual([1, 2]);
  });

  it("let one of them read a stream, and the others ask for their own", async () => {
    const bench = openCacheBench();
    const [one, other] = crowd(bench, 2);
    const stream = (): Reply => ({
      kind: "stream",
      parts: (async function* () {
        yield answerOf(1);
      })(),
    });
    (await bench.handle.next()).reply(stream());
    (await bench.handle.next()).reply(stream());
    expect((await one?.answer)?.kind).toBe("stream");
    expect((await other?.answer)?.kind).toBe("stream");
  });
});
