// Batching as a layer: what is joined and when, what each caller gets, and the faults of others by name.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../core/error.ts";
import { gotOf, openBench, wantOf } from "../../support/batch.ts";
import { busyBench, place, sizes } from "../../support/batch-busy.ts";
import { intsOf } from "../../support/batch-model.ts";

describe("requests that wait together", () => {
  it("become one call and come apart as each caller's own rows", async () => {
    const bench = await busyBench({ words: { maxRows: 8 } });
    const askings = [[1], [2, 3], [4]].map((values) => bench.ask(values));
    await bench.pass(2, 1);
    // a batch of two at most before more is known, and its third row does not fit
    expect(sizes(bench)).toEqual([1, 1, 3]);
    await bench.pass(5, 1);
    expect(askings.map(gotOf)).toEqual([wantOf([1]), wantOf([2, 3]), wantOf([4])]);
  });

  it("say in the trace and as an event what became of them", async () => {
    const bench = await busyBench();
    const [one] = [bench.ask([1]), bench.ask([2])];
    await bench.pass(2, 0.5);
    const said = "batch of 2 rows with 1 other, waited 1.0 ms, released: full";
    expect(one?.call.trace.decisions).toContainEqual({ policy: "batch", said });
    expect(one?.call.trace.facts).toMatchObject({ backend: "b", endpoint: "b/1", queuedMs: 1 });
    expect(bench.env.events.at(-1)).toEqual({
      type: "batch-sent",
      model: "m",
      version: "1",
      backend: "b",
      rows: 2,
      requests: 2,
      waitedMs: 1,
      ranMs: 1,
      reason: "full",
    });
    expect(bench.first.call.trace.decisions.at(-1)?.said).toBe(
      "batch of 1 row alone, waited 0.0 ms, released: slot-free",
    );
  });

  it("are not joined with requests of other parameters, shapes, outputs or headers: MLServer mixed them", async () => {
    const bench = await busyBench({ words: { headers: ["x-user"] } });
    const parameters = (k: bigint) => ({ request: { parameters: new Map([["k", k]]) } });
    bench.ask([1], parameters(1n));
    bench.ask([1], parameters(2n));
    bench.ask([1], { width: 2 });
    bench.ask([1], { request: { outputs: [{ name: "y", parameters: new Map() }] } });
    bench.ask([1], { headers: new Map([["x-user", "a"]]) });
    bench.ask([1], { headers: new Map([["x-user", "b"]]) });
    await bench.pass(20, 0.5);
    expect(sizes(bench)).toEqual([1, 1, 1, 1, 1, 1, 1]);
    expect(bench.fakes[0]?.asked.map(({ request }) => request.parameters.get("k")).slice(1, 3)).toEqual([1n, 2n]);
  });

  it("of mixed shapes make a batch for each shape: Triton's batches fall apart", async () => {
    const bench = await busyBench({ words: { maxRows: 8 } });
    for (let i = 0; i < 4; i += 1) bench.ask([i], { width: 1 + (i % 2) });
    await bench.pass(10, 0.5);
    expect(sizes(bench)).toEqual([1, 2, 2]);
  });

  it("have the highest priority of any of them: none waits behind whom it would pass alone", async () => {
    const bench = await busyBench();
    bench.ask([1]);
    bench.ask([2], { priority: 3 });
    bench.ask([3], { priority: 2 });
    await bench.pass(5, 0.5);
    expect(bench.fakes[0]?.asked[1]?.call.priority).toBe(2);
  });

  it("keep only the headers that all of them say: KServe's agent drops all", async () => {
    const bench = await busyBench();
    const headers = (user: string) => ({
      headers: new Map([
        ["x-all", "same"],
        ["x-user", user],
      ]),
    });
    bench.ask([1], headers("a"));
    bench.ask([2], headers("b"));
    await bench.pass(5, 0.5);
    expect([...(bench.fakes[0]?.asked[1]?.call.headers ?? [])]).toEqual([["x-all", "same"]]);
  });
});

