// Workers that die, hang and are closed in the middle of runs: nobody else's call fails, and the process lives.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { ToWorker } from "../../../backends/onnx/messages.ts";
import { type SpawnWorker, spawnProcess, spawnThread, type WorkerPort } from "../../../backends/onnx/port.ts";
import { InferError } from "../../../core/error.ts";
import type { Event } from "../../../core/event.ts";
import {
  floats,
  fp32,
  openBackend,
  openRepository,
  openTestCall,
  type TestBackend,
  type TestRepository,
  trips,
} from "../../support/onnx-repository.ts";

/** Long enough to be in the middle of; a tenth of a second here. */
const LONG = trips(20_000);
const SHORT = trips(1);

let repository: TestRepository;
beforeAll(async () => {
  repository = await openRepository();
  for (const fixture of ["slow", "times_2"]) await repository.put(fixture, "1", fixture);
});
afterAll(() => repository.close());

const opened: TestBackend[] = [];
afterEach(async () => {
  for (const test of opened.splice(0)) await test.backend.close();
});

interface SpiedPort extends WorkerPort {
  /** How many runs of `slow` were posted to it. */
  slowRuns: number;
}

/** A backend whose workers the test can reach. */
async function open(isolation: "thread" | "process", options: Readonly<Record<string, unknown>> = {}) {
  const ports: SpiedPort[] = [];
  const real = isolation === "process" ? spawnProcess : spawnThread;
  const spawn: SpawnWorker = (name) => {
    const port = real(name);
    const spied: SpiedPort = {
      ...port,
      slowRuns: 0,
      post(message, transfer) {
        if (message.type === "run" && message.session.startsWith("slow/")) spied.slowRuns += 1;
        port.post(message, transfer);
      },
    };
    ports.push(spied);
    return spied;
  };
  const test = await openBackend(repository.root, { isolation, ...options }, { spawn });
  opened.push(test);
  await test.settled();
  const warm = ports.map(({ slowRuns }) => slowRuns);
  /** The worker that a run of `slow` was posted to after all had been warmed up. */
  const slowPort = () => ports.find(({ slowRuns }, index) => slowRuns > (warm[index] ?? 0));
  return { ...test, ports, slowPort };
}

const lost = (events: readonly Event[]) =>
  events.flatMap((event) => (event.type === "worker-lost" ? [event.reason] : []));

/** Asks as long as `going`, and counts what came of it. */
async function load(test: TestBackend, going: () => boolean) {
  const seen = { answered: 0, failed: [] as string[] };
  const client = async (value: number) => {
    while (going()) {
      try {
        const answer = await test.ask("times_2", [fp32("x", [value])]);
        if (floats(answer)[0] === 2 * value) seen.answered += 1;
        else seen.failed.push("another's answer");
      } catch (error) {
        seen.failed.push((error as InferError).code);
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, index) => client(index + 1)));
  return seen;
}

describe("isolation: process", () => {
  it.each(["SIGKILL", "SIGSEGV", "SIGABRT"] as const)(
    "a child ended by %s in mid-run costs that one call",
    async (signal) => {
      const test = await open("process");
      let going = true;
      const others = load(test, () => going);
      const victim = test.ask("slow", [LONG]).catch((error: InferError) => error);
      // the runs of `slow` alone take so long: ten others ended in the other child after it had begun
      while (test.slowPort() === undefined) await test.ask("times_2", [fp32("x", [1])]);
      for (let n = 0; n < 10; n += 1) await test.ask("times_2", [fp32("x", [1])]);
      process.kill(test.slowPort()?.pid ?? 0, signal);
      const error = await victim;
      expect(error).toMatchObject({ code: "bad-backend", origin: "backend" });
      await test.ask("slow", [SHORT]);
      going = false;
      expect((await others).failed).toEqual([]);
      expect(lost(test.events)).toEqual(["crashed"]);
    },
  );

  it("a run past runTimeout ends the child, and the next call is answered", async () => {
    const test = await open("process", { workers: 1, runTimeout: "200ms" });
    const began = performance.now();
    await expect(test.ask("slow", [trips(2_000_000_000)])).rejects.toMatchObject({
      code: "deadline-exceeded",
      origin: "backend",
    });
    expect(performance.now() - began).toBeLessThan(5_000);
    await test.ask("slow", [SHORT]);
    expect(lost(test.events)).toEqual(["run-timeout"]);
  });
});

describe("isolation: thread", () => {
  it("a fault thrown between runs costs no call", async () => {
    const test = await open("thread");
    let going = true;
    const others = load(test, () => going);
    await test.ask("times_2", [fp32("x", [1])]);
    // after the worker's runs of the moment, and before its next
    test.ports[0]?.post({ type: "nonsense" } as unknown as ToWorker);
    await test.happened("worker-lost");
    for (let n = 0; n < 50; n += 1) await test.ask("times_2", [fp32("x", [n])]);
    going = false;
    const { failed, answered } = await others;
    // what had been posted behind the fault had not begun, and is posted again elsewhere
    expect(failed).toEqual([]);
    expect(answered).toBeGreaterThan(50);
    expect(lost(test.events)).toEqual(["crashed"]);
    expect(test.ports).toHaveLength(3);
  });

  it("a run past runTimeout frees its caller and costs nobody else a call; its worker ends itself", async () => {
    const test = await open("thread", { runTimeout: "150ms" });
    let going = true;
    const others = load(test, () => going);
    const began = performance.now();
    // about a second, which the close at the end waits for
    await expect(test.ask("slow", [trips(150_000)])).rejects.toMatchObject({
      code: "deadline-exceeded",
      origin: "backend",
    });
    expect(performance.now() - began).toBeLessThan(700);
    await test.ask("slow", [SHORT]);
    going = false;
    expect((await others).failed).toEqual([]);
    expect(lost(test.events)).toEqual(["run-timeout"]);
    expect(test.ports).toHaveLength(3);
  });

  it("a caller who leaves is freed at once, and the run is counted as waste", async () => {
    const test = await open("thread", { workers: 1 });
    const call = openTestCall();
    const asked = test.ask("slow", [LONG], call).catch((error: InferError) => error.code);
    await test.happened("worker-ready");
    call.cancel(new InferError("cancelled", "gone"));
    expect(await asked).toBe("cancelled");
    await test.happened("wasted");
    expect(floats(await test.ask("times_2", [fp32("x", [4])]))).toEqual([8]);
  });

  it("a deadline frees the caller in mid-run", async () => {
    const test = await open("thread", { workers: 1 });
    await expect(test.ask("slow", [LONG], openTestCall(20))).rejects.toMatchObject({ code: "deadline-exceeded" });
    expect(floats(await test.ask("times_2", [fp32("x", [4])]))).toEqual([8]);
  });
});

describe.each(["thread", "process"] as const)("close, isolation: %s", (isolation) => {
  it("in mid-run lets what runs and what waits finish", async () => {
    const test = await open(isolation, { workers: 1 });
    const asked = [test.ask("slow", [LONG]), test.ask("slow", [SHORT]), test.ask("times_2", [fp32("x", [2])])];
    opened.pop();
    const closing = test.backend.close();
    await expect(test.ask("slow", [SHORT])).rejects.toMatchObject({ code: "unavailable" });
    const answers = await Promise.all(asked);
    expect(floats(answers[2]!)).toEqual([4]);
    await closing;
    expect(lost(test.events)).toEqual([]);
  });
});
