import { describe, expect, it } from "vitest";
import type { InferResponse } from "../../../../core/request.ts";
import { breaker } from "../../../../policies/breaker.ts";
import { breakerOf, broken, busy, DEFAULTS, left, times } from "../../../support/breakers.ts";
import { aCall } from "../../../support/fake-pool.ts";
import { requestFor, scripted, wholeReply } from "../../../support/scripted.ts";

describe("the words after breaker", () => {
  it.each([
    [true, DEFAULTS],
    [{}, DEFAULTS],
    [
      { consecutive: 3, openFor: "1s" },
      { ...DEFAULTS, consecutive: 3, openForMs: 1000 },
    ],
    [false, false],
  ])("are read: %j", (words, expected) => {
    expect(breaker.options.parse(words)).toEqual(expected);
  });

  it.each([["on"], [{ errorRate: 0 }], [{ errorRate: 1.1 }], [{ openFor: "2m" }], [{ minimumCalls: 0 }]])(
    "are refused: %j",
    (words) => {
      expect(breaker.options.safeParse(words).success).toBe(false);
    },
  );
});

describe("a closed breaker", () => {
  it("opens with the fifth failure in a row, and refuses at once from then on", async () => {
    const all = breakerOf();
    expect(await all.fails(4)).toEqual(times(4, "failed"));
    await all.answers(1);
    expect(await all.fails(7)).toEqual([...times(5, "failed"), "refused", "refused"]);
    expect(all.guard.status()).toMatchObject({ state: "open", forced: false, reason: "5 failures in a row" });
    expect([all.guard.available(), all.guard.out()]).toEqual([false, true]);
  });

  it("opens with more than half of at least 20 calls failed, and not with half of them", async () => {
    const all = breakerOf({ consecutive: 1000 });
    await all.answers(10);
    await all.fails(10);
    expect(all.state()).toBe("closed");
    await all.fails(1);
    expect(all.guard.status().reason).toBe("more than 50% of at least 20 calls failed");
  });

  it("says nothing of a rate over 19 calls", async () => {
    const all = breakerOf({ consecutive: 1000 });
    await all.fails(19);
    expect(all.state()).toBe("closed");
    await all.fails(1);
    expect(all.state()).toBe("open");
  });

  it("forgets for the rate what is older than 10 s", async () => {
    const all = breakerOf({ consecutive: 1000 });
    await all.fails(19);
    all.env.clock.advance(9999);
    await all.answers(1);
    all.env.clock.advance(1);
    await all.fails(18);
    expect(all.state()).toBe("closed");
    await all.fails(1);
    expect(all.state()).toBe("open");
  });

  it("counts a server's 429 for the rate and not for the run", async () => {
    const run = breakerOf({ minimumCalls: 1000 });
    await run.fails(4);
    await run.fails(100, busy);
    expect(run.state()).toBe("closed");
    // nor does it end the run
    await run.fails(1);
    expect(run.state()).toBe("open");
    const rate = breakerOf();
    await rate.fails(20, busy);
    expect(rate.state()).toBe("open");
  });

  it("counts nobody who left, neither for nor against", async () => {
    const all = breakerOf();
    await all.fails(4);
    await all.fails(100, left);
    expect(all.state()).toBe("closed");
    await all.fails(1);
    expect(all.state()).toBe("open");
  });

  it("counts a client's own mistake as an answer", async () => {
    const all = breakerOf();
    const { invalid } = await import("../../../../core/error.ts");
    await all.fails(4);
    await all.fails(1, () => invalid("shape"));
    await all.fails(4);
    expect(all.state()).toBe("closed");
  });

  it("counts a stream by its end", async () => {
    const all = breakerOf({ consecutive: 1 });
    const { service, handle } = scripted();
    const answer = all.guard.layer(service)(requestFor("m"), aCall(all.env));
    const asked = await handle.next();
    asked.reply({ kind: "stream", parts: breaking() });
    const reply = await answer;
    if (reply.kind !== "stream") throw new Error("expected a stream");
    const parts = reply.parts[Symbol.asyncIterator]();
    await parts.next();
    expect(all.state()).toBe("closed");
    await expect(parts.next()).rejects.toThrow("reset");
    expect(all.state()).toBe("open");
  });
});

async function* breaking(): AsyncGenerator<InferResponse> {
  yield wholeReply("m", "1");
  throw broken();
}