describe("requests that are not joined", () => {
  const ROWS = "the signature does not say that rows stand along the first dimension (batchDim)";
  const fixed = (name: string) => ({ name, datatype: "INT32", shape: [1, 1] }) as const;
  it.each([
    ["the model keeps state", { stateful: true }],
    ["the model may answer several times", { decoupled: true }],
    [ROWS, { batchDim: undefined }],
    ['the first dimension of "y" is fixed', { outputs: [fixed("y")] }],
  ])("say why, which Triton's users cannot see (#3624, #7205, #8094): %s", async (why, metadata) => {
    const bench = openBench({ places: [place], metadata: metadata as never });
    const askings = [bench.ask([1]), bench.ask([2])];
    await bench.pass(5, 1);
    expect(askings.map(gotOf)).toEqual([wantOf([1]), wantOf([2])]);
    expect(sizes(bench)).toEqual([1, 1]);
    const said = { policy: "batch", said: `passed: ${why}` };
    for (const { call } of askings) expect(call.trace.decisions).toContainEqual(said);
  });
});

describe("a batch is let go", () => {
  it("at once when a slot is free, with no delay", async () => {
    const bench = openBench({ places: [place] });
    bench.ask([1]);
    await bench.settle();
    expect(bench.fakes[0]?.asked).toMatchObject([{ at: 0 }]);
  });

  it("as the request itself when it is alone, and what it has waited above counts beside the wait at its endpoint", async () => {
    const bench = openBench({ places: [place] });
    const one = bench.ask([1]);
    one.call.trace.learn({ queuedMs: 7 });
    await bench.settle();
    await bench.pass(2, 1);
    expect(gotOf(one)).toEqual(wantOf([1]));
    expect(one.call.trace.facts.queuedMs).toBe(7);
    expect(bench.env.events.filter(({ type }) => type === "batch-sent")).toMatchObject([
      { rows: 1, requests: 1, waitedMs: 0, ranMs: 1, reason: "slot-free" },
    ]);
  });

  it("with all that came in one turn of the event loop", async () => {
    const bench = openBench({ places: [{ ...place, slots: 4 }] });
    const askings = [[1], [2], [3]].map((values) => bench.ask(values));
    await bench.settle();
    // the first has nobody to wait for
    expect(sizes(bench)).toEqual([1, 2]);
    await bench.pass(2, 1);
    expect(askings.map(gotOf)).toEqual([[4], [7], [10]]);
  });

  it("as several at a time: KServe's agent has one in flight", async () => {
    const bench = openBench({ places: [{ ...place, slots: 3 }], words: { maxRows: 2 } });
    for (let i = 0; i < 5; i += 1) bench.ask([i]);
    await bench.settle();
    expect(sizes(bench)).toEqual([1, 2, 2]);
  });

  it("to a server only as many at a time as are said, whose slots are but a limit", async () => {
    const bench = openBench({ places: [{ ...place, slots: 100, exact: false }], words: { maxRows: 2, inFlight: 3 } });
    for (let i = 0; i < 9; i += 1) bench.ask([i], { width: 2 });
    await bench.settle();
    expect(bench.fakes[0]?.busy).toBe(3);
  });

  it("when somebody else's work leaves a slot", async () => {
    const bench = openBench({ places: [place] });
    const [fake] = bench.fakes;
    if (fake === undefined) throw new Error("no fake");
    fake.busy = 1;
    const asking = bench.ask([1]);
    await bench.settle();
    expect(fake.asked).toHaveLength(0);
    fake.busy = 0;
    for (const listener of [...fake.listeners]) listener();
    await bench.pass(2, 1);
    expect(gotOf(asking)).toEqual([4]);
    expect(fake.listeners.size).toBe(0);
  });

  it("though no endpoint can take work, so that the layers below say why", async () => {
    const bench = openBench({
      places: [place],
      next: () => async () => Promise.reject(new InferError("unavailable", "nobody")),
    });
    for (const fake of bench.fakes) fake.healthy = false;
    const asking = bench.ask([1]);
    await bench.settle();
    expect(gotOf(asking)).toBe("unavailable");
  });

  it("in sizes that grow while the model is learned and are then those that are useful", async () => {
    const bench = openBench({ places: [{ ...place, serviceMs: (rows) => 0.1 * rows + 4 }], words: { maxRows: 32 } });
    for (let i = 0; i < 400; i += 1) bench.ask([i]);
    await bench.pass(300, 0.5);
    const seen = sizes(bench);
    expect(seen.slice(0, 8)).toEqual([1, 2, 4, 4, 8, 8, 16, 16]);
    expect(Math.max(...seen.map(Number))).toBe(32);
  });

  it("one by one where batching gains nothing, as ResNet-50 on a CPU", async () => {
    const bench = openBench({ places: [{ ...place, serviceMs: (rows) => 40 * rows }], words: { maxRows: 32 } });
    const askings = Array.from({ length: 200 }, (_, i) => bench.ask([i]));
    await bench.pass(40 * 200 + 100, 20);
    expect(askings.map(gotOf)).toEqual(askings.map((_, i) => wantOf([i])));
    expect(sizes(bench).slice(-30)).toEqual(Array.from({ length: 30 }, () => 1));
  });

  it("padded to the model's sizes, and the padding is cut off", async () => {
    const bench = await busyBench({ words: { sizes: [4] } });
    const asking = bench.ask([1, 2, 3]);
    await bench.pass(5, 0.5);
    expect(sizes(bench)).toEqual([4, 4]);
    expect(intsOf(bench.fakes[0]?.asked[1]?.request.inputs[0] as never)).toEqual([1, 2, 3, 1]);
    expect(gotOf(asking)).toEqual(wantOf([1, 2, 3]));
  });
});

