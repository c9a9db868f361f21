import { describe, expect, it } from "vitest";
import type { Datatype } from "../../../../core/tensor.ts";
import { checkExpression } from "../../../../policies/rules/expression.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { type AskInit, fakeRoute, headers, routeMistake } from "../../../support/routes.ts";

const rule = (when: unknown) => ({ rules: [{ when, to: "next" }, { to: "stable" }] });

function input(datatype: Datatype, ...shape: number[]): AskInit {
  return { request: { inputs: [{ name: "x", datatype, shape, data: new Uint8Array(0) }] } };
}

describe("rules", () => {
  it.each<[string, unknown, AskInit, AskInit]>([
    ["a header", { header: { "X-Beta": "yes" } }, headers({ "x-beta": "yes" }), headers({ "x-beta": "no" })],
    ["one of several values", { header: { a: ["1", "2"] } }, headers({ a: "2" }), headers({ a: "3" })],
    ["the tenant", { tenant: "acme" }, { tenant: "acme" }, {}],
    ["the protocol", { protocol: ["oip-grpc"] }, { protocol: "oip-grpc" }, { protocol: "oip-rest" }],
    ["a parameter", { parameter: { n: "7" } }, { request: { parameters: new Map([["n", 7n]]) } }, {}],
    ["the query", { query: { q: "1" } }, { query: new URLSearchParams("q=1") }, { query: new URLSearchParams("q=2") }],
    ["a datatype", { input: { name: "x", datatype: "FP32" } }, input("FP32", 1), input("FP64", 1)],
    ["a shape", { input: { name: "x", shape: [-1, 4] } }, input("FP32", 9, 4), input("FP32", 9, 5)],
    ["rows", { rows: { min: 2, max: 3 } }, input("FP32", 3), input("FP32", 4)],
    [
      "an expression",
      { expression: 'tenant == "a" && rows > 2' },
      { ...input("FP32", 3), tenant: "a" },
      input("FP32", 3),
    ],
    ["an expression over headers", { expression: 'header["x-n"].startsWith("7")' }, headers({ "x-n": "77" }), {}],
    ["an expression over shapes", { expression: "input.x.shape[1] == 4" }, input("FP32", 1, 4), input("FP32", 1, 5)],
    ["all together", { tenant: "a", header: { b: "1" } }, { tenant: "a", ...headers({ b: "1" }) }, headers({ b: "1" })],
  ])("look at %s", async (_, when, fits, other) => {
    const { ask } = fakeRoute({ words: rule(when) });
    expect((await ask(fits)).version).toBe("2");
    expect((await ask(other)).version).toBe("1");
  });

  it("say which one held, and why", async () => {
    const { ask } = fakeRoute({ words: rule({ tenant: "acme", header: { "x-beta": "1" } }) });
    expect((await ask({ tenant: "acme", ...headers({ "x-beta": "1" }) })).said).toEqual([
      "rules 1 of 2 (header x-beta 1 and tenant acme) to next",
    ]);
    expect((await ask()).said).toEqual(["rules 2 of 2 (otherwise) to stable"]);
  });

  it("hold for testers alone where they say so", async () => {
    const when = { tester: true, header: { "x-force-version": "2" } };
    const asked = headers({ "x-force-version": "2" });
    expect((await fakeRoute({ words: rule(when), testers: true }).ask(asked)).version).toBe("2");
    expect((await fakeRoute({ words: rule(when) }).ask(asked)).version).toBe("1");
  });

  it("hold within a window of time, in its own time zone and over midnight", async () => {
    // the fake clock stands at 2023-11-14T22:13:20Z, a Tuesday; in Berlin it is 23:13
    const env = fakeEnv();
    const at = async (time: unknown) => (await fakeRoute({ words: rule({ time }), env }).ask()).version;
    expect(await at({ from: "22:00", to: "23:00" })).toBe("2");
    expect(await at({ from: "22:00", to: "23:00", zone: "Europe/Berlin" })).toBe("1");
    expect(await at({ from: "23:00", to: "01:00", zone: "Europe/Berlin", days: ["tue"] })).toBe("2");
    expect(await at({ days: ["sat", "sun"] })).toBe("1");
    expect(await at({ after: "2023-11-14T22:13:20Z", before: "2023-11-15T00:00:00+01:00" })).toBe("2");
    const night = fakeRoute({ words: rule({ time: { from: "23:00", to: "01:00" } }), env });
    expect((await night.ask()).version).toBe("1");
    env.clock.advance(3_600_000);
    expect((await night.ask()).version).toBe("2");
  });

  it.each([
    [{ expression: "rows >" }, "rules.0.when.expression: expected an expression in CEL:"],
    [
      { expression: "rows + 1" },
      "rules.0.when.expression: expected an expression that gives true or false, got one that gives int",
    ],
    [{ expression: "rowz > 1" }, "rules.0.when.expression: expected an expression in CEL:"],
    [{ time: { zone: "Europe/Nowhere" } }, "rules.0.when.time.zone: expected a time zone such as Europe/Berlin"],
    [{ time: { from: "9:00" } }, "rules.0.when.time.from: expected a time of day such as 09:30"],
    [{}, "rules.0.when: expected at least one condition, got none"],
    [{ tennant: "a" }, 'rules.0.when.tennant: unknown key, did you mean "tenant"?'],
  ])("refuse %j", (when, message) => {
    expect(routeMistake(rule(when))).toContain(message);
  });

  it("keep their errors to one line", () => {
    expect(checkExpression("a.b(")?.split("\n").length).toBe(1);
  });
});
