import { expect, test } from "vitest";
import { type CallInit, type OwnedCall, openCall } from "../../../../core/call.ts";
import type { InferError } from "../../../../core/error.ts";
import { type Limiter, openLimiter, type Permit } from "../../../../core/limit/limiter.ts";
import { type FakeClock, fakeClock } from "../../../support/fake-env.ts";

interface Bench {
  readonly clock: FakeClock;
  readonly limiter: Limiter;
  readonly shed: string[];
  readonly waits: number[];
  /** Asks for a permit; what came of it is in `got` under the name. */
  ask(name: string, init?: Partial<CallInit> & { readonly rows?: number }): OwnedCall;
  /** In the order in which they got their permits. */
  readonly order: string[];
  readonly refused: Map<string, InferError>;
  /** The permit is given back as a success. */
  done(name: string): Promise<void>;
}

function bench(options: { readonly limit: number; readonly queue: number }): Bench {
  const clock = fakeClock();
  const shed: string[] = [];
  const waits: number[] = [];
  const order: string[] = [];
  const refused = new Map<string, InferError>();
  const permits = new Map<string, Permit>();
  const limiter = openLimiter({
    what: "the thing",
    limit: () => options.limit,
    queue: options.queue,
    retryable: "later",
    shed: (reason) => shed.push(reason),
    waits: (count) => waits.push(count),
  });
  const has = (name: string, permit: Permit) => {
    order.push(name);
    permits.set(name, permit);
  };
  return {
    clock,
    limiter,
    shed,
    waits,
    order,
    refused,
    ask(name, { rows = 1, ...init } = {}) {
      const call = openCall({ id: name, traceparent: "", clock, protocol: "test", ...init });
      try {
        const permit = limiter.enter(rows, call);
        if (!(permit instanceof Promise)) has(name, permit);
        else
          permit.then(
            (one) => has(name, one),
            (error) => refused.set(name, error),
          );
      } catch (error) {
        refused.set(name, error as InferError);
      }
      return call;
    },
    async done(name) {
      permits.get(name)?.leave("success");
      await settled();
    },
  };
}

async function settled(): Promise<void> {
  for (let i = 0; i < 4; i += 1) await Promise.resolve();
}

/** Runs of `ms` each until it is known how long they take. */
async function teach({ ask, done, clock }: Bench, ms: number): Promise<void> {
  for (let i = 0; i < 12; i += 1) {
    ask(`lesson ${i}`);
    clock.advance(ms);
    await done(`lesson ${i}`);
  }
}

test("a free permit is had at once, and one that is given back goes to who waits longest", async () => {
  const at = bench({ limit: 1, queue: 2 });
  for (const name of ["a", "b", "c"]) at.ask(name);
  expect([at.order, at.limiter.running, at.limiter.waiting, at.limiter.free]).toEqual([["a"], 1, 2, 0]);
  await at.done("a");
  await at.done("a");
  expect([at.order, at.limiter.running, at.limiter.waiting]).toEqual([["a", "b"], 1, 1]);
  await at.done("b");
  await at.done("c");
  expect([at.order, at.limiter.running, at.limiter.free]).toEqual([["a", "b", "c"], 0, 1]);
  expect(at.waits).toEqual([1, 2, 1, 0]);
});

test("without a queue nobody waits, and the refusal says so with a pause", () => {
  const at = bench({ limit: 1, queue: 0 });
  at.ask("a");
  at.ask("b");
  expect(at.refused.get("b")).toMatchObject({
    code: "overloaded",
    origin: "gateway",
    retryable: "later",
    unsent: true,
    retryAfterMs: 100,
    message: "the thing has 1 calls, as many as it may",
  });
  expect(at.shed).toEqual(["full"]);
});

test("who leaves while it waits is answered at once and gives its place back", async () => {
  const at = bench({ limit: 1, queue: 1 });
  at.ask("a");
  at.ask("b", { timeoutMs: 5 });
  at.clock.advance(5);
  await settled();
  expect([at.refused.get("b")?.code, at.limiter.waiting, at.shed]).toEqual(["deadline-exceeded", 0, []]);
  // a breaker above must not take it for a server that was too slow
  expect(at.refused.get("b")?.unsent).toBe(true);
  at.ask("c");
  await at.done("a");
  expect(at.order).toEqual(["a", "c"]);
});

test("the highest priority is served first, who says none after all who do, and a shadow last", async () => {
  const at = bench({ limit: 1, queue: 9 });
  at.ask("running");
  at.ask("shadow", { purpose: "shadow", priority: 1 });
  at.ask("none");
  at.ask("low", { priority: 9 });
  at.ask("high", { priority: 1 });
  for (const name of ["running", "high", "low", "none"]) await at.done(name);
  expect(at.order).toEqual(["running", "high", "low", "none", "shadow"]);
});

test("in a full queue the lowest priority loses its place to a higher one, and never the other way", async () => {
  const at = bench({ limit: 1, queue: 2 });
  at.ask("running");
  at.ask("low 1", { priority: 5 });
  at.ask("low 2", { priority: 5 });
  at.ask("high", { priority: 1 });
  await settled();
  expect([...at.refused.keys()]).toEqual(["low 2"]);
  at.ask("lowest", { priority: 7 });
  await settled();
  expect([...at.refused.keys()]).toEqual(["low 2", "lowest"]);
  expect(at.shed).toEqual(["displaced", "full"]);
});

