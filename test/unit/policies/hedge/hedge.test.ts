// Second copies of late requests: when they go out and when not, who wins, and what becomes of the loser.

import { describe, expect, it } from "vitest";
import { unlessAborted } from "../../../../core/call.ts";
import type { InferError } from "../../../../core/error.ts";
import { outcomeOf } from "../../../../core/outcome.ts";
import type { Reply } from "../../../../core/request.ts";
import type { Service } from "../../../../core/service.ts";
import { hedge } from "../../../../policies/hedge.ts";
import { type AttemptsBench, type AttemptsInit, failing, openAttempts } from "../../../support/attempts.ts";
import { wholeReply } from "../../../support/scripted.ts";

function bench(words: unknown, init: Partial<AttemptsInit> = {}): AttemptsBench {
  return openAttempts({ layers: [{ kind: hedge as never, words }], servers: 2, ...init });
}

/** Answers after so long, unless its caller leaves before. */
const answers =
  (one: AttemptsBench, id: string, ms: () => number): Service =>
  (_request, call) =>
    unlessAborted(
      new Promise<Reply>((resolve) => one.env.clock.after(ms(), () => resolve(wholeReply("m", id)))),
      call.signal,
    );

/** What came of it, once it has. */
function watched(asking: Promise<Reply>): { got: string | undefined } {
  const watch: { got: string | undefined } = { got: undefined };
  asking.then(
    (reply) => {
      watch.got = reply.kind === "whole" ? reply.model.version : "stream";
    },
    (error: InferError) => {
      watch.got = error.code;
    },
  );
  return watch;
}

const asked = ({ servers }: AttemptsBench) => servers.map(({ calls }) => calls.length);

/** Enough requests that 5 % of them are several, all answered at once. */
async function warm(one: AttemptsBench, requests = 100): Promise<void> {
  for (let i = 0; i < requests; i += 1) await one.ask();
  for (const server of one.servers) server.calls.splice(0);
}

/** A bench after 100 requests whose first server takes 100 ms and whose second takes 5. */
async function slowFirst(words: unknown = { after: "20ms" }, init: Partial<AttemptsInit> = {}) {
  const one = bench(words, init);
  await warm(one);
  one.servers[0]!.answer = answers(one, "e1", () => 100);
  one.servers[1]!.answer = answers(one, "e2", () => 5);
  return one;
}

describe("a second copy", () => {
  it("goes to another endpoint after the time, and its answer is the answer", async () => {
    const one = await slowFirst();
    const trace: string[] = [];
    const watch = watched(one.ask({ said: (said) => void trace.push(...said) }));
    await one.settle();
    await one.pass(19);
    expect(asked(one)).toEqual([1, 0]);
    await one.pass(1);
    expect([asked(one), one.servers[1]!.calls[0]?.attempt.avoid]).toEqual([[1, 1], ["e1"]]);
    await one.pass(5);
    expect(watch.got).toBe("e2");
    expect(trace).toContain("hedge: no answer from e1 after 20.0 ms, a second copy elsewhere");
    expect(one.told("hedge")).toEqual([{ model: "m", version: "1", result: "won" }]);
  });

  it("cancels the loser, which says nothing of its endpoint's health", async () => {
    const one = await slowFirst();
    watched(one.ask());
    await one.settle();
    await one.pass(25, 5);
    const { signal } = one.servers[0]!.calls[0]!;
    expect([signal.aborted, outcomeOf(signal.reason)]).toEqual([true, "ignored"]);
  });

  it("is cancelled when the first is answered after all", async () => {
    const one = await slowFirst();
    one.servers[0]!.answer = answers(one, "e1", () => 22);
    const watch = watched(one.ask());
    await one.settle();
    await one.pass(22, 1);
    const { signal } = one.servers[1]!.calls[0]!;
    expect([watch.got, signal.aborted, one.told("hedge").map(({ result }) => result)]).toEqual(["e1", true, ["lost"]]);
  });

  it("leaves both to the caller's leaving", async () => {
    const one = await slowFirst();
    const left = new AbortController();
    const watch = watched(one.ask({ call: { signal: left.signal } }));
    await one.settle();
    await one.pass(21, 1);
    left.abort();
    await one.settle();
    const signals = one.servers.map(({ calls }) => calls[0]?.signal.aborted);
    expect([watch.got, signals]).toEqual(["cancelled", [true, true]]);
  });

  it("answers where the first fails after it was sent", async () => {
    const one = await slowFirst();
    one.servers[0]!.answer = async (request, call) => {
      await answers(one, "e1", () => 21)(request, call);
      return failing("unavailable")(request, call);
    };
    const watch = watched(one.ask());
    await one.settle();
    await one.pass(30, 1);
    expect(watch.got).toBe("e2");
  });

  it("is none where the first fails before: that is a retry's", async () => {
    const one = await slowFirst();
    one.servers[0]!.answer = failing("unavailable");
    const watch = watched(one.ask());
    await one.settle();
    await one.pass(50, 5);
    expect([watch.got, asked(one)]).toEqual(["unavailable", [1, 0]]);
  });

  it("leaves no timer and no listener behind", async () => {
    const one = await slowFirst();
    const left = new AbortController();
    watched(one.ask({ call: { signal: left.signal } }));
    await one.settle();
    await one.pass(120, 5);
    expect(one.env.clock.pending).toBe(0);
  });
});

