import { describe, expect, it } from "vitest";
import type { Event } from "../../../../core/event.ts";
import { bench, drain, inside, orderOf } from "../../../support/onnx-bench.ts";

const CRASH = { how: "crashed", reason: "SIGSEGV" } as const;

const lostReasons = (events: readonly Event[]) =>
  events.flatMap((event) => (event.type === "worker-lost" ? [event.reason] : []));

describe("a lost worker", () => {
  it("fails the one call that it was inside, and no other", async () => {
    const { ask, crew, env, rest } = await bench({ workers: 2 });
    const asked = Array.from({ length: 10 }, (_, tag) => ask("a", tag));
    crew.workers[0]?.end(CRASH);
    await rest();
    expect(asked.map(({ state }) => state).filter((state) => state !== "waiting")).toEqual(["bad-backend"]);
    expect(asked[0]?.state).toBe("bad-backend");
    for (let turn = 0; turn < 10; turn += 1) for (const index of [1, 2]) drain(crew, index, 1);
    await rest();
    expect(asked.map(({ state }) => state)).toEqual(["bad-backend", ...Array.from({ length: 9 }, () => "answered")]);
    expect(lostReasons(env.events)).toEqual(["crashed"]);
  });

  it("has its waiting run posted elsewhere, before all in the queue", async () => {
    const { ask, crew } = await bench({ workers: 2 });
    for (let tag = 0; tag < 8; tag += 1) ask("a", tag);
    // inside: 0 and 1; waiting: 2 and 3
    crew.workers[0]?.end(CRASH);
    crew.workers[1]?.finish();
    expect(inside(crew, 1)).toBe("a:3");
    crew.workers[1]?.finish();
    expect(inside(crew, 1)).toBe("a:2");
  });

  it("is replaced at once, and the new one gets its sessions before it gets runs", async () => {
    const { ask, crew, rest } = await bench();
    crew.workers[0]?.end(CRASH);
    const asked = ask("b", 1);
    await rest();
    expect(crew.workers[1]?.posted.map(({ type }) => type)).toEqual(["load", "load", "run"]);
    crew.workers[1]?.finish();
    await rest();
    expect(asked.state).toBe("answered");
  });

  it("a crash loop backs off, doubling to 30 s with jitter, and a good run ends the history", async () => {
    const { ask, crew, env, rest } = await bench();
    const waits: number[] = [];
    for (let crash = 0; crash < 14; crash += 1) {
      const before = crew.workers.length;
      crew.workers.at(-1)?.end(CRASH);
      let waited = 0;
      while (crew.workers.length === before) {
        env.clock.advance(1);
        waited += 1;
      }
      waits.push(waited);
      await rest();
    }
    expect(waits[0]).toBe(0);
    const full = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000];
    for (const [index, most] of full.entries()) {
      expect(waits[index + 1]).toBeGreaterThanOrEqual(most / 2);
      expect(waits[index + 1]).toBeLessThanOrEqual(most);
    }
    ask("a");
    crew.workers.at(-1)?.finish();
    const before = crew.workers.length;
    crew.workers.at(-1)?.end(CRASH);
    expect(crew.workers.length).toBe(before + 1);
  });

  it("while all of them back off, calls fail at once", async () => {
    const { ask, crew, pool, rest } = await bench();
    crew.workers[0]?.end(CRASH);
    await rest();
    const queued = [ask("a"), ask("a"), ask("b")];
    crew.workers[1]?.end(CRASH);
    const late = ask("a");
    await rest();
    expect(queued.map(({ state }) => state)).toEqual(["bad-backend", "unavailable", "unavailable"]);
    expect(late.state).toBe("unavailable");
    expect(pool.alive()).toBe(false);
  });

  it("that never started is told apart", async () => {
    const { crew, env } = await bench({ slowStart: true, models: [] });
    crew.workers[0]?.end({ how: "crashed", reason: "no such library" });
    expect(lostReasons(env.events)).toEqual(["start-failed"]);
  });
});