test("in a full queue the tenant with the most rows gives way to one that has fewer", async () => {
  const at = bench({ limit: 1, queue: 3 });
  at.ask("running");
  for (const name of ["a1", "a2", "a3", "a4"]) at.ask(name, { tenant: "a" });
  at.ask("b1", { tenant: "b" });
  at.ask("b2", { tenant: "b" });
  await settled();
  // the last of three that a fourth would not displace, then that of the greater tenant, then nobody greater is left
  expect([...at.refused.keys()]).toEqual(["a4", "a3", "b2"]);
});

test("tenants take turns by rows, however many of one wait", async () => {
  const at = bench({ limit: 1, queue: 99 });
  at.ask("running");
  for (let i = 1; i <= 6; i += 1) at.ask(`small ${i}`, { tenant: "small", rows: 1 });
  for (let i = 1; i <= 3; i += 1) at.ask(`large ${i}`, { tenant: "large", rows: 3 });
  for (let i = 0; i < 9; i += 1) await at.done(at.order.at(-1) ?? "");
  const served = ["small 1", "large 1", "small 2", "small 3", "small 4", "large 2", "small 5", "small 6", "large 3"];
  expect(at.order.slice(1)).toEqual(served);
});

test("who cannot be answered in time is refused at once, with the times", async () => {
  const at = bench({ limit: 1, queue: 9 });
  await teach(at, 40);
  for (const name of ["running", "first", "second"]) at.ask(name);
  at.ask("late", { timeoutMs: 100 });
  expect(at.refused.get("late")?.message).toBe(
    "the thing needs about 80 ms of waiting and 40 ms of work, and 100 ms are left",
  );
  expect([at.refused.get("late")?.code, at.shed]).toEqual(["overloaded", ["late"]]);
  at.ask("in time", { timeoutMs: 121 });
  expect(at.limiter.waiting).toBe(3);
});

test("who has become too late while it waited is not run, and the next has the turn", async () => {
  const at = bench({ limit: 1, queue: 9 });
  await teach(at, 40);
  at.ask("running");
  at.ask("hopeful", { timeoutMs: 90 });
  at.ask("patient");
  at.clock.advance(60);
  await at.done("running");
  expect([at.order.at(-1), at.refused.get("hopeful")?.message]).toEqual([
    "patient",
    "the thing needs about 0 ms of waiting and 41 ms of work, and 30 ms are left",
  ]);
});

test("while nothing runs everybody may, whatever was learned of how long it takes", async () => {
  const at = bench({ limit: 1, queue: 9 });
  await teach(at, 1000);
  at.ask("short", { timeoutMs: 10 });
  expect(at.order.at(-1)).toBe("short");
});

test("a free permit is not given to who would be late, for a second after others had to wait", async () => {
  const at = bench({ limit: 2, queue: 9 });
  await teach(at, 40);
  for (const name of ["a", "b", "waits"]) at.ask(name);
  at.clock.advance(40);
  await at.done("a");
  await at.done("b");
  expect([at.limiter.running, at.limiter.free]).toEqual([1, 1]);
  at.clock.advance(999);
  at.ask("late", { timeoutMs: 30 });
  expect(at.refused.get("late")?.message).toBe(
    "the thing needs about 0 ms of waiting and 40 ms of work, and 30 ms are left",
  );
  expect([at.refused.get("late")?.code, at.shed]).toEqual(["overloaded", ["late"]]);
  at.clock.advance(1);
  // nobody has wanted it for a while: it may be faster than was learned
  at.ask("perhaps", { timeoutMs: 30 });
  expect(at.order.at(-1)).toBe("perhaps");
});

test("once the queue stands, the last come is served first and who has waited long is let down", async () => {
  const at = bench({ limit: 1, queue: 99 });
  for (let i = 0; i < 30; i += 1) {
    at.ask(`${i} a`);
    at.ask(`${i} b`);
    at.clock.advance(10);
    await at.done(at.order.at(-1) ?? "");
  }
  const early = at.order.slice(0, 11);
  expect(early).toEqual(["0 a", "0 b", "1 a", "1 b", "2 a", "2 b", "3 a", "3 b", "4 a", "4 b", "5 a"]);
  expect(at.order.at(-1)).toBe("29 b");
  expect(at.shed.length).toBeGreaterThan(10);
  expect(new Set(at.shed)).toEqual(new Set(["overload"]));
  const [first] = at.refused.values();
  expect(first?.message).toBe("the thing has more work than it can do: waited 110 ms without a turn");
});

test("a queue that only smooths a burst lets nobody down", async () => {
  const at = bench({ limit: 1, queue: 99 });
  for (let i = 0; i < 100; i += 1) {
    for (const name of ["a", "b", "c"]) at.ask(`${i} ${name}`);
    for (let done = 0; done < 3; done += 1) {
      at.clock.advance(10);
      await at.done(at.order.at(-1) ?? "");
    }
  }
  expect([at.order.length, at.shed]).toEqual([300, []]);
});

test("a limit of one slow run at a time is no standing queue by itself", async () => {
  const at = bench({ limit: 1, queue: 99 });
  await teach(at, 500);
  // one runs and one waits for most of its run, again and again
  at.ask("first");
  for (let i = 0; i < 20; i += 1) {
    at.clock.advance(100);
    at.ask(`${i}`);
    at.clock.advance(400);
    await at.done(at.order.at(-1) ?? "");
  }
  expect(at.shed).toEqual([]);
});
