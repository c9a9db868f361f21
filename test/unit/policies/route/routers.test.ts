import { describe, expect, it } from "vitest";
import type { InferResponse } from "../../../../core/request.ts";
import { aCall } from "../../../support/fake-pool.ts";
import { fakeRoute, headers } from "../../../support/routes.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";

const CANARY = { stable: "stable", candidate: "next", percent: 5, unit: { header: "x-user-id" } };
const user = (id: string | number) => headers({ "x-user-id": String(id) });
const AB = {
  name: "wording",
  unit: { header: "x-user-id" },
  variants: { control: { to: "stable", percent: 50 }, b: { to: "next", percent: 50 } },
};

describe("a route", () => {
  it("is met only by requests that name neither a version nor a label", async () => {
    const { ask } = fakeRoute({ words: "next" });
    expect((await ask()).version).toBe("2");
    const model = { name: "m", select: { by: "version", version: "3" } } as const;
    expect((await ask({ request: { model } })).version).toBe("3");
    const labelled = { name: "m", select: { by: "label", label: "stable" } } as const;
    expect(await ask({ request: { model: labelled } })).toMatchObject({ version: "1", said: [] });
  });

  it("leads to the newest version where there is none", async () => {
    expect((await fakeRoute({}).ask()).version).toBe("3");
  });

  it("to a version that is not there is no fault of the client's", async () => {
    const { ask } = fakeRoute({ words: "gone" });
    await expect(ask()).rejects.toMatchObject({ code: "unavailable", origin: "backend" });
  });

  it("still says not-found to a client that names an unknown version itself", async () => {
    const model = { name: "m", select: { by: "version", version: "9" } } as const;
    await expect(fakeRoute({ words: "next" }).ask({ request: { model } })).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("weighted", () => {
  const words = {
    weighted: [
      { to: "stable", weight: 9 },
      { to: "next", weight: 1 },
    ],
  };

  it("is at every prefix of 10,000 requests off by less than one", async () => {
    const { ask } = fakeRoute({ words });
    let next = 0;
    for (let n = 1; n <= 10_000; n += 1) {
      if ((await ask()).version === "2") next += 1;
      expect(Math.abs(next - n / 10)).toBeLessThan(1);
    }
    expect(next).toBe(1_000);
  });

  it("says what it chose, and takes no turn for a question", async () => {
    const { ask } = fakeRoute({
      words: {
        weighted: [
          { to: "stable", weight: 1 },
          { to: "next", weight: 1 },
        ],
      },
    });
    const asked = await ask({ purpose: "explain" });
    expect(asked.said).toEqual(["weighted stable 1 of 2"]);
    expect((await ask()).said).toEqual(asked.said);
    expect((await ask()).version).toBe("2");
  });
});

describe("canary", () => {
  it("says the bucket and the threshold", async () => {
    const { ask } = fakeRoute({ words: { canary: { ...CANARY, percent: 96 } } });
    expect((await ask(user(42))).said).toEqual([expect.stringMatching(/^canary next 96% bucket \d+ < 9600$/)]);
    const { ask: other } = fakeRoute({ words: { canary: CANARY } });
    expect((await other(user(42))).said).toEqual([
      expect.stringMatching(/^canary stable bucket \d+ >= 500 \(next 5%\)$/),
    ]);
  });

  it("gives a unit the same side every time, and keeps who was in when it grows", async () => {
    const small = fakeRoute({ words: { canary: CANARY } });
    const large = fakeRoute({ words: { canary: { ...CANARY, percent: 20 } } });
    let inside = 0;
    for (let id = 0; id < 2_000; id += 1) {
      const { version } = await small.ask(user(id));
      expect((await small.ask(user(id))).version).toBe(version);
      if (version !== "2") continue;
      inside += 1;
      expect((await large.ask(user(id))).version).toBe("2");
    }
    expect(inside).toBeGreaterThan(60);
    expect(inside).toBeLessThan(140);
  });

  it.each([
    [{ header: "x-user-id" }, user(42)],
    [{ cookie: "uid" }, headers({ cookie: "a=1; uid=42; b=2" })],
    [{ query: "user" }, { query: new URLSearchParams("user=42") }],
    [{ parameter: "user" }, { request: { parameters: new Map([["user", 42n]]) } }],
    ["tenant", { tenant: "42" }],
    ["peer", { peer: "42" }],
  ])("finds the same unit wherever it stands: %j", async (unit, init) => {
    const { ask, exposures } = fakeRoute({ words: { canary: { ...CANARY, unit } } });
    const { said } = await ask(init);
    const { said: byHeader } = await fakeRoute({ words: { canary: CANARY } }).ask(user(42));
    expect(said).toEqual(byHeader);
    expect(exposures[0]).toMatchObject({ experiment: "m/next", unit: "42" });
  });

  it("sends requests without a unit to stable, or in turns", async () => {
    const plain = fakeRoute({ words: { canary: CANARY } });
    expect((await plain.ask()).said).toEqual(["canary stable no header x-user-id (next 5%)"]);
    const turns = fakeRoute({ words: { canary: { ...CANARY, percent: 25, without: "weighted" } } });
    const versions = [];
    for (let n = 0; n < 100; n += 1) versions.push((await turns.ask()).version);
    expect(versions.filter((version) => version === "2").length).toBe(25);
    expect(turns.exposures).toEqual([]);
  });

  it("can be forced by testers alone, which is no exposure", async () => {
    const words = { canary: { ...CANARY, percent: 0, force: "X-Variant" } };
    const asked = headers({ "x-user-id": "42", "x-variant": "next" });
    const tester = fakeRoute({ words, testers: true });
    expect((await tester.ask(asked)).said).toEqual(["canary next forced by header x-variant"]);
    expect(tester.exposures).toEqual([]);
    const other = fakeRoute({ words });
    expect((await other.ask(asked)).version).toBe("1");
    expect(other.exposures.length).toBe(1);
  });

  it("exposes nobody by probes, shadows or questions", async () => {
    const { ask, exposures } = fakeRoute({ words: { canary: CANARY } });
    for (const purpose of ["shadow", "probe", "warm-up", "explain"] as const) await ask({ ...user(1), purpose });
    expect(exposures).toEqual([]);
  });
});

describe("ab", () => {
  it("gives each unit one variant and says the bucket and its range", async () => {
    const { ask, exposures } = fakeRoute({ words: { ab: AB } });
    const counts: Record<string, number> = { "1": 0, "2": 0 };
    for (let id = 0; id < 2_000; id += 1) {
      const { version, said } = await ask(user(id));
      counts[version]! += 1;
      expect(said).toEqual([expect.stringMatching(/^ab wording (control|b) 50% bucket \d+ in \[\d+, \d+\)$/)]);
    }
    expect(Math.abs((counts["2"] as number) - 1_000)).toBeLessThan(4 * Math.sqrt(500));
    expect(exposures.length).toBe(2_000);
    expect(exposures[0]?.shares).toEqual(
      new Map([
        ["control", 0.5],
        ["b", 0.5],
      ]),
    );
  });

  it("gives a unit the same variant in every model of the experiment", async () => {
    const one = fakeRoute({ words: { ab: AB } });
    const variants = { control: { to: "3", percent: 50 }, b: { to: "stable", percent: 50 } };
    const other = fakeRoute({ words: { ab: { ...AB, variants } } });
    for (let id = 0; id < 200; id += 1) {
      await one.ask(user(id));
      await other.ask(user(id));
    }
    expect(one.exposures.map((exposure) => exposure.variant)).toEqual(
      other.exposures.map((exposure) => exposure.variant),
    );
  });

  it("can be forced by testers, by the variant's name", async () => {
    const { ask } = fakeRoute({ words: { ab: { ...AB, force: "x-variant" } }, testers: true });
    expect((await ask(headers({ "x-variant": "b" }))).said).toEqual(["ab wording b 50% forced by header x-variant"]);
    expect((await ask(headers({ "x-variant": "none" }))).said).toEqual(["ab wording control 50% no header x-user-id"]);
  });
});

describe("affinity", () => {
  const words = { affinity: { key: { header: "x-user-id" }, over: [{ to: "1" }, { to: "2" }, { to: "3" }] } };

  it("keeps equal keys together while nothing else is to do, and uses every branch", async () => {
    const { ask } = fakeRoute({ words });
    const seen = new Set<string>();
    for (let id = 0; id < 50; id += 1) {
      const { version } = await ask(user(id));
      seen.add(version);
      expect((await ask(user(id))).version).toBe(version);
    }
    expect([...seen].sort()).toEqual(["1", "2", "3"]);
  });

  it("tells the key's hash, which choice of it the branch is, and its load beside the most that it may have", async () => {
    const hold = () => new Promise<InferResponse>(() => {});
    const { route, ask, asked, env } = fakeRoute({ words, leaves: { "1": hold, "2": hold, "3": hold } });
    const { version, said } = await ask({ ...user("u7"), purpose: "explain" });
    const [, hash] = /^affinity \S+ by header x-user-id \(hash ([0-9a-f]{8}), /.exec(said[0] ?? "") ?? [];
    expect(said).toEqual([
      `affinity ${version} by header x-user-id (hash ${hash}, choice 1, 1 in flight of at most 1)`,
    ]);
    // the words are found only now: they tell of the moment of the choice all the same
    const calls = [0, 1].map(() => aCall(env, user("u7")));
    for (const call of calls) void route.service(requestFor("m"), call);
    const told = calls.map(({ trace }) => trace.decisions[0]?.said);
    const other = asked[1]?.version;
    expect(other).not.toBe(version);
    expect(told[0]).toBe(`${version} by header x-user-id (hash ${hash}, choice 1, 1 in flight of at most 1)`);
    expect(told[1]).toMatch(
      new RegExp(`^${other} by header x-user-id \\(hash [0-9a-f]{8}, choice 2, 1 in flight of at most 1\\)$`),
    );
    const third = ["1", "2", "3"].find((one) => one !== version && one !== other);
    expect((await ask({ purpose: "explain" })).said).toEqual([`affinity ${third} no header x-user-id (1 in flight)`]);
  });

  it("lets no branch have much more to do than its share", async () => {
    const waiting: (() => void)[] = [];
    const hold = () => new Promise<InferResponse>((resolve) => waiting.push(() => resolve(wholeReply("m", "1"))));
    const { ask, asked } = fakeRoute({ words, leaves: { "1": hold, "2": hold, "3": hold } });
    const all = Array.from({ length: 90 }, () => ask(user("the same")));
    await Promise.resolve();
    const most = ["1", "2", "3"].map((version) => asked.filter((one) => one.version === version).length);
    expect(Math.max(...most)).toBeLessThanOrEqual(Math.ceil(1.25 * 30) + 1);
    for (const resolve of waiting) resolve();
    await Promise.all(all);
  });
});