describe("a run past runTimeout", () => {
  it("frees its caller, costs its worker, and what waited behind it runs elsewhere", async () => {
    const { ask, crew, env, rest } = await bench();
    const [hangs, behind] = [ask("a", 1), ask("a", 2)];
    env.clock.advance(10_000);
    await rest();
    expect(hangs.state).toBe("deadline-exceeded");
    expect(hangs.message).toBe("the run took longer than 10000 ms");
    expect(lostReasons(env.events)).toEqual(["run-timeout"]);
    expect(inside(crew, 1)).toBe("a:2");
    crew.workers[1]?.finish();
    await rest();
    expect(behind.state).toBe("answered");
    // it is asked to end when it can, and is not ended before
    expect([crew.workers[0]?.ended, crew.workers[0]?.posted.at(-1)?.type]).toEqual([false, "exit"]);
    crew.workers[0]?.finish();
    expect(crew.workers[0]?.ended).toBe(true);
    expect(crew.workers).toHaveLength(2);
  });

  it("counts from the run's own start, not from when it was posted behind another or when another began", async () => {
    const { ask, crew, env, rest } = await bench();
    const all = [ask("a", 1), ask("a", 2), ask("a", 3)];
    for (const ms of [9_000, 9_000]) {
      env.clock.advance(ms);
      crew.workers[0]?.finish();
    }
    env.clock.advance(9_999);
    await rest();
    expect(all.map(({ state }) => state)).toEqual(["answered", "answered", "waiting"]);
    env.clock.advance(1);
    await rest();
    expect(all[2]?.state).toBe("deadline-exceeded");
  });

  it("replaces as many workers as there are places, then fails fast until one comes back", async () => {
    const { ask, crew, env, pool, rest } = await bench({ workers: 2 });
    for (let round = 0; round < 2; round += 1) {
      ask("a");
      env.clock.advance(10_000);
      await rest();
    }
    expect([crew.workers.length, pool.alive()]).toEqual([4, true]);
    ask("a");
    ask("a");
    env.clock.advance(10_000);
    await rest();
    expect([crew.workers.length, pool.alive()]).toEqual([4, false]);
    const late = ask("a");
    await rest();
    expect(late.state).toBe("unavailable");
    // two runs end after all: two places are filled again
    crew.workers[0]?.finish();
    crew.workers[1]?.finish();
    await rest();
    expect([crew.workers.length, pool.alive()]).toEqual([6, true]);
  });

  it("in a child process ends the child", async () => {
    const { ask, crew, env, rest } = await bench({ process: true });
    const hangs = ask("a");
    env.clock.advance(10_000);
    await rest();
    expect([hangs.state, crew.workers[0]?.killed, crew.workers.length]).toEqual(["deadline-exceeded", true, 2]);
    expect(lostReasons(env.events)).toEqual(["run-timeout"]);
  });

  it("the late answer of a worker that was given up answers nobody", async () => {
    const { ask, crew, env, rest } = await bench();
    const hangs = ask("a", 1);
    env.clock.advance(10_000);
    await rest();
    const next = ask("a", 2);
    crew.workers[0]?.finish();
    await rest();
    expect([hangs.state, next.state, inside(crew, 1)]).toEqual(["deadline-exceeded", "waiting", "a:2"]);
  });
});

