import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import { bench, drain, inside } from "../../../support/onnx-bench.ts";

describe("turns", () => {
  it("the models take turns, whatever the length of their queues", async () => {
    const { ask, crew } = await bench({ process: true });
    for (let tag = 1; tag <= 6; tag += 1) ask("a", tag);
    for (let tag = 1; tag <= 3; tag += 1) ask("b", tag);
    expect(drain(crew, 0)).toEqual(["a:1", "a:2", "b:1", "a:3", "b:2", "a:4", "b:3", "a:5", "a:6"]);
  });

  it("of 300 runs of three models, each has exactly 100 of any 300 in a row", async () => {
    const { ask, crew } = await bench({ process: true, models: ["a", "b", "c"], maxQueue: 1000 });
    for (let tag = 0; tag < 500; tag += 1) for (const model of ["a", "b", "c"]) ask(model, tag);
    const seen = drain(crew, 0, 300).map((each) => each[0]);
    expect(["a", "b", "c"].map((model) => seen.filter((each) => each === model).length)).toEqual([100, 100, 100]);
  });

  it("a worker has at most one run and one that waits there", async () => {
    const { ask, crew } = await bench({ workers: 2 });
    for (let tag = 0; tag < 10; tag += 1) ask("a", tag);
    const posted = crew.workers.map((worker) => worker.posted.filter((message) => message.type === "run").length);
    expect(posted).toEqual([2, 2]);
    crew.workers[0]?.finish();
    expect(crew.workers[0]?.posted.filter((message) => message.type === "run")).toHaveLength(3);
  });

  it("an idle worker comes before a place behind a run", async () => {
    const { ask, crew } = await bench({ workers: 2 });
    ask("a", 1);
    ask("a", 2);
    expect([inside(crew, 0), inside(crew, 1)]).toEqual(["a:1", "a:2"]);
  });

  it("what waits behind a slow run is run by the next worker that has time", async () => {
    const { ask, crew, env, rest } = await bench({ workers: 2 });
    ask("a", 1);
    ask("b", 1);
    const behind = ask("b", 2);
    expect(crew.workers[0]?.posted.filter((message) => message.type === "run")).toHaveLength(2);
    env.clock.advance(50);
    crew.workers[1]?.finish();
    expect([inside(crew, 0), inside(crew, 1)]).toEqual(["a:1", "b:2"]);
    crew.workers[1]?.finish();
    await rest();
    expect(behind.state).toBe("answered");
    // the slow worker finds that its waiting run was taken back, and runs it no second time
    crew.workers[0]?.finish();
    expect(inside(crew, 0)).toBe("-");
  });

  it("a slow model in one worker holds up none of 100 runs of a fast one", async () => {
    const { ask, crew, env, rest } = await bench({ workers: 2 });
    ask("a", 0);
    const fast = Array.from({ length: 100 }, (_, tag) => ask("b", tag));
    env.clock.advance(50);
    expect(drain(crew, 1).length).toBe(100);
    await rest();
    expect(fast.filter(({ state }) => state === "answered")).toHaveLength(100);
    expect(inside(crew, 0)).toBe("a:0");
  });

  it("nothing is put behind a run that already takes long", async () => {
    const { ask, crew, env } = await bench();
    ask("a", 1);
    env.clock.advance(50);
    ask("b", 1);
    expect(crew.workers[0]?.posted.filter((message) => message.type === "run")).toHaveLength(1);
    expect(drain(crew, 0)).toEqual(["a:1", "b:1"]);
  });

  it("the time in the queue is told", async () => {
    const { ask, crew, env, rest } = await bench();
    const [first, second] = [ask("a"), ask("a")];
    env.clock.advance(7);
    crew.workers[0]?.finish();
    crew.workers[0]?.finish();
    await rest();
    expect([first.queuedMs, second.queuedMs]).toEqual([0, 7]);
  });
});

