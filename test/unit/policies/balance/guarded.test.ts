// What a balancer does with endpoints that have a guard before them.
import { describe, expect, it } from "vitest";
import type { Candidate } from "../../../../core/policy.ts";
import { balance } from "../../../../policies/balance.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { aCall, fakeEndpoint } from "../../../support/fake-pool.ts";
import { requestFor, wholeReply } from "../../../support/scripted.ts";

const WAYS = ["least-time", "round-robin", "weighted", "least-outstanding", "p2c", "peak-ewma", "hash"] as const;

/** Three endpoints, of which the test says what their guards say; every call is noted. */
function guarded(by: (typeof WAYS)[number] = "round-robin") {
  const env = fakeEnv(9);
  const asked: string[] = [];
  const due = new Set<string>();
  const closed = new Set(["a", "b", "c"]);
  const without = new Set<string>();
  const candidates = ["a", "b", "c"].map((id): Candidate => {
    const { endpoint } = fakeEndpoint({ id }, env).candidate;
    const answer = (how: string) => async () => {
      asked.push(`${id}${how}`);
      return wholeReply("m", "1");
    };
    return {
      endpoint,
      available: () => closed.has(id),
      due: () => due.has(id),
      serves: () => !without.has(id),
      service: answer(""),
      anyway: answer(" anyway"),
    };
  });
  const words = by === "hash" ? { by, key: "peer" } : by;
  const service = balance.build(balance.options.parse(words), { model: "m", env })({ list: () => candidates });
  const ask = (init: object = {}) => service(requestFor("m"), { ...aCall(env, { peer: "1.2.3.4" }), ...init });
  return { ask, asked, due, closed, without };
}

describe("a balancer", () => {
  it.each(WAYS)("by %s gives the next request to the endpoint whose breaker waits for a probe", async (by) => {
    for (const id of ["a", "b", "c"]) {
      const { ask, asked, due } = guarded(by);
      due.add(id);
      await ask();
      expect(asked).toEqual([id]);
    }
  });

  it("gives it no retry and no sequence, but what a batcher meant for another one", async () => {
    // of equals it takes the first
    const { ask, asked, due } = guarded("least-outstanding");
    due.add("c");
    await ask({ attempt: { n: 2, avoid: ["b"] } });
    await ask({ sequence: { id: 1n, start: true, end: false } });
    expect(asked).toEqual(["a", "a"]);
    await ask({ attempt: { n: 1, avoid: [], prefer: "a" } });
    expect(asked.at(-1)).toBe("c");
  });

  it("asks past the guards only where less than half of all may be asked", async () => {
    const { ask, asked, closed } = guarded();
    closed.delete("a");
    for (let i = 0; i < 4; i += 1) await ask();
    expect(asked).toEqual(["b", "c", "b", "c"]);
    closed.delete("b");
    asked.length = 0;
    for (let i = 0; i < 3; i += 1) await ask();
    expect([...asked].sort()).toEqual(["a anyway", "b anyway", "c anyway"]);
  });

  it("believes the guard of the only endpoint that has the model, as that of one that is alone", async () => {
    const { ask, asked, closed, without } = guarded();
    for (const id of ["b", "c"]) without.add(id);
    closed.delete("a");
    await ask();
    expect(asked).toEqual(["a"]);
  });
});