describe("loading", () => {
  it("begins with one worker: what cannot load is tried once", async () => {
    const { crew, load } = await bench({ workers: 3, models: [] });
    for (const worker of crew.workers) worker.broken.add("bad");
    await expect(load("bad")).rejects.toThrow("broken");
    expect(crew.workers.map((worker) => worker.posted.map(({ type }) => type))).toEqual([["load", "unload"], [], []]);
  });

  it("a model that wants one worker gets one, and the next such model another", async () => {
    const { ask, crew, load } = await bench({ workers: 2, models: [] });
    await load("a", { workers: 1 });
    await load("b", { workers: 1 });
    const sessions = crew.workers.map(({ posted }) => posted.map((each) => (each.type === "load" ? each.session : "")));
    expect(sessions).toEqual([["a"], ["b"]]);
    for (let tag = 0; tag < 3; tag += 1) ask("a", tag);
    expect([inside(crew, 0), inside(crew, 1)]).toEqual(["a:0", "-"]);
  });

  it("goes through the workers one by one while others serve", async () => {
    const { ask, crew, load, rest } = await bench({ workers: 2, models: ["a"] });
    const order: string[] = [];
    const loading = load("b", {
      warmUp: () => {
        order.push(`warm ${crew.workers.filter((worker) => worker.posted.some(isLoadOfB)).length}`);
        return [];
      },
    });
    await rest();
    await loading;
    ask("b", 1);
    ask("b", 2);
    // each worker's warm-up came before the other's load
    expect(order).toEqual(["warm 1", "warm 2"]);
    expect([inside(crew, 0), inside(crew, 1)]).toEqual(["b:1", "b:2"]);
  });

  it("a worker gets no runs while it loads, not even of what it has", async () => {
    const { ask, crew, load, rest } = await bench({ models: ["a"] });
    const checked = Promise.withResolvers<boolean>();
    const loading = load("b", { unchanged: () => checked.promise });
    await rest();
    ask("a", 1);
    expect(inside(crew, 0)).toBe("-");
    checked.resolve(true);
    await loading;
    expect(inside(crew, 0)).toBe("a:1");
  });

  it("warm-up runs come before the session counts, and one that fails may fail the load", async () => {
    const { crew, load, rest } = await bench({ models: [] });
    const failures: unknown[] = [];
    const loading = load("a", {
      warmUp: () => [orderOf("a", 7), orderOf("a", 8)],
      warmUpFailed: (error) => failures.push(error),
    });
    await rest();
    expect(inside(crew, 0)).toBe("a:7");
    crew.workers[0]?.refuse("no");
    await rest();
    expect(inside(crew, 0)).toBe("a:8");
    crew.workers[0]?.finish();
    await loading;
    expect(failures).toHaveLength(1);
  });

  it("a warm-up that throws leaves the session out", async () => {
    const { ask, crew, load, rest } = await bench({ models: [] });
    const loading = load("a", {
      warmUp: () => [orderOf("a", 7)],
      warmUpFailed: () => {
        throw new Error("must work");
      },
    });
    const failed = expect(loading).rejects.toThrow("must work");
    await rest();
    crew.workers[0]?.refuse("no");
    await failed;
    const asked = ask("a");
    await rest();
    expect(asked.state).toBe("unavailable");
  });

  it("files that change while they load are not taken", async () => {
    const { load } = await bench({ models: [] });
    await expect(load("a", { unchanged: async () => false })).rejects.toThrow(
      "its files changed while they were loaded",
    );
  });

  it("a worker lost during a load fails the load, which may be tried later", async () => {
    const { crew, load, rest } = await bench({ models: [] });
    const loading = load("a", { warmUp: () => [orderOf("a", 1)] });
    const failed = expect(loading).rejects.toMatchObject({ code: "bad-backend" });
    await rest();
    crew.workers[0]?.end(CRASH);
    await failed;
  });

  it("a call whose session no replacement can load is refused, and holds up no other version", async () => {
    const { ask, crew, load, rest } = await bench({ process: true, models: ["b"] });
    let there = true;
    await load("a", { unchanged: async () => there });
    const [runs, waits, other] = [ask("a", 1), ask("a", 2), ask("b", 3)];
    there = false;
    crew.workers[0]?.end(CRASH);
    await rest();
    expect([runs.state, waits.state, other.state]).toEqual(["bad-backend", "unavailable", "waiting"]);
    expect(waits.message).toBe("no worker can run the model now: no worker could load it again");
    expect(inside(crew, 1)).toBe("b:3");
  });

  it("unloading lets go of the session in every worker", async () => {
    const { ask, crew, pool, rest } = await bench({ workers: 2 });
    await pool.unload("a");
    expect(crew.workers.map((worker) => worker.posted.at(-1)?.type)).toEqual(["unload", "unload"]);
    const asked = ask("a");
    await rest();
    expect(asked.state).toBe("unavailable");
  });
});

function isLoadOfB(message: { readonly type: string; readonly session?: string }): boolean {
  return message.type === "load" && message.session === "b";
}
