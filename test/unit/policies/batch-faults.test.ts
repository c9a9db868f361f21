// Batching when something goes wrong: members that leave or are late, batches that fail, several endpoints, models on trial.

import { describe, expect, it } from "vitest";
import { InferError, invalid } from "../../../core/error.ts";
import type { Tensor } from "../../../core/tensor.ts";
import { gotOf, openBench } from "../../support/batch.ts";
import { busyBench, place, sizes } from "../../support/batch-busy.ts";
import { intsOf, POISON } from "../../support/batch-model.ts";
import type { PlaceFake } from "../../support/batch-place.ts";

describe("a member", () => {
  it("whose time is over leaves at once though all slots are busy: Triton notices late (#7512)", async () => {
    const bench = openBench({ places: [{ ...place, serviceMs: () => 1000 }] });
    bench.ask([0]);
    await bench.settle();
    const asking = bench.ask([1], { timeoutMs: 10 });
    await bench.pass(9);
    expect(gotOf(asking)).toBe("nothing");
    await bench.pass(1);
    expect([gotOf(asking), bench.scheduler.waiting]).toEqual(["deadline-exceeded", 0]);
  });

  it("that leaves while a batch runs touches no other", async () => {
    const bench = await busyBench({ places: [{ ...place, serviceMs: () => 5 }] });
    const [one, other] = [bench.ask([1]), bench.ask([2])];
    await bench.pass(6, 1);
    one.call.cancel(new InferError("cancelled", "left"));
    await bench.settle();
    expect([gotOf(one), gotOf(other)]).toEqual(["cancelled", "nothing"]);
    await bench.pass(5, 1);
    expect(gotOf(other)).toEqual([7]);
  });

  it("that is the last to leave cancels the run", async () => {
    const bench = await busyBench({ places: [{ ...place, serviceMs: () => 5 }] });
    const askings = [bench.ask([1]), bench.ask([2])];
    await bench.pass(6, 1);
    for (const { call } of askings) call.cancel(new InferError("cancelled", "left"));
    await bench.settle();
    expect(bench.fakes[0]?.busy).toBe(0);
  });

  it("that cannot be answered in time is refused now, not executed late", async () => {
    const bench = openBench({ places: [{ ...place, serviceMs: (rows) => rows + 10 }], words: { maxRows: 8 } });
    for (let i = 0; i < 60; i += 1) bench.ask([i]);
    await bench.pass(400, 1);
    bench.ask([0]);
    await bench.settle();
    const [tight, wide] = [bench.ask([1], { timeoutMs: 15 }), bench.ask([2], { timeoutMs: 60 })];
    const before = bench.fakes[0]?.asked.length;
    await bench.pass(12, 0.5);
    expect([gotOf(tight), bench.env.events.filter(({ type }) => type === "batch-refused").length]).toEqual([
      "deadline-exceeded",
      1,
    ]);
    await bench.pass(20, 0.5);
    expect([gotOf(wide), (bench.fakes[0]?.asked.length ?? 0) - (before ?? 0)]).toEqual([[7], 1]);
  });

  it("is tried again after everybody was refused for a while", async () => {
    let slow = 40;
    const bench = openBench({ places: [{ ...place, serviceMs: () => slow }], words: { maxRows: 2 } });
    for (let i = 0; i < 24; i += 1) bench.ask([i, i]);
    for (let i = 0; i < 12; i += 1) bench.ask([i]);
    await bench.pass(3000, 20);
    slow = 1;
    await bench.pass(2000);
    const asking = bench.ask([5], { timeoutMs: 20 });
    await bench.pass(5, 1);
    expect(gotOf(asking)).toEqual([16]);
  });
});