describe("no second copy", () => {
  const none = async (one: AttemptsBench, init: Parameters<AttemptsBench["ask"]>[0] = {}) => {
    watched(one.ask(init));
    await one.settle();
    await one.pass(60, 5);
    expect(asked(one)).toEqual([1, 0]);
  };

  it.each([
    ["a stream", { request: { stream: true } }],
    ["a shadow", { call: { purpose: "shadow" } }],
    ["a sequence", { call: { sequence: { id: "7", start: true, end: false } } }],
    ["a request whose deadline comes before", { call: { timeoutMs: 15 } }],
  ] as const)("is sent for %s", async (_, init) => none(await slowFirst(), init));

  it("is sent while the pool is over 80 % busy, and at 80 % it is", async () => {
    const one = await slowFirst();
    for (const server of one.servers) Object.assign(server, { busy: 9, free: 1 });
    await none(one);
    const other = await slowFirst();
    for (const server of other.servers) Object.assign(server, { busy: 8, free: 2 });
    watched(other.ask());
    await other.settle();
    await other.pass(21, 1);
    expect(asked(other)).toEqual([1, 1]);
  });

  it("is sent where there is no other endpoint that may be given work", async () => {
    const one = await slowFirst();
    one.servers[1]!.healthy = false;
    await none(one);
  });

  it("is sent to a model of which nobody says that its requests may run twice", async () => {
    await none(await slowFirst({ after: "20ms" }, { metadata: { platform: "" } }));
    await none(await slowFirst({ after: "20ms", repeatable: false }));
  });
});

describe("the budget of second copies", () => {
  /** How many of 1,000 requests, each of them late, had a second copy. */
  async function copies(budget: string) {
    const one = bench({ after: "20ms", budget });
    for (const server of one.servers) server.answer = answers(one, server.id, () => 40);
    for (let i = 0; i < 1000; i += 1) {
      const watch = watched(one.ask());
      for (let ms = 0; ms < 60 && watch.got === undefined; ms += 20) {
        await one.settle();
        one.env.clock.advance(20);
      }
      await one.settle();
    }
    return asked(one).reduce((sum, count) => sum + count, 0) - 1000;
  }

  it("is at most 5 % of the requests, however many are late", async () => {
    const extra = await copies("5%");
    expect(extra).toBeLessThanOrEqual(50);
    expect(extra).toBeGreaterThanOrEqual(45);
  }, 60_000);

  it("is what holds it: with 100 % this check sees many more", async () => {
    expect(await copies("100%")).toBeGreaterThan(50);
  }, 60_000);
});
