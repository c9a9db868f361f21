import { describe, expect, test } from "vitest";
import { type Health, openHealth } from "../../../../backends/external/health.ts";
import { InferError } from "../../../../core/error.ts";
import { fakeEnv, seededRandom } from "../../../support/fake-env.ts";
import { evenEnv, pass, settle } from "./fake-server.ts";

const WORDS = { every: 5000, timeout: 1000, healthyAfter: 2, unhealthyAfter: 3 };

function setUp(
  init: { readonly fault?: string; readonly hangs?: boolean; readonly env?: ReturnType<typeof fakeEnv> } = {},
) {
  const env = init.env ?? evenEnv();
  const server = { fault: init.fault, hangs: init.hangs ?? false, blind: undefined as string | undefined };
  const seen = { asked: [] as number[], looks: 0, changes: [] as string[], blind: [] as string[], most: 0, now: 0 };
  const health: Health = openHealth({
    words: WORDS,
    env,
    async ask(signal) {
      seen.asked.push(env.clock.now());
      seen.now += 1;
      seen.most = Math.max(seen.most, seen.now);
      signal.addEventListener("abort", () => {
        seen.now -= 1;
      });
      if (server.hangs) return new Promise<void>(() => {});
      await Promise.resolve();
      if (!signal.aborted) seen.now -= 1;
      if (server.fault !== undefined) throw new InferError("unavailable", server.fault);
    },
    async look() {
      seen.looks += 1;
      if (server.blind !== undefined) throw new InferError("bad-backend", server.blind);
    },
    changed: (healthy, reason) => seen.changes.push(healthy ? "up" : `down: ${reason}`),
    blind: (reason) => seen.blind.push(reason),
  });
  return { env, server, seen, health };
}

describe("an endpoint's health", () => {
  test("the first question goes out at once, and its good answer makes the endpoint healthy", async () => {
    const { seen, health } = setUp();
    expect(seen.asked).toEqual([0]);
    expect(health.healthy).toBe(false);
    await settle();
    expect(health.healthy).toBe(true);
    expect(seen).toMatchObject({ changes: ["up"], looks: 1 });
  });

  test("a well server is asked every five seconds and changes nothing", async () => {
    const { env, seen } = setUp();
    await pass(env, 20_000);
    expect(seen.asked).toEqual([0, 5000, 10_000, 15_000, 20_000]);
    expect(seen.changes).toEqual(["up"]);
  });

  test("three bad answers in a row take it away, the second and third asked for sooner", async () => {
    const { env, server, seen } = setUp();
    await settle();
    server.fault = "gone";
    await pass(env, 6900);
    expect(seen.changes).toEqual(["up"]);
    await pass(env, 200);
    expect(seen.changes).toEqual(["up", "down: gone"]);
    expect(seen.asked).toEqual([0, 5000, 6000, 7000]);
  });

  test("one good answer between bad ones begins the count anew", async () => {
    const { env, server, seen } = setUp();
    await settle();
    server.fault = "gone";
    await pass(env, 6500);
    server.fault = undefined;
    await pass(env, 1000);
    server.fault = "gone";
    await pass(env, 6000);
    expect(seen.asked).toEqual([0, 5000, 6000, 7000, 12_000, 13_000]);
    expect(seen.changes).toEqual(["up"]);
  });

  test("two good answers in a row bring it back", async () => {
    const { env, server, seen } = setUp();
    await settle();
    server.fault = "gone";
    await pass(env, 7500);
    server.fault = undefined;
    await pass(env, 5000);
    expect(seen.changes).toEqual(["up", "down: gone"]);
    await pass(env, 1000);
    expect(seen.changes).toEqual(["up", "down: gone", "up"]);
    expect(seen.asked.slice(4)).toEqual([12_000, 13_000]);
  });

  test("a server that was never there is healthy with its first good answer", async () => {
    const { env, server, seen } = setUp({ fault: "refused" });
    await pass(env, 5500);
    expect(seen.changes).toEqual(["down: refused"]);
    server.fault = undefined;
    await pass(env, 5000);
    expect(seen.asked).toEqual([0, 5000, 10_000]);
    expect(seen.changes).toEqual(["down: refused", "up"]);
  });

  test("a server that does not answer is asked one question at a time, each for as long as the limit", async () => {
    const { env, seen } = setUp({ hangs: true });
    await pass(env, 30_000);
    expect(seen.most).toBe(1);
    expect(seen.asked).toEqual([0, 6000, 12_000, 18_000, 24_000, 30_000]);
    expect(seen.changes).toEqual(["down: no answer to a health check within 1s"]);
  });

  test("waits differ by a tenth at most and are not all alike", async () => {
    const { env, seen } = setUp({ env: { ...fakeEnv(), random: seededRandom(7) } });
    await pass(env, 200_000, 10);
    const waits = seen.asked.slice(1).map((at, i) => at - (seen.asked[i] ?? 0));
    expect(waits.length).toBeGreaterThan(36);
    for (const wait of waits) expect(Math.abs(wait - 5000)).toBeLessThanOrEqual(510);
    expect(new Set(waits).size).toBeGreaterThan(10);
  });
});