describe("bounds", () => {
  it("a full queue refuses, for that model only, and says so", async () => {
    const { ask, env, rest } = await bench({ process: true, maxQueue: 2 });
    const asked = [ask("a"), ask("a"), ask("a"), ask("a"), ask("b")];
    await rest();
    expect(asked.map(({ state }) => state)).toEqual(["waiting", "waiting", "waiting", "overloaded", "waiting"]);
    expect(env.events.filter(({ type }) => type === "queue-full")).toEqual([
      { type: "queue-full", backend: "local", model: "a" },
    ]);
  });

  it("a higher priority has the place of a lower one in a full queue, and its turn before it", async () => {
    const { ask, crew, env, rest } = await bench({ process: true, maxQueue: 2 });
    ask("a", 0);
    const [low, lower, high] = [ask("a", 1), ask("a", 2, { priority: 9 }), ask("a", 3, { priority: 1 })];
    await rest();
    expect([low.state, lower.state, high.state]).toEqual(["overloaded", "waiting", "waiting"]);
    expect(low.message).toBe("2 runs wait for the model already");
    expect(env.events.filter(({ type }) => type === "shed")).toEqual([
      { type: "shed", of: { at: "endpoint", backend: "local", endpoint: "local/local" }, reason: "displaced" },
    ]);
    expect(drain(crew, 0)).toEqual(["a:0", "a:3", "a:2"]);
  });

  it("tenants take turns, however many runs of one wait", async () => {
    const { ask, crew } = await bench({ process: true });
    for (let tag = 1; tag <= 4; tag += 1) ask("a", tag, { tenant: "many" });
    for (let tag = 5; tag <= 6; tag += 1) ask("a", tag, { tenant: "few" });
    expect(drain(crew, 0)).toEqual(["a:1", "a:2", "a:5", "a:3", "a:6", "a:4"]);
  });

  it("who has become too late while it waited is not run, as long as others wait", async () => {
    const { ask, crew, env, rest } = await bench({ process: true });
    const finish = () => crew.workers[0]?.finish({ ranMs: 40 });
    for (let i = 0; i < 12; i += 1) {
      ask("a", i);
      finish();
    }
    ask("a", 20);
    const [late, patient, alone] = [ask("a", 21, { timeoutMs: 90 }), ask("a", 22), ask("a", 23, { timeoutMs: 130 })];
    env.clock.advance(60);
    finish();
    await rest();
    expect([late.state, late.message, inside(crew, 0)]).toEqual([
      "overloaded",
      "the model needs about 40 ms of work, and 30 ms are left",
      "a:22",
    ]);
    env.clock.advance(60);
    finish();
    await rest();
    expect([patient.state, alone.state, inside(crew, 0)]).toEqual(["answered", "waiting", "a:23"]);
  });

  it("a run of a session that nobody has is refused at once", async () => {
    const { ask, rest } = await bench();
    const asked = ask("unknown");
    await rest();
    expect(asked.state).toBe("unavailable");
  });
});

describe("callers who leave", () => {
  it("one who leaves the queue is never run", async () => {
    const { ask, crew, rest } = await bench({ process: true });
    ask("a", 1);
    const leaves = ask("a", 2);
    ask("a", 3);
    leaves.call.cancel(new InferError("cancelled", "gone"));
    await rest();
    expect(leaves.state).toBe("cancelled");
    expect(drain(crew, 0)).toEqual(["a:1", "a:3"]);
  });

  it("one who leaves while waiting in the worker is not run either", async () => {
    const { ask, crew, rest, env } = await bench();
    ask("a", 1);
    const leaves = ask("a", 2);
    leaves.call.cancel(new InferError("cancelled", "gone"));
    await rest();
    expect(drain(crew, 0)).toEqual(["a:1"]);
    expect(env.events.some(({ type }) => type === "wasted")).toBe(false);
  });

  it("one who leaves inside the run is freed at once; the result is dropped and counted as waste", async () => {
    const { ask, crew, rest, env } = await bench();
    const leaves = ask("a");
    leaves.call.cancel(new InferError("deadline-exceeded", "too late"));
    await rest();
    expect(leaves.state).toBe("deadline-exceeded");
    crew.workers[0]?.finish({ ranMs: 12 });
    expect(env.events.filter(({ type }) => type === "wasted")).toEqual([
      { type: "wasted", backend: "local", model: "a", ranMs: 12 },
    ]);
  });

  it("their timers and listeners go with them, and one timer a worker goes on until it finds nothing running", async () => {
    const { ask, crew, rest, env } = await bench();
    for (let n = 0; n < 3; n += 1) {
      const asked = ask("a");
      crew.workers[0]?.finish();
      await rest();
      asked.call.end();
      expect(env.clock.pending).toBe(1);
    }
    // runTimeout
    env.clock.advance(10_000);
    expect(env.clock.pending).toBe(0);
  });
});

describe("close", () => {
  it("finishes what waits and runs, refuses what comes, and ends workers between runs", async () => {
    const { ask, crew, pool, rest } = await bench();
    const before = [ask("a", 1), ask("a", 2), ask("a", 3)];
    let closed = false;
    void pool.close().then(() => {
      closed = true;
    });
    const late = ask("a", 4);
    await rest();
    expect(late.state).toBe("unavailable");
    expect(crew.workers[0]?.posted.some(({ type }) => type === "exit")).toBe(false);
    expect(drain(crew, 0)).toEqual(["a:1", "a:2", "a:3"]);
    await rest();
    expect(before.map(({ state }) => state)).toEqual(["answered", "answered", "answered"]);
    expect([closed, crew.workers[0]?.ended, crew.workers.length]).toEqual([true, true, 1]);
  });

  it("waits for a run whose caller has left: to end a thread inside a run aborts the process", async () => {
    const { ask, crew, pool, rest } = await bench();
    ask("a").call.cancel(new InferError("cancelled", "gone"));
    let closed = false;
    void pool.close().then(() => {
      closed = true;
    });
    await rest();
    expect([closed, crew.workers[0]?.ended]).toEqual([false, false]);
    crew.workers[0]?.finish();
    await rest();
    expect([closed, crew.workers[0]?.ended]).toEqual([true, true]);
  });
});