describe("an open breaker", () => {
  it("says to its caller that another endpoint may do, and when it is worth another try", async () => {
    const all = breakerOf();
    await all.fails(5);
    const call = aCall(all.env);
    await expect(all.guard.layer(scripted().service)(requestFor("m"), call)).rejects.toMatchObject({
      code: "unavailable",
      origin: "gateway",
      retryable: "elsewhere",
      unsent: true,
      retryAfterMs: expect.closeTo(5000, -3),
      message: 'the circuit breaker of backend "gpu" is open',
    });
    expect(call.trace.decisions).toEqual([
      {
        policy: "breaker",
        said: expect.stringMatching(/^gpu\/a:1 is open for [45].*s more \(5 failures in a row\), not asked$/),
      },
    ]);
  });

  it("stays so twice as long after each probe that fails, up to openMax, each time up to a tenth longer or shorter", async () => {
    const all = breakerOf();
    await all.fails(5);
    for (const usual of [5, 10, 20, 40, 60, 60]) {
      const { forMs = 0 } = all.guard.status();
      expect(forMs / 1000).toBeGreaterThanOrEqual(usual * 0.9);
      expect(forMs / 1000).toBeLessThanOrEqual(usual * 1.1);
      all.env.clock.advance(forMs - 1);
      expect(all.state()).toBe("open");
      all.env.clock.advance(1);
      expect(all.state()).toBe("half-open");
      expect(await all.fails(1)).toEqual(["failed"]);
    }
  });

  it("begins with openFor again when it was closed for openMax", async () => {
    const all = breakerOf();
    const trip = async () => {
      await all.fails(5);
      const { forMs = 0 } = all.guard.status();
      all.env.clock.advance(forMs);
      await all.answers(1);
      expect(all.state()).toBe("closed");
      return Math.round(forMs / 5500);
    };
    expect([await trip(), await trip(), await trip()]).toEqual([1, 2, 4]);
    all.env.clock.advance(60_000);
    expect(await trip()).toBe(1);
  });

  it("is half-open for one call at a time; its success closes it", async () => {
    const all = breakerOf();
    await all.fails(5);
    all.env.clock.advance(5500);
    const probe = all.begin();
    const asked = await probe.asked;
    expect(probe.call.trace.decisions).toEqual([{ policy: "breaker", said: "gpu/a:1 is half-open, asked to see" }]);
    expect(await all.answers(3)).toEqual(times(3, "refused"));
    asked.reply(wholeReply("m", "1"));
    expect(await probe.told).toBe("answered");
    expect(await all.answers(3)).toEqual(times(3, "answered"));
  });

  it("forgets the failures that opened it", async () => {
    const all = breakerOf();
    await all.fails(5);
    all.env.clock.advance(5500);
    await all.answers(1);
    expect(await all.fails(4)).toEqual(times(4, "failed"));
    expect(all.state()).toBe("closed");
  });
});

describe("half of the pool", () => {
  it("keeps a breaker closed, which says so once, and opens it with the next failure when there is room", async () => {
    const all = breakerOf();
    all.room = false;
    await all.fails(30);
    expect(all.state()).toBe("closed");
    const held = all.env.lines.filter(({ message }) => message.includes("stays closed"));
    expect(held.map(({ message }) => message)).toEqual([
      "the breaker stays closed, half of the pool is out already (5 failures in a row)",
    ]);
    all.room = true;
    await all.fails(1);
    expect(all.state()).toBe("open");
  });

  it("asks an open endpoint all the same for who believes no breaker, and learns nothing from it", async () => {
    const all = breakerOf();
    await all.fails(5);
    const { forMs } = all.guard.status();
    const { service, handle } = scripted();
    const anyway = all.guard.anyway(service);
    for (let i = 0; i < 50; i += 1) {
      const call = aCall(all.env);
      const answer = anyway(requestFor("m"), call).catch(() => {});
      const asked = await handle.next();
      if (i % 2 === 0) asked.reply(wholeReply("m", "1"));
      else asked.fail(broken());
      await answer;
      expect(call.trace.decisions[0]?.said).toMatch(/asked all the same$/);
    }
    expect(all.guard.status()).toMatchObject({ state: "open", forMs });
    all.env.clock.advance(5500);
    // half-open, one of them is the probe
    const answer = anyway(requestFor("m"), aCall(all.env));
    (await handle.next()).reply(wholeReply("m", "1"));
    await answer;
    expect(all.state()).toBe("closed");
  });
});

describe("by hand", () => {
  it("stays open until it is reset, whatever the time", async () => {
    const all = breakerOf();
    all.guard.byHand("open");
    all.env.clock.advance(3_600_000);
    expect(await all.answers(1)).toEqual(["refused"]);
    expect([all.guard.barred(), all.guard.out()]).toEqual([true, false]);
    expect(all.guard.status()).toEqual({ state: "open", forced: true, reason: "set by hand" });
    all.guard.byHand("reset");
    expect(await all.answers(1)).toEqual(["answered"]);
    expect(await all.fails(6)).toEqual([...times(5, "failed"), "refused"]);
  });

  it("stays closed until it is reset, however often calls fail", async () => {
    const all = breakerOf();
    await all.fails(5);
    all.guard.byHand("close");
    expect(await all.fails(100)).toEqual(times(100, "failed"));
    all.guard.byHand("reset");
    expect(await all.fails(6)).toEqual([...times(5, "failed"), "refused"]);
    expect(all.env.clock.pending).toBe(1);
  });
});

it("says each change as an event and in the log, and leaves no timer behind", async () => {
  const all = breakerOf();
  await all.fails(5);
  all.env.clock.advance(5500);
  await all.answers(1);
  await all.fails(5);
  all.guard.close(false);
  expect(all.env.clock.pending).toBe(0);
  const where = { type: "breaker-state", backend: "gpu", endpoint: "gpu/a:1", model: undefined };
  expect(all.env.events).toEqual([
    { ...where, state: "closed", cause: undefined },
    { ...where, state: "open", cause: "consecutive" },
    { ...where, state: "half-open", cause: undefined },
    { ...where, state: "closed", cause: undefined },
    { ...where, state: "open", cause: "consecutive" },
    { ...where, state: "gone", cause: undefined },
  ]);
  expect(all.env.lines.map(({ level, message }) => `${level} ${message.replace(/[0-9.]+s/, "5s")}`)).toEqual([
    "warn the breaker is open for 5s more (5 failures in a row)",
    "info the breaker is half-open (5 failures in a row)",
    "info the breaker is closed",
    "warn the breaker is open for 5s more (5 failures in a row)",
  ]);
  // calls that had chosen it pass
  expect(await all.answers(1)).toEqual(["answered"]);
});
