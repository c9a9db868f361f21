import { expect, test } from "vitest";
import { openCall } from "../../../core/call.ts";
import { type Limiter, openLimiter, type Permit } from "../../../core/limit/limiter.ts";
import { fakeClock, seededRandom } from "../../support/fake-env.ts";

const SLOTS = 32;
const SERVICE_MS = 40;
const CAPACITY = (SLOTS / SERVICE_MS) * 1000;
const DEADLINES_MS = [60, 100, 250, 1000];
const STEP_MS = 1;
const WARM_MS = 500;
const MEASURED_MS = 1500;

interface Load {
  /** Requests a second. */
  readonly rate: number;
  readonly seed: number;
  /** In place of the limiter's own way to give permits. */
  readonly enter?: (limiter: Limiter) => Limiter["enter"];
}

interface Outcome {
  /** Answers in time, a second. */
  readonly goodput: number;
  /** Requests that came, were answered in time, answered too late, and refused or given up. */
  readonly counts: { readonly came: number; good: number; late: number; refused: number };
}

/** Open-loop requests with mixed deadlines before slots that work for 32 to 48 ms each. */
async function simulate({ rate, seed, enter = (limiter) => limiter.enter }: Load): Promise<Outcome> {
  const clock = fakeClock();
  const random = seededRandom(seed);
  const limiter = openLimiter({
    what: "the model",
    limit: () => SLOTS,
    queue: 256,
    retryable: "later",
    shed: () => {},
    waits: () => {},
  });
  const take = enter(limiter);
  const counts = { came: 0, good: 0, late: 0, refused: 0 };
  let goodMeasured = 0;
  const run = (permit: Permit, call: { readonly deadline: number }) => {
    clock.after(SERVICE_MS * (0.8 + 0.4 * random()), () => {
      permit.leave("success");
      const inTime = clock.now() <= call.deadline;
      counts[inTime ? "good" : "late"] += 1;
      if (inTime && clock.now() >= WARM_MS) goodMeasured += 1;
    });
  };
  const come = () => {
    counts.came += 1;
    const timeoutMs = DEADLINES_MS[Math.floor(random() * DEADLINES_MS.length)] as number;
    const call = openCall({ id: "", traceparent: "", clock, protocol: "test", timeoutMs });
    const refused = () => {
      counts.refused += 1;
    };
    try {
      const permit = take(1, call);
      if (permit instanceof Promise) permit.then((one) => run(one, call), refused);
      else run(permit, call);
    } catch {
      refused();
    }
  };
  let nextAt = 0;
  while (clock.now() < WARM_MS + MEASURED_MS) {
    for (; nextAt <= clock.now(); nextAt += (-Math.log(1 - random()) / rate) * 1000) come();
    await flushed();
    clock.advance(STEP_MS);
  }
  for (let i = 0; i < 2000 && counts.came > counts.good + counts.late + counts.refused; i += 1) {
    await flushed();
    clock.advance(STEP_MS);
  }
  return { goodput: goodMeasured / (MEASURED_MS / 1000), counts };
}

async function flushed(): Promise<void> {
  await Promise.resolve();
  await Promise.resolve();
}

const accounted = ({ counts }: Outcome) => counts.good + counts.late + counts.refused === counts.came;

test("goodput under twice and ten times the load that fits stays that of the best load", async () => {
  const peak = await best();
  const twice = await simulate({ rate: 2 * CAPACITY, seed: 1 });
  const tenTimes = await simulate({ rate: 10 * CAPACITY, seed: 2 });
  expect([accounted(twice), accounted(tenTimes)]).toEqual([true, true]);
  expect(peak).toBeGreaterThan(0.85 * CAPACITY);
  expect(twice.goodput / peak).toBeGreaterThanOrEqual(0.95);
  expect(tenTimes.goodput / peak).toBeGreaterThanOrEqual(0.9);
  // who was let in was let in for an answer
  expect(twice.counts.late / twice.counts.good).toBeLessThan(0.03);
  expect(tenTimes.counts.late / tenTimes.counts.good).toBeLessThan(0.03);
}, 60_000);

test("a plain queue of the same length loses most of it, so that the measure can tell", async () => {
  const peak = await best();
  const plain = (): Limiter["enter"] => {
    const line: (() => void)[] = [];
    let running = 0;
    const permit = (): Permit => {
      running += 1;
      return {
        waitedMs: 0,
        leave() {
          running -= 1;
          line.shift()?.();
        },
      };
    };
    return () => {
      if (running < SLOTS) return permit();
      if (line.length >= 256) throw new Error("full");
      return new Promise((resolve) => line.push(() => resolve(permit())));
    };
  };
  const twice = await simulate({ rate: 2 * CAPACITY, seed: 1, enter: plain });
  expect(twice.goodput / peak).toBeLessThan(0.8);
}, 60_000);

async function best(): Promise<number> {
  let most = 0;
  for (const share of [0.8, 0.9, 1]) {
    const { goodput } = await simulate({ rate: share * CAPACITY, seed: 3 });
    most = Math.max(most, goodput);
  }
  return most;
}