describe("a batch that fails", () => {
  it("because of one member's data fails that one only, and nobody runs more often than he must", async () => {
    const bench = await busyBench({ words: { maxRows: 8 }, places: [{ ...place, serviceMs: () => 1 }] });
    for (let i = 0; i < 20; i += 1) bench.ask([i]);
    await bench.pass(30, 0.5);
    const before = bench.fakes[0]?.asked.length ?? 0;
    bench.ask([0]);
    await bench.settle();
    const askings = [1, 2, 3, POISON, 5, 6, 7, 8].map((value) => bench.ask([value]));
    await bench.pass(30, 0.5);
    expect(askings.map(gotOf)).toEqual([[4], [7], [10], "invalid-argument", [16], [19], [22], [25]]);
    const runs = bench.fakes[0]?.asked.slice(before + 1) ?? [];
    for (const value of [1, 2, 3, 5, 6, 7, 8]) {
      const own = runs.filter(({ request }) => intsOf(request.inputs[0] as never).includes(value));
      expect(own.length).toBeLessThanOrEqual(4);
    }
  });

  it.each([
    ["is run once where nobody knows whether it may be run again", undefined, 1],
    ["is run again where the config allows it", true, 3],
  ])("%s", async (_, repeatable, calls) => {
    const bench = await busyBench({
      words: repeatable === undefined ? {} : { repeatable },
      metadata: { platform: "" },
    });
    const askings = [bench.ask([1]), bench.ask([POISON])];
    await bench.pass(10, 0.5);
    expect(sizes(bench)).toHaveLength(1 + calls);
    expect(gotOf(askings[1] as never)).toBe("invalid-argument");
  });

  it("as a server does that answers 500 to bad data is halved too", async () => {
    const broken = new InferError("bad-backend", "the model failed", { retryable: "no" });
    const bench = await busyBench({
      next:
        ([fake]) =>
        async (request, call) => {
          if (intsOf(request.inputs[0] as never).includes(13)) throw broken;
          return (fake as PlaceFake).candidate.service(request, call);
        },
    });
    const askings = [bench.ask([1]), bench.ask([13])];
    await bench.pass(10, 0.5);
    expect(askings.map(gotOf)).toEqual([[4], "bad-backend"]);
  });

  it("for no reason in the data fails for all, once: KServe's agent answers 200", async () => {
    const bench = await busyBench({ places: [{ ...place, wrong: (rows) => (rows > 1 ? "error" : undefined) }] });
    const askings = [bench.ask([1]), bench.ask([2])];
    await bench.pass(10, 0.5);
    expect([askings.map(gotOf), sizes(bench)]).toEqual([
      ["unavailable", "unavailable"],
      [1, 2],
    ]);
  });

  it.each(["short", "long", "swapped-outputs", "stream"] as const)(
    "to be answered rightly (%s) fails loudly: MLServer gave later callers empty data",
    async (wrong) => {
      const bench = await busyBench({ places: [{ ...place, wrong: (rows) => (rows > 1 ? wrong : undefined) }] });
      const askings = [bench.ask([1]), bench.ask([2])];
      await bench.pass(10, 0.5);
      expect(askings.map(gotOf)).toEqual(["bad-backend", "bad-backend"]);
    },
  );
});

describe("across endpoints", () => {
  it("one line feeds all, each by its learned speed", async () => {
    const bench = openBench({
      places: [
        { id: "fast", serviceMs: (rows) => 0.5 * rows + 2 },
        { id: "slow", serviceMs: (rows) => 2 * rows + 2 },
      ],
      words: { maxRows: 16 },
    });
    let sent = 0;
    let answered = 0;
    const client = () => {
      sent += 1;
      void bench.ask([sent]).answer.then(() => {
        answered += 1;
        client();
      });
    };
    for (let i = 0; i < 64; i += 1) client();
    await bench.pass(500, 0.25);
    const before = answered;
    await bench.pass(2000, 0.25);
    const together = (answered - before) / 2000;
    const alone = (a: number) => 16 / (a * 16 + 2);
    expect(together / (alone(0.5) + alone(2))).toBeGreaterThan(0.95);
  });

  it("a request goes to the endpoint that was chosen for it", async () => {
    const bench = openBench({ places: [{ id: "one" }, { id: "two" }] });
    for (let i = 0; i < 8; i += 1) bench.ask([i]);
    await bench.pass(10, 1);
    for (const { asked, candidate } of bench.fakes) {
      for (const { call } of asked) expect(call.attempt.prefer).toBe(candidate.endpoint.id);
    }
  });
});

