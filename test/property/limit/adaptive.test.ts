// The adaptive limit before a server that takes what it is given and works on some of it at a time.

import { expect, test } from "vitest";
import { openSlots } from "../../../backends/external/slots.ts";
import type { LimitWords } from "../../../backends/external/words.ts";
import { openCall } from "../../../core/call.ts";
import type { Permit } from "../../../core/limit/limiter.ts";
import { type FakeEnv, fakeEnv } from "../../support/fake-env.ts";

const WORKERS = 8;
const SERVICE_MS = 40;
const CAPACITY = (WORKERS / SERVICE_MS) * 1000;
const DEADLINES_MS = [100, 250, 1000];
const STEP_MS = 2;
const WARM_MS = 10_000;
const MEASURED_MS = 10_000;

interface Seen {
  readonly goodput: number;
  /** The mean time of a call at the server, in milliseconds. */
  readonly thereMs: number;
  readonly limit: number;
}

/** Open-loop requests at a rate a second; the server's own queue is endless and first come first served. */
async function simulate(rate: number, limit: LimitWords): Promise<Seen> {
  const env: FakeEnv = fakeEnv(7);
  const { clock } = env;
  const slots = openSlots({ env, backend: "b", endpoint: "b/one", most: 512, limit });
  const freeAt = Array.from({ length: WORKERS }, () => 0);
  let good = 0;
  let there = 0;
  let calls = 0;
  const run = (permit: Permit, deadline: number) => {
    const begun = clock.now();
    const worker = freeAt.indexOf(Math.min(...freeAt));
    const doneAt = Math.max(begun, freeAt[worker] ?? 0) + SERVICE_MS * (0.8 + 0.4 * env.random());
    freeAt[worker] = doneAt;
    clock.after(doneAt - begun, () => {
      permit.leave(doneAt <= deadline ? "success" : "failure");
      if (begun < WARM_MS) return;
      calls += 1;
      there += doneAt - begun;
      if (doneAt <= deadline) good += 1;
    });
  };
  const come = () => {
    const timeoutMs = DEADLINES_MS[Math.floor(env.random() * DEADLINES_MS.length)] as number;
    const call = openCall({ id: "", traceparent: "", clock, protocol: "test", timeoutMs });
    try {
      const permit = slots.enter(1, call);
      if (!(permit instanceof Promise)) run(permit, call.deadline);
      else
        permit.then(
          (one) => run(one, call.deadline),
          () => {},
        );
    } catch {
      // refused at once
    }
  };
  for (let nextAt = 0; clock.now() < WARM_MS + MEASURED_MS; clock.advance(STEP_MS)) {
    for (; nextAt <= clock.now(); nextAt += (-Math.log(1 - env.random()) / rate) * 1000) come();
    for (let i = 0; i < 3; i += 1) await Promise.resolve();
  }
  return { goodput: good / (MEASURED_MS / 1000), thereMs: there / calls, limit: slots.free + slots.busy };
}

test("keeps a server busy at twice its capacity, and its own queue short", async () => {
  const adaptive = await simulate(2 * CAPACITY, { concurrency: "adaptive", queue: 256 });
  expect(adaptive.goodput / CAPACITY).toBeGreaterThan(0.93);
  expect(adaptive.thereMs).toBeLessThan(250);
  // what a limit that is far too high makes of the same load
  const none = await simulate(2 * CAPACITY, { concurrency: 512, queue: 0 });
  expect(none.goodput / CAPACITY).toBeLessThan(0.5);
}, 60_000);