describe("a request", () => {
  it("with more rows than a batch may have is split and joined again: BentoML once ignored its rows", async () => {
    const bench = openBench({ places: [{ ...place, slots: 2 }], words: { maxRows: 4 } });
    const values = Array.from({ length: 10 }, (_, i) => i);
    const asking = bench.ask(values);
    await bench.pass(10, 0.5);
    expect(gotOf(asking)).toEqual(wantOf(values));
    expect(Math.max(...sizes(bench).map(Number))).toBe(4);
  });

  it("fails once when one of its parts fails, and the others are let go", async () => {
    const bench = openBench({ places: [{ ...place, wrong: () => "hang" }], words: { maxRows: 2 } });
    const asking = bench.ask([1, 2, 3, 4, 5], { timeoutMs: 20 });
    await bench.pass(30, 5);
    expect([gotOf(asking), asking.times, bench.scheduler.waiting, bench.fakes[0]?.busy]).toEqual([
      "deadline-exceeded",
      1,
      0,
      0,
    ]);
  });

  it.each([
    ["without rows", [], {}],
    ["that wants a stream", [1], { request: { stream: true } }],
  ])("%s passes as it is", async (_, values, init) => {
    const bench = await busyBench();
    bench.ask(values, init);
    await bench.settle();
    expect(sizes(bench)).toEqual([1, values.length]);
  });

  it.each([
    ["that keeps state", { stateful: true }],
    ["that streams", { decoupled: true }],
    ["without rows", { inputs: [{ name: "x", datatype: "INT32" as const, shape: [1, 1] }] }],
  ])("for a model %s passes as it is", async (_, metadata) => {
    const bench = await busyBench({ metadata });
    bench.ask([1]);
    bench.ask([2]);
    await bench.settle();
    expect(sizes(bench)).toEqual([1, 1, 1]);
  });

  it("is refused when too many wait, and not because a model is slow: BentoML answers 503 though it is fine", async () => {
    const bench = openBench({ places: [{ ...place, serviceMs: () => 500 }], words: { maxQueue: 3 } });
    bench.ask([0]);
    await bench.settle();
    const askings = [1, 2, 3, 4].map((value) => bench.ask([value]));
    await bench.settle();
    expect(askings.map(gotOf)).toEqual(["nothing", "nothing", "nothing", "overloaded"]);
    await bench.pass(2500, 100);
    expect(askings.slice(0, 3).map(gotOf)).toEqual([[4], [7], [10]]);
  });
});