describe("a suspicion", () => {
  test("of a thousand calls asks one question, and a good answer keeps the endpoint", async () => {
    const { env, seen, health } = setUp();
    await pass(env, 2000);
    for (let i = 0; i < 1000; i++) health.suspect();
    await pass(env, 100);
    expect(seen.asked).toEqual([0, 2000]);
    expect(seen.changes).toEqual(["up"]);
  });

  test("of a thousand calls sets one timer: else each would put off what the one before has set", async () => {
    const env = evenEnv();
    let timers = 0;
    const clock = {
      ...env.clock,
      after(ms: number, callback: () => void) {
        timers += 1;
        return env.clock.after(ms, callback);
      },
    };
    const { health } = setUp({ env: { ...env, clock: clock as typeof env.clock } });
    await settle();
    timers = 0;
    for (let i = 0; i < 1000; i++) health.suspect();
    expect(timers).toBe(1);
  });

  test("is asked about no more than once a second, however many calls fail", async () => {
    const { env, seen, health } = setUp();
    for (let i = 0; i < 40; i++) {
      for (let call = 0; call < 25; call++) health.suspect();
      await pass(env, 100);
    }
    expect(seen.asked).toEqual([0, 1000, 2000, 3000, 4000]);
    expect(seen.changes).toEqual(["up"]);
  });

  test("takes the endpoint away with the first bad answer", async () => {
    const { env, server, seen, health } = setUp();
    await pass(env, 2000);
    server.fault = "reset";
    health.suspect();
    await pass(env, 100);
    expect(seen.asked).toEqual([0, 2000]);
    expect(seen.changes).toEqual(["up", "down: reset"]);
  });

  test("of an endpoint that is away anyway asks nothing", async () => {
    const { env, seen, health } = setUp({ fault: "refused" });
    await pass(env, 2000);
    health.suspect();
    await pass(env, 1000);
    expect(seen.asked).toEqual([0]);
  });
});

describe("a look", () => {
  test("that fails leaves a healthy endpoint as it is, and says so once", async () => {
    const { env, server, seen } = setUp();
    await settle();
    server.blind = "list too long";
    await pass(env, 15_000);
    expect(seen).toMatchObject({ changes: ["up"], blind: ["list too long"], looks: 4 });
    server.blind = undefined;
    await pass(env, 5000);
    server.blind = "list too long";
    await pass(env, 10_000);
    expect(seen.blind).toEqual(["list too long", "list too long"]);
  });

  test("that fails keeps an endpoint from becoming healthy: nobody knows what it has", async () => {
    const { env, server, seen } = setUp();
    server.blind = "list too long";
    await settle();
    expect(seen.changes).toEqual(["down: list too long"]);
    server.blind = undefined;
    await pass(env, 5000);
    expect(seen.changes).toEqual(["down: list too long", "up"]);
  });

  test("asked for during another one follows it at once, and only one however often it was asked for", async () => {
    const { seen, health } = setUp();
    for (let i = 0; i < 10; i++) void health.lookNow();
    await settle();
    expect(seen).toMatchObject({ asked: [0, 0], looks: 2 });
  });
});

test("whoever asked for a look hears when one that began later has ended, or that there will be none", async () => {
  const { seen, health } = setUp();
  const looks: (number | undefined)[] = [];
  // the first look is going on: it may have begun before whatever is asked about
  void health.lookNow().then(() => looks.push(seen.looks));
  await settle();
  void health.lookNow().then(() => looks.push(seen.looks));
  await settle();
  expect(looks).toEqual([2, 3]);
  health.close();
  await health.lookNow();
});

test("a closed health asks nothing more and leaves no timer", async () => {
  const { env, seen, health } = setUp();
  await settle();
  health.close();
  health.suspect();
  void health.lookNow();
  await pass(env, 20_000, 5000);
  expect(seen.asked).toEqual([0]);
  expect(env.clock.pending).toBe(0);
});

test("a question that is going on is given up when the health is closed", async () => {
  const { env, seen, health } = setUp({ hangs: true });
  health.close();
  await settle();
  expect(env.clock.pending).toBe(0);
  expect(seen).toMatchObject({ changes: [], now: 0 });
});