describe("a model on trial", () => {
  it("is batched once rows alone and together had equal answers", async () => {
    const bench = await busyBench({ words: { probe: true } });
    const askings = [bench.ask([1]), bench.ask([2])];
    await bench.pass(10, 0.5);
    expect(askings.map(gotOf)).toEqual([[4], [7]]);
    // each alone, then both together as a probe
    expect(sizes(bench)).toEqual([1, 1, 1, 2]);
    expect(bench.fakes[0]?.asked.at(-1)?.call.purpose).toBe("probe");
    bench.ask([0]);
    await bench.settle();
    bench.ask([3]);
    bench.ask([4]);
    await bench.pass(10, 0.5);
    expect(sizes(bench).slice(4)).toEqual([1, 2]);
  });

  it("is never batched when its rows depend on each other", async () => {
    const bench = await busyBench({
      words: { probe: true },
      next:
        ([fake]) =>
        async (request, call) => {
          const reply = await fake?.candidate.service(request, call);
          const [x] = request.inputs;
          if (reply?.kind !== "whole" || x === undefined || (x.shape[0] ?? 0) < 2) return reply as never;
          const [y, ...others] = reply.outputs as readonly [Tensor, ...Tensor[]];
          const outputs = [{ ...y, data: y.data.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) }, ...others];
          return { ...reply, outputs };
        },
    });
    const askings = [bench.ask([1]), bench.ask([2])];
    await bench.pass(10, 0.5);
    expect(askings.map(gotOf)).toEqual([[4], [7]]);
    expect(bench.env.lines.at(-1)).toMatchObject({
      level: "warn",
      fields: { difference: expect.stringContaining("y") },
    });
    for (let i = 0; i < 4; i += 1) bench.ask([i]);
    await bench.pass(10, 0.5);
    expect(sizes(bench).slice(4)).toEqual([1, 1, 1, 1]);
  });
});

it("a model whose file is another one now is on trial again, however the last one was judged", async () => {
  const told = { artifact: "a" };
  let dependent = true;
  const bench = await busyBench({
    words: { probe: true },
    metadata: told,
    next:
      ([fake]) =>
      async (request, call) => {
        const reply = await fake?.candidate.service(request, call);
        if (reply?.kind !== "whole" || !dependent || (request.inputs[0]?.shape[0] ?? 0) < 2) return reply as never;
        const [y, ...others] = reply.outputs as readonly [Tensor, ...Tensor[]];
        return { ...reply, outputs: [{ ...y, data: y.data.map((byte) => byte ^ 1) }, ...others] };
      },
  });
  const pairs = async () => {
    const before = sizes(bench).length;
    for (let i = 0; i < 3; i += 1) bench.ask([i]);
    await bench.pass(20, 0.5);
    return sizes(bench).slice(before);
  };
  // one, then two alone and together
  expect(await pairs()).toEqual([1, 1, 1, 2]);
  expect(await pairs()).toEqual([1, 1, 1]);
  told.artifact = "b";
  dependent = false;
  // its signature is looked at again after two seconds
  await bench.pass(2_000, 100);
  bench.ask([9]);
  await bench.pass(10, 1);
  expect(await pairs()).toEqual([1, 1, 1, 2]);
  expect(await pairs()).toEqual([1, 2]);
});

it("an error that is nobody's data is passed on as it is", async () => {
  const bench = openBench({ places: [place], next: () => async () => Promise.reject(invalid("no such input")) });
  const asking = bench.ask([1]);
  await bench.settle();
  expect(gotOf(asking)).toBe("invalid-argument");
});
