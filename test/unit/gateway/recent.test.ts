import { expect, test } from "vitest";
import type { Call } from "../../../core/call.ts";
import type { InferRequest } from "../../../core/request.ts";
import { openRecent } from "../../../gateway/recent.ts";
import { fakeClock } from "../../support/fake-env.ts";

const request = (name: string): InferRequest => ({
  model: { name, select: { by: "default" } },
  task: "infer",
  inputs: [{ name: "x", datatype: "FP32", shape: [1], data: new Uint8Array(4) }],
  parameters: new Map(),
  stream: false,
});

const call = (header = "v", purpose: Call["purpose"] = "user") =>
  ({
    protocol: "p",
    peer: "",
    headers: new Map([["h", header]]),
    query: new URLSearchParams(),
    purpose,
  }) as unknown as Call;

test("the last requests are kept, from old to new, without their tensors", () => {
  const clock = fakeClock();
  const recent = openRecent(clock, { requests: 3, bytes: 1_000_000, ageMs: 3000 });
  for (const name of ["a", "b", "c", "d"]) {
    recent.note(request(name), call());
    if (name === "c") clock.advance(1000);
  }
  expect(recent.list().map((one) => one.request.model.name)).toEqual(["b", "c", "d"]);
  expect(recent.list()[0]?.request.inputs[0]).toEqual({
    name: "x",
    datatype: "FP32",
    shape: [1],
    data: new Uint8Array(0),
  });
});

test("a full memory keeps one request of each span, so that under load it still covers all of its time", () => {
  const clock = fakeClock();
  const recent = openRecent(clock, { requests: 10, bytes: 1_000_000, ageMs: 1000 });
  // one a millisecond for three times the memory's time
  for (let i = 0; i < 3000; i += 1) {
    recent.note(request(`${i}`), call());
    clock.advance(1);
  }
  const kept = recent.list().map((one) => Number(one.request.model.name));
  expect(kept).toEqual(Array.from({ length: 10 }, (_, i) => (kept[0] ?? 0) + 100 * i));
  expect(kept.at(-1)).toBeGreaterThanOrEqual(2900);
});

test("the oldest go when what is kept has too many bytes, and one that is too large is not kept", () => {
  const recent = openRecent(fakeClock(), { requests: 100, bytes: 64_000, ageMs: 1000 });
  for (let i = 0; i < 100; i += 1) recent.note(request(`${i}`), call("v".repeat(300)));
  const kept = recent.list();
  // each takes 2 * 64 + 2 + 8 for itself and its input, and 64 + 2 * 301 for its header
  expect(kept).toHaveLength(Math.floor(64_000 / (2 * 64 + 2 + 8 + 64 + 2 * 301)));
  expect(kept.at(-1)?.request.model.name).toBe("99");
  recent.note(request("large"), call("v".repeat(1000)));
  expect(recent.list().at(-1)?.request.model.name).toBe("99");
});

test("credentials are not kept", () => {
  const recent = openRecent(fakeClock());
  const headers = new Map([
    ["authorization", "Bearer secret"],
    ["x-user-id", "42"],
  ]);
  recent.note(request("a"), { ...call(), headers });
  expect([...(recent.list()[0]?.call.headers ?? [])]).toEqual([["x-user-id", "42"]]);
});

test("what is old is not told, and shadows, probes and requests that name a version are not kept", () => {
  const clock = fakeClock();
  const recent = openRecent(clock, { requests: 3, bytes: 1_000_000, ageMs: 1000 });
  recent.note(request("a"), call());
  clock.advance(1001);
  recent.note(request("b"), call("v", "shadow"));
  recent.note({ ...request("c"), model: { name: "c", select: { by: "version", version: "1" } } }, call());
  expect(recent.list()).toEqual([]);
});
