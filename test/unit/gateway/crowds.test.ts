import { expect, test } from "vitest";
import { onnx } from "../../../backends/onnx/onnx.ts";
import { loadConfig } from "../../../config/load.ts";
import { InferError } from "../../../core/error.ts";
import type { Kind } from "../../../core/protocol.ts";
import { goOneWay, openCrowds } from "../../../gateway/crowds.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { fakeEnv } from "../../support/fake-env.ts";

const KIND: Kind = { model: "m", version: "", tenant: "" };
const full = new InferError("overloaded", "full", { crowded: true, retryAfterMs: 700 });
const late = new InferError("overloaded", "too late");

function bench(follows: (model: string) => boolean = () => true) {
  const env = fakeEnv();
  const crowds = openCrowds(env, follows);
  /** Asks so often a second for a second; of those that are read so many are let in and the others refused. */
  const second = (perSecond: number, room: number, kind = KIND) => {
    const seen = { letIn: 0, refused: 0, unread: 0 };
    for (let i = 0; i < perSecond; i += 1) {
      env.clock.advance(1000 / perSecond);
      if (crowds.any && crowds.refusal(kind) !== undefined) seen.unread += 1;
      else if (seen.letIn < ((i + 1) * room) / perSecond) {
        seen.letIn += 1;
        crowds.ended(kind, undefined);
      } else {
        seen.refused += 1;
        crowds.ended(kind, full);
      }
    }
    return seen;
  };
  return { env, crowds, second };
}

test("at ten times the room about three are read for each two that are let in, and the room stays in use", () => {
  const { second } = bench();
  second(8000, 800);
  second(8000, 800);
  const { letIn, refused, unread } = second(8000, 800);
  expect(letIn).toBeGreaterThan(790);
  expect(letIn + refused).toBeGreaterThan(1100);
  expect(letIn + refused).toBeLessThan(1400);
  expect(unread).toBeGreaterThan(6600);
});

test("at one and a half times the room and below all are read", () => {
  const { second } = bench();
  // the beginning may see a few more refusals than answers
  second(1150, 800);
  expect(second(1150, 800).unread).toBe(0);
  expect(second(700, 800)).toEqual({ letIn: 700, refused: 0, unread: 0 });
});

test("few refusals are told one by one, however many of how few they are", () => {
  const { second } = bench();
  for (let i = 0; i < 5; i += 1) expect(second(40, 0).unread).toBe(0);
});

test("room that comes back is used again within seconds, and then nothing is remembered", () => {
  const { second, crowds, env } = bench();
  for (let i = 0; i < 3; i += 1) second(8000, 0);
  // a tenth is read though none was let in
  expect(second(8000, 0).refused).toBeGreaterThan(700);
  for (let i = 0; i < 7; i += 1) second(8000, 8000);
  expect(second(8000, 8000)).toEqual({ letIn: 8000, refused: 0, unread: 0 });
  env.clock.advance(2000);
  crowds.ended(KIND, undefined);
  expect(crowds.any).toBe(false);
});

test("another model, version or tenant is another kind", () => {
  const { second } = bench();
  for (let i = 0; i < 3; i += 1) second(8000, 0);
  for (const other of [{ model: "n" }, { version: "2" }, { tenant: "t" }]) {
    expect(second(500, 500, { ...KIND, ...other }).unread).toBe(0);
  }
});

test("who left or was not answered in time was not let in", () => {
  const { second, crowds } = bench();
  second(1000, 0);
  for (const code of ["cancelled", "deadline-exceeded"] as const) {
    for (let i = 0; i < 1000; i += 1) crowds.ended(KIND, new InferError(code, code));
  }
  expect(second(1000, 0).unread).toBeGreaterThan(850);
});

test("what would be late by its own deadline is no sign of a crowd, and models of several ways are not followed", () => {
  const { crowds } = bench();
  for (let i = 0; i < 500; i += 1) crowds.ended(KIND, late);
  expect(crowds.any).toBe(false);
  const several = bench((model) => model !== "m");
  expect(several.second(8000, 100).unread).toBe(0);
});

test("requests go one way where neither versions of their own, nor a route, nor a cache say another", () => {
  const text = `
backends: {b: {kind: onnx, repository: .}}
models:
  plain: {backend: b, limit: {concurrency: 1}}
  routed: {backend: b, route: {canary: {stable: "1", candidate: "2", percent: 5, unit: peer}}}
  versions: {versions: {1: {backend: b}}}
  cached: {backend: b, cache: {ttl: 1m}}
`;
  const kinds = { backends: [onnx], policies: policyKinds };
  const loaded = loadConfig({ text, file: "/config.yaml", env: {} }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  const names = ["plain", "routed", "versions", "cached"];
  expect(names.filter(goOneWay(loaded.config))).toEqual(["plain"]);
});

test("who is refused unread is told so, when to come again, and is counted", () => {
  const { second, crowds, env } = bench();
  second(2000, 0);
  let fault: InferError | undefined;
  while (fault === undefined) fault = crowds.refusal(KIND);
  expect(fault).toMatchObject({
    code: "overloaded",
    retryAfterMs: 700,
    message: 'model "m" has more work than it can do: most of what is asked is refused, and this was not read',
  });
  expect(env.events.at(-1)).toEqual({ type: "shed", of: { at: "model", model: "m" }, reason: "unread" });
});
