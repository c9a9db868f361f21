// The three traps of opossum, each shown with the bare library first, so that an update of it which changes one is seen.
import CircuitBreaker from "opossum";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { breakerOf, left } from "../../../support/breakers.ts";
import { wholeReply } from "../../../support/scripted.ts";

const OPTIONS = { timeout: false as const, resetTimeout: 5000, volumeThreshold: 5, errorThresholdPercentage: 50 };

/** A bare circuit whose calls the test settles by hand, tripped by five failures. */
async function bare(options: CircuitBreaker.Options = {}) {
  const circuit = new CircuitBreaker((work: Promise<unknown>) => work, { ...OPTIONS, ...options });
  const trip = async () => {
    for (let i = 0; i < 5 && !circuit.opened; i += 1) {
      await circuit.fire(Promise.reject(new Error("down"))).catch(() => {});
    }
    expect(circuit.opened).toBe(true);
    vi.advanceTimersByTime(5000);
    expect(circuit.halfOpen).toBe(true);
  };
  return { circuit, trip };
}

/** Our breaker, tripped by five failures, at the moment at which it is half-open. */
async function halfOpen() {
  const all = breakerOf();
  await all.fails(5);
  expect(all.state()).toBe("open");
  all.env.clock.advance(5500);
  expect(all.state()).toBe("half-open");
  return all;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("an outcome that is ignored while half-open", () => {
  it("closes a bare opossum, which takes what it filters for a success", async () => {
    const { circuit, trip } = await bare({ errorFilter: (error) => error.message === "left" });
    await trip();
    await circuit.fire(Promise.reject(new Error("left"))).catch(() => {});
    expect(circuit.closed).toBe(true);
    circuit.shutdown();
  });

  it("leaves ours half-open, and the next call is the probe in its place", async () => {
    const all = await halfOpen();
    expect(await all.fails(2, left)).toEqual(["failed", "failed"]);
    expect(all.state()).toBe("half-open");
    expect(all.guard.due()).toBe(true);
    expect(await all.answers(1)).toEqual(["answered"]);
    expect(all.state()).toBe("closed");
  });

  it("opens ours again when it comes three times in a row, for as long as before", async () => {
    const all = await halfOpen();
    expect(await all.fails(4, left)).toEqual(["failed", "failed", "failed", "refused"]);
    expect(all.state()).toBe("open");
    all.env.clock.advance(5500);
    expect(all.state()).toBe("half-open");
  });
});

describe("a probe that never settles", () => {
  it("holds a bare opossum half-open for ever, and nobody passes", async () => {
    const { circuit, trip } = await bare();
    await trip();
    void circuit.fire(new Promise(() => {}));
    vi.advanceTimersByTime(3_600_000);
    await expect(circuit.fire(Promise.resolve())).rejects.toMatchObject({ code: "EOPENBREAKER" });
    expect(circuit.halfOpen).toBe(true);
    circuit.shutdown();
  });

  it("ends at ours with the deadline of its caller", async () => {
    const all = await halfOpen();
    const probe = all.begin();
    await probe.asked;
    expect(all.guard.available()).toBe(false);
    probe.call.cancel(left());
    expect(await probe.told).toMatchObject({ code: "cancelled" });
    expect(all.guard.available()).toBe(true);
    expect(await all.answers(2)).toEqual(["answered", "answered"]);
    expect(all.state()).toBe("closed");
  });
});

describe("a success that began before the trip", () => {
  it("closes a bare opossum when it comes while that is half-open", async () => {
    const { circuit, trip } = await bare();
    let answer: (value: unknown) => void = () => {};
    const slow = circuit.fire(
      new Promise((resolve) => {
        answer = resolve;
      }),
    );
    await trip();
    answer("late");
    await slow;
    expect(circuit.closed).toBe(true);
    circuit.shutdown();
  });

  it("says nothing to ours, and its caller is answered", async () => {
    const all = breakerOf();
    const slow = all.begin();
    const asked = await slow.asked;
    await all.fails(5);
    all.env.clock.advance(5500);
    asked.reply(wholeReply("m", "1"));
    expect(await slow.told).toBe("answered");
    expect(all.state()).toBe("half-open");
    expect(all.guard.available()).toBe(true);
  });

  it("says nothing to ours when it comes beside the probe either, nor does a late failure", async () => {
    const all = breakerOf();
    const late = [all.begin(), all.begin()];
    const [one, other] = [await late[0]!.asked, await late[1]!.asked];
    await all.fails(5);
    all.env.clock.advance(5500);
    const probe = all.begin();
    const asked = await probe.asked;
    one.reply(wholeReply("m", "1"));
    other.fail(new Error("down"));
    await Promise.all(late.map(({ told }) => told));
    expect(all.state()).toBe("half-open");
    asked.reply(wholeReply("m", "1"));
    await probe.told;
    expect(all.state()).toBe("closed");
  });
});
