import { describe, expect, it } from "vitest";
import type { ExposuresConfig } from "../../../config/config.ts";
import type { Sink } from "../../../gateway/exposures/queue.ts";
import { openExposures } from "../../../gateway/exposures.ts";
import { openSampleRatio } from "../../../policies/exposures/sample-ratio.ts";
import { openSeen } from "../../../policies/exposures/seen.ts";
import { placeOf } from "../../../policies/route/bucket.ts";
import { fakeEnv, seededRandom } from "../../support/fake-env.ts";

const CONFIG: ExposuresConfig = { to: "stdout", everyMs: 1_000, batch: 10, queue: 25 };
const SHARES = new Map([
  ["control", 0.5],
  ["b", 0.5],
]);

function exposure(unit: string, variant = "b", shares = SHARES) {
  return { model: "m", experiment: "e", unit, hash: placeOf("e", unit).hash, variant, shares };
}

/** A sink that keeps its batches, and holds or fails them as the test says. */
function heldSink() {
  const batches: (readonly string[])[] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const sink: Sink = {
    write: (lines) => {
      batches.push(lines);
      return new Promise((resolve, reject) =>
        waiting.push((error) => (error === undefined ? resolve() : reject(error))),
      );
    },
    close: async () => {},
  };
  const settle = async (error?: Error) => {
    for (const done of waiting.splice(0)) done(error);
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
  };
  return { sink, batches, settle };
}

function open(config = CONFIG) {
  const env = fakeEnv();
  const held = heldSink();
  return { env, ...held, exposures: openExposures({ config, baseDir: "/", env, sink: held.sink }) };
}

const dropped = (env: ReturnType<typeof fakeEnv>) =>
  env.events.reduce((sum, event) => sum + (event.type === "exposures-dropped" ? event.count : 0), 0);

describe("exposures", () => {
  it("are recorded once for each unit and variant", () => {
    const { env, exposures, batches } = open();
    for (const unit of ["1", "2", "1", "1", "2"]) exposures.note(exposure(unit));
    exposures.note(exposure("1", "control"));
    env.clock.advance(1_000);
    expect(batches.flat().map((line) => JSON.parse(line))).toEqual([
      { atMs: 1_700_000_000_000, experiment: "e", unit: "1", variant: "b", model: "m" },
      { atMs: 1_700_000_000_000, experiment: "e", unit: "2", variant: "b", model: "m" },
      { atMs: 1_700_000_000_000, experiment: "e", unit: "1", variant: "control", model: "m" },
    ]);
    expect(env.events.filter(({ type }) => type === "exposure").length).toBe(3);
  });

  it("go in batches, one at a time, and are dropped and counted when the sink is too slow", async () => {
    const { env, exposures, batches, settle } = open();
    for (let unit = 0; unit < 40; unit += 1) exposures.note(exposure(String(unit)));
    expect(batches.map((lines) => lines.length)).toEqual([10]);
    expect(dropped(env)).toBe(5);
    for (let n = 0; n < 5; n += 1) await settle();
    expect(batches.map((lines) => lines.length)).toEqual([10, 10, 10, 5]);
  });

  it("that could not be written are counted, and warned of once while it lasts", async () => {
    const { env, exposures, settle } = open();
    for (let unit = 0; unit < 30; unit += 1) {
      exposures.note(exposure(String(unit)));
      if (unit % 10 === 9) await settle(new Error("disk full"));
    }
    expect(dropped(env)).toBe(30);
    expect(env.lines.filter(({ level }) => level === "warn").length).toBe(1);
  });

  it("are written out at the end, for as long as that is worth waiting", async () => {
    const { env, exposures, batches } = open();
    exposures.note(exposure("1"));
    const closed = exposures.close();
    expect(batches.flat().length).toBe(1);
    env.clock.advance(5_000);
    await closed;
  });

  it("name a long unit by its hash", () => {
    const { env, exposures, batches } = open();
    exposures.note(exposure("u".repeat(10_000)));
    env.clock.advance(1_000);
    expect(batches[0]?.[0]?.length).toBeLessThan(200);
    expect(JSON.parse(batches[0]![0]!).unit).toMatch(/^hash:[0-9a-f]+$/);
  });

  it("are counted also where nothing is written", () => {
    const env = fakeEnv();
    openExposures({ config: undefined, baseDir: "/", env }).note(exposure("1"));
    expect(env.events.map(({ type }) => type)).toEqual(["exposure", "sample-ratio"]);
  });

  it("warn once of a split that is not as it should be", () => {
    const { env, exposures } = open();
    const random = seededRandom(4);
    for (let unit = 0; unit < 5_000; unit += 1) {
      exposures.note(exposure(String(unit), random() < 0.58 ? "b" : "control"));
    }
    const warnings = env.lines.filter(({ message }) => message.includes("split"));
    expect(warnings.length).toBe(1);
    expect(warnings[0]?.fields).toMatchObject({ experiment: "e", expected: { control: 0.5, b: 0.5 } });
  });
});

describe("the units that were seen", () => {
  it("are remembered up to a bound, the latest at least", () => {
    const seen = openSeen(100);
    for (let unit = 0; unit < 10_000; unit += 1) expect(seen.first(unit)).toBe(true);
    for (let unit = 9_901; unit < 10_000; unit += 1) expect(seen.first(unit)).toBe(false);
    expect(seen.first(1)).toBe(true);
  });

  it("stay remembered while they come again", () => {
    const seen = openSeen(100);
    seen.first(-1);
    for (let unit = 0; unit < 10_000; unit += 1) {
      seen.first(unit);
      if (unit % 50 === 0) expect(seen.first(-1)).toBe(false);
    }
  });
});

describe("the sequential test of a split", () => {
  /** The lowest p of an experiment whose true split is `share`, looked at after every unit. */
  const lowest = (seed: number, share: number, units: number): number => {
    const ratio = openSampleRatio(SHARES);
    const random = seededRandom(seed);
    for (let unit = 0; unit < units; unit += 1) ratio.add(random() < share ? "b" : "control");
    return ratio.p;
  };

  it("is wrong in at most 5 of 100 right experiments at p 0.05, however often it is looked at", () => {
    const alarms = Array.from({ length: 400 }, (_, seed) => lowest(seed, 0.5, 2_000)).filter((p) => p <= 0.05).length;
    // the bound is 20 of 400; 4 standard errors above it would be a wrong test
    expect(alarms).toBeLessThanOrEqual(20 + 4 * Math.sqrt(400 * 0.05 * 0.95));
  });

  it("finds a split of 53 to 47 within 20,000 units", () => {
    for (let seed = 0; seed < 20; seed += 1) expect(lowest(seed, 0.53, 20_000)).toBeLessThan(0.001);
  });

  it("is a truer test than looking again and again at one for a fixed number, which this check catches", () => {
    let alarms = 0;
    for (let seed = 0; seed < 400; seed += 1) {
      const random = seededRandom(seed);
      let b = 0;
      for (let n = 1; n <= 2_000; n += 1) {
        b += random() < 0.5 ? 1 : 0;
        if (n < 50 || Math.abs(b - n / 2) <= 1.96 * Math.sqrt(n / 4)) continue;
        alarms += 1;
        break;
      }
    }
    expect(alarms).toBeGreaterThan(20 + 4 * Math.sqrt(400 * 0.05 * 0.95));
  });
});
