import { expect, test } from "vitest";
import { LINES, openRefusalLines } from "../../../gateway/refusal-lines.ts";
import { fakeEnv } from "../../support/fake-env.ts";

test("refusals have a hundred lines a second, and those beyond are told by one", () => {
  const env = fakeEnv();
  const lines = openRefusalLines(env);
  const admitted = (count: number) => Array.from({ length: count }, () => lines.admits("overloaded")).filter(Boolean);
  expect(admitted(350).length).toBe(LINES);
  env.clock.advance(600);
  expect(admitted(50).length).toBe(0);
  // what is no refusal has its line whatever happens
  expect([lines.admits("ok"), lines.admits("deadline-exceeded")]).toEqual([true, true]);
  expect(env.lines).toEqual([]);
  env.clock.advance(400);
  expect(env.lines).toEqual([
    { level: "warn", fields: { refusals: 300 }, message: "refusals of the last second that have no line of their own" },
  ]);
  expect(admitted(1).length).toBe(1);
  env.clock.advance(5000);
  expect([env.lines.length, env.clock.pending]).toEqual([1, 0]);
});

test("the hundred are those of both kinds of refusal together", () => {
  const lines = openRefusalLines(fakeEnv());
  for (let i = 0; i < 60; i += 1) lines.admits("overloaded");
  const quota = Array.from({ length: 60 }, () => lines.admits("quota-exceeded")).filter(Boolean);
  expect(quota.length).toBe(40);
});
