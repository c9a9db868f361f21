import { describe, expect, it } from "vitest";
import { type Asked, openAsks } from "../../../../gateway/valkey/asks.ts";
import { fakeClock } from "../../../support/fake-env.ts";

/** @param reading takes what is to be called back once the sockets have been read; at once when absent */
function setUp(maxInFlight = 100, reading?: (() => void)[]) {
  const clock = fakeClock();
  const noted: Asked[] = [];
  const said: string[] = [];
  const asks = openAsks({
    clock,
    // the middle of the spread: the times below are exact
    random: () => 0.5,
    timeoutMs: 5,
    maxInFlight,
    afterReading: (callback) => (reading === undefined ? callback() : reading.push(callback)),
    noted: (asked) => noted.push(asked),
    tripped: () => said.push("tripped"),
    recovered: () => said.push("recovered"),
  });
  return { clock, asks, noted, said };
}

const never = () => new Promise<string>(() => {});
const fails = () => Promise.reject<string>(new Error("lost"));
const answers = () => Promise.resolve("here");

/** An ask that its test answers by hand. */
function held() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { work: () => promise, resolve, reject };
}

describe("the asks of the shared store", () => {
  it("gives what the work resolves to", async () => {
    const { asks, noted, clock } = setUp();
    expect(await asks.ask(answers)).toBe("here");
    expect(noted).toEqual(["answered"]);
    expect(clock.pending).toBe(0);
  });

  it("gives nothing when the time-out is over, and not before", async () => {
    const { asks, noted, clock } = setUp();
    let got: string | undefined = "waiting";
    const asked = asks.ask(never).then((value) => {
      got = value;
    });
    clock.advance(4.9);
    await Promise.resolve();
    expect(got).toBe("waiting");
    clock.advance(0.1);
    await asked;
    expect(got).toBeUndefined();
    expect(noted).toEqual(["late"]);
  });

  it("takes an answer that lay in the socket while the loop was busy", async () => {
    const reading: (() => void)[] = [];
    const { asks, noted, clock } = setUp(1, reading);
    const one = held();
    const asked = asks.ask(one.work);
    // the timer comes first in the turn, then the answer, then what waits for the sockets
    clock.advance(50);
    one.resolve("here");
    expect(await asked).toBe("here");
    for (const callback of reading) callback();
    expect(noted).toEqual(["answered"]);
  });

  it("never rejects", async () => {
    const { asks, noted } = setUp();
    expect(await asks.ask(fails)).toBeUndefined();
    expect(noted).toEqual(["failed"]);
  });

  it("lets no more asks out than may be in flight, those that came too late among them", async () => {
    const { asks, noted, clock } = setUp(2);
    const first = held();
    void asks.ask(first.work);
    void asks.ask(never);
    expect(await asks.ask(answers)).toBeUndefined();
    clock.advance(5);
    expect(await asks.ask(answers)).toBeUndefined();
    // the late answer makes room
    first.resolve("late");
    await Promise.resolve();
    await Promise.resolve();
    expect(await asks.ask(answers)).toBe("here");
    expect(noted).toEqual(["skipped", "late", "late", "skipped", "answered"]);
  });

  it("trips at the fifth failure, sends nothing for a second, then one probe", async () => {
    const { asks, said, clock, noted } = setUp();
    for (let n = 0; n < 4; n += 1) await asks.ask(fails);
    expect(asks.available()).toBe(true);
    await asks.ask(fails);
    expect([asks.available(), said]).toEqual([false, ["tripped"]]);
    clock.advance(999);
    expect(await asks.ask(answers)).toBeUndefined();
    clock.advance(1);
    const probe = held();
    const probing = asks.ask(probe.work);
    expect(asks.available()).toBe(false);
    expect(await asks.ask(answers)).toBeUndefined();
    probe.resolve("well");
    expect(await probing).toBe("well");
    expect([asks.available(), said]).toEqual([true, ["tripped", "recovered"]]);
    expect(noted.filter((one) => one === "skipped")).toHaveLength(2);
  });

  it("stays away twice as long after each failed probe, up to 15 seconds", async () => {
    const { asks, clock } = setUp();
    for (let n = 0; n < 5; n += 1) await asks.ask(fails);
    for (const waitMs of [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      clock.advance(waitMs - 1);
      expect(asks.available()).toBe(false);
      clock.advance(1);
      expect(asks.available()).toBe(true);
      await asks.ask(fails);
    }
  });

  it("trips on every second ask that fails, and not on every fourth", async () => {
    const often = setUp();
    for (let n = 0; n < 40 && often.asks.available(); n += 1) await often.asks.ask(n % 2 === 0 ? fails : answers);
    expect(often.said).toEqual(["tripped"]);
    const seldom = setUp();
    for (let n = 0; n < 400; n += 1) await seldom.asks.ask(n % 4 === 0 ? fails : answers);
    expect(seldom.said).toEqual([]);
  });

  it("takes an answer to an ask from before the trip for no sign of health, and its failure for no failed probe", async () => {
    const { asks, clock, said } = setUp();
    const [early, other] = [held(), held()];
    const asked = [asks.ask(early.work), asks.ask(other.work)];
    for (let n = 0; n < 5; n += 1) await asks.ask(fails);
    early.resolve("old");
    await asked[0];
    expect([asks.available(), said]).toEqual([false, ["tripped"]]);
    other.reject(new Error("old"));
    await asked[1];
    clock.advance(1_000);
    expect(asks.available()).toBe(true);
  });

  it("sends nothing once it is closed", async () => {
    const { asks } = setUp();
    asks.close();
    expect(await asks.ask(answers)).toBeUndefined();
  });
});
