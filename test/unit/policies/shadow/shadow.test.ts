import { describe, expect, it } from "vitest";
import { deferInputs } from "../../../../core/deferred.ts";
import { InferError } from "../../../../core/error.ts";
import type { InferResponse, Reply } from "../../../../core/request.ts";
import type { Service } from "../../../../core/service.ts";
import type { Tensor } from "../../../../core/tensor.ts";
import { type FakeRoute, fakeRoute } from "../../../support/routes.ts";
import { wholeReply } from "../../../support/scripted.ts";

function y(value: number): Tensor {
  return { name: "y", datatype: "FP32", shape: [1], data: new Uint8Array(new Float32Array([value]).buffer) };
}

const gives =
  (version: string, value: () => number): Service =>
  async () =>
    wholeReply("m", version, { outputs: [y(value())] });

const shadowed = (words: object = {}) => ({ shadow: { of: "stable", to: "next", noise: "0%", ...words } });

/** Lets what was begun go on until it waits for time or for the test. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i += 1) await Promise.resolve();
}

async function mirrored({ env }: FakeRoute): Promise<void> {
  env.clock.advance(0);
  await settle();
}

interface Facts {
  readonly inFlight: number;
  readonly results: Record<string, number>;
  readonly reasons: Record<string, number>;
  readonly difference: Record<string, { readonly count: number; readonly p50: number; readonly max: number }>;
  readonly noise: Record<string, { readonly count: number; readonly max: number }>;
  readonly worst: readonly { readonly difference: number; readonly id: string }[];
}

const facts = ({ route }: FakeRoute) => route.reports()[0]?.facts as Facts;

describe("a shadow", () => {
  it("leaves the answer and its time to the caller's own branch", async () => {
    const never = () => new Promise<Reply>(() => {});
    const fake = fakeRoute({ words: shadowed(), leaves: { "2": never } });
    expect((await fake.ask()).version).toBe("1");
    expect(fake.asked.map(({ version }) => version)).toEqual(["1"]);
    await mirrored(fake);
    expect(fake.asked.map(({ version }) => version)).toEqual(["1", "2"]);
  });

  it("sends its copy on a call of its own, which reads no cache and counts in no quota", async () => {
    const fake = fakeRoute({ words: shadowed({ timeout: "250ms" }) });
    const { call } = await fake.ask({ timeoutMs: 10 });
    await mirrored(fake);
    const copy = fake.asked[1]!.call;
    expect(copy.purpose).toBe("shadow");
    expect(copy.deadline).toBe(250);
    expect(copy.signal.aborted).toBe(false);
    expect(copy.trace).not.toBe(call.trace);
  });

  it("keeps the bytes of a recalled request at once, though they are decoded only behind the answer", async () => {
    const decoding = Promise.withResolvers<readonly Tensor[]>();
    const inputs = deferInputs([{ name: "x", datatype: "FP32", shape: [1] }], () => decoding.promise);
    const joins: Service = async (_request, { loan }) => {
      // answered with what another one asked: nobody has had these bytes decoded
      loan.done();
      return wholeReply("m", "1", { outputs: [y(1)] });
    };
    const fake = fakeRoute({ words: shadowed(), leaves: { "1": joins } });
    const { call } = await fake.ask({ request: { inputs } });
    expect(call.loan.isOver).toBe(false);
    decoding.resolve([{ ...y(3), name: "x" }]);
    await settle();
    await mirrored(fake);
    expect(fake.asked[1]?.request.inputs).toEqual([{ ...y(3), name: "x" }]);
  });

  it.each<[string, Service]>([
    ["errors", () => Promise.reject(new InferError("unavailable", "down"))],
    ["throws what is no error of the house", () => Promise.reject(new TypeError("oops"))],
    [
      "answers garbage",
      async () => wholeReply("m", "2", { outputs: [{ ...y(1), datatype: "INT64", data: new Uint8Array(3) }] }),
    ],
    [
      "answers in a stream",
      async () => ({
        kind: "stream",
        parts: (async function* () {
          yield wholeReply("m", "2");
        })(),
      }),
    ],
  ])("that %s costs the caller nothing", async (_, service) => {
    const fake = fakeRoute({ words: shadowed(), leaves: { "1": gives("1", () => 1), "2": service } });
    for (let n = 0; n < 20; n += 1) {
      expect((await fake.ask()).version).toBe("1");
      await mirrored(fake);
    }
    const { results, inFlight } = facts(fake);
    expect(inFlight).toBe(0);
    expect((results.failed as number) + (results.different as number)).toBe(20);
  });

  it("that hangs has at most its number of copies in flight, and lets go of them at its deadline", async () => {
    const never = () => new Promise<Reply>(() => {});
    const fake = fakeRoute({ words: shadowed({ maxInFlight: 3, timeout: "1s" }), leaves: { "2": never } });
    for (let n = 0; n < 10; n += 1) await fake.ask();
    await mirrored(fake);
    expect(facts(fake)).toMatchObject({ inFlight: 3, reasons: { "in-flight": 7 } });
    fake.env.clock.advance(1_000);
    await settle();
    expect(facts(fake)).toMatchObject({ inFlight: 0, reasons: { "in-flight": 7, "deadline-exceeded": 3 } });
    expect(fake.env.clock.pending).toBe(0);
  });

  it("holds at most its bytes", async () => {
    const never = () => new Promise<Reply>(() => {});
    const fake = fakeRoute({ words: shadowed({ maxBytes: "10KB" }), leaves: { "2": never } });
    const inputs = [{ name: "x", datatype: "UINT8", shape: [4_000], data: new Uint8Array(4_000) }] as const;
    for (let n = 0; n < 5; n += 1) await fake.ask({ request: { inputs } });
    expect(facts(fake)).toMatchObject({ inFlight: 2, reasons: { bytes: 3 } });
  });

  it("copies its share of the requests, and of users' requests only", async () => {
    const fake = fakeRoute({ words: shadowed({ share: "10%" }) });
    for (let n = 0; n < 2_000; n += 1) {
      await fake.ask();
      await mirrored(fake);
    }
    const copies = fake.asked.filter(({ version }) => version === "2").length;
    expect(Math.abs(copies - 200)).toBeLessThan(4 * Math.sqrt(2_000 * 0.1 * 0.9));
    const none = fakeRoute({ words: shadowed() });
    for (const purpose of ["probe", "shadow", "warm-up", "explain"] as const) await none.ask({ purpose });
    await none.ask({ sequence: { id: 1n, start: true, end: false } });
    await mirrored(none);
    expect(none.asked.filter(({ version }) => version === "2")).toEqual([]);
    expect(facts(none).reasons).toEqual({ sequence: 1 });
  });

  it("copies nothing when the caller's branch fails or streams", async () => {
    const down = () => Promise.reject(new InferError("unavailable", "down"));
    const failing = fakeRoute({ words: shadowed(), leaves: { "1": down } });
    await expect(failing.ask()).rejects.toMatchObject({ code: "unavailable" });
    await mirrored(failing);
    expect(failing.asked.length).toBe(1);
  });

  it("counts how the answers compare, by how much, and keeps the worst 20", async () => {
    let value = 0;
    const fake = fakeRoute({ words: shadowed(), leaves: { "1": gives("1", () => 0), "2": gives("2", () => value) } });
    for (let n = 1; n <= 100; n += 1) {
      value = n <= 50 ? 0 : n;
      await fake.ask({ id: `r${n}` });
      await mirrored(fake);
    }
    const { results, difference, worst } = facts(fake);
    expect(results).toMatchObject({ same: 50, different: 50, failed: 0, skipped: 0 });
    expect(difference.y?.count).toBe(100);
    expect(Math.abs((difference.y?.max as number) - 100)).toBeLessThan(2);
    expect(worst.length).toBe(20);
    expect(worst[0]).toMatchObject({ id: "r100", difference: 100 });
    expect(fake.env.events.filter((event) => event.type === "shadow").length).toBe(100);
  });

  it("does not blame a model that differs from itself by as much", async () => {
    const noisy = (version: string, env: FakeRoute["env"]): Service => gives(version, () => env.random());
    const { fakeEnv } = await import("../../../support/fake-env.ts");
    const env = fakeEnv(9);
    const leaves = { "1": noisy("1", env), "2": noisy("2", env) };
    const fake = fakeRoute({ env, words: shadowed({ noise: "100%", compare: { atol: 0.001 } }), leaves });
    for (let n = 0; n < 400; n += 1) {
      await fake.ask();
      await mirrored(fake);
    }
    const { results, noise } = facts(fake);
    expect(noise.y?.count).toBe(400);
    // before the noise is known some are blamed; after that only the furthest hundredth, give or take
    expect(results["within-noise"]).toBeGreaterThan(360);
    expect(results.different).toBeLessThan(40);
  });

  it("does blame one that differs by more than that", async () => {
    const fake = fakeRoute({
      words: shadowed({ noise: "100%" }),
      leaves: { "1": gives("1", () => 1), "2": gives("2", () => 2) },
    });
    for (let n = 0; n < 50; n += 1) {
      await fake.ask();
      await mirrored(fake);
    }
    expect(facts(fake).results).toMatchObject({ different: 50, "within-noise": 0 });
  });

  it("of the version that answered tells only how far it is from itself", async () => {
    const fake = fakeRoute({
      words: { shadow: { of: "stable", to: "1", noise: "0%" } },
      leaves: { "1": gives("1", () => 1) },
    });
    await fake.ask();
    await mirrored(fake);
    expect(facts(fake)).toMatchObject({
      reasons: { "same-version": 1 },
      results: { same: 0 },
      noise: { y: { count: 1 } },
    });
  });

  it("answers with what it has found as plain JSON", async () => {
    const fake = fakeRoute({
      words: shadowed(),
      leaves: { "1": gives("1", () => Number.NaN), "2": gives("2", () => 1) },
    });
    await fake.ask();
    await mirrored(fake);
    const text = JSON.stringify(fake.route.reports());
    expect(JSON.parse(text)).toMatchObject([
      { policy: "shadow", name: "m/next", facts: { worst: [{ difference: null }] } },
    ]);
  });

  it("gives the caller the very reply of its branch", async () => {
    const reply: InferResponse = wholeReply("m", "1", { outputs: [y(1)] });
    const fake = fakeRoute({ words: shadowed(), leaves: { "1": async () => reply } });
    const { aCall } = await import("../../../support/fake-pool.ts");
    const { requestFor } = await import("../../../support/scripted.ts");
    expect(await fake.route.service(requestFor("m"), aCall(fake.env))).toBe(reply);
  });
});
