import { describe, expect, it } from "vitest";
import { branchWord } from "../../../config/route.ts";
import type { Backend } from "../../../core/backend.ts";
import { InferError } from "../../../core/error.ts";
import type { Signature } from "../../../core/model.ts";
import { differenceOf, openFitting } from "../../../gateway/signatures.ts";
import { openVersions } from "../../../gateway/versions.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { fakeClock } from "../../support/fake-env.ts";

const spec = (name: string, datatype: "FP32" | "FP64", ...shape: number[]) => ({ name, datatype, shape });
const SIGNATURE: Signature = { inputs: [spec("x", "FP32", -1, 30)], outputs: [spec("y", "FP32", -1, 1)] };
const never = new AbortController().signal;

describe("a difference of two signatures", () => {
  it.each<[Partial<Signature>, string | undefined]>([
    [{}, undefined],
    [{ inputs: [spec("x", "FP32", 8, 30)] }, undefined],
    [{ outputs: [spec("y", "FP32", -1, 1), spec("z", "FP32", 1)] }, undefined],
    [{ inputs: [spec("x", "FP32", -1, 30), { ...spec("k", "FP32", 1), optional: true }] }, undefined],
    [{ inputs: [spec("x", "FP64", -1, 30)] }, 'input "x": expected FP32 [-1,30], got FP64 [-1,30]'],
    [{ inputs: [spec("x", "FP32", -1, 31)] }, 'input "x": expected FP32 [-1,30], got FP32 [-1,31]'],
    [{ inputs: [spec("x", "FP32", 30)] }, 'input "x": expected FP32 [-1,30], got FP32 [30]'],
    [{ inputs: [spec("w", "FP32", -1, 30)] }, 'expected an input "x", got none'],
    [
      { inputs: [spec("x", "FP32", -1, 30), spec("k", "FP32", 1)] },
      'input "k": expected no such input (fixed: gives one that clients never send)',
    ],
    [{ outputs: [] }, 'expected an output "y", got none'],
    [{ outputs: [spec("y", "FP32", -1, 2)] }, 'output "y": expected FP32 [-1,1], got FP32 [-1,2]'],
  ])("%j: %s", (change, said) => {
    expect(differenceOf({ ...SIGNATURE, ...change }, SIGNATURE)).toBe(said);
  });
});

/** A backend whose model tells a signature that the test may change, or nothing. */
function telling(name: string, first: Signature | undefined) {
  const listeners = new Set<() => void>();
  const self = { signature: first };
  const backend = {
    name,
    catalog: {
      list: () => [{ name: "m", version: "1", state: "ready" }],
      ready: () => ["1"],
      label: () => undefined,
      onChange(listener: () => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    async metadata() {
      if (self.signature === undefined) throw new InferError("unavailable", "down");
      return { ...self.signature, name: "m", version: "1", versions: ["1"], platform: "", stateful: false };
    },
  } as unknown as Backend;
  const change = () => {
    for (const listener of listeners) listener();
  };
  return { backend, self, listeners, change };
}

function fittingOf(first: Signature | undefined, second: Signature | undefined, route?: unknown) {
  const [a, b] = [telling("a", first), telling("b", second)];
  const clock = fakeClock();
  const warned: string[] = [];
  const ref = (backend: string) => [{ backend, model: "m", version: "1", tags: [] }];
  const runs = {
    by: "versions",
    versions: new Map([
      ["1", ref("a")],
      ["2", ref("b")],
    ]),
  } as const;
  const backend = (name: string) => (name === "a" ? a.backend : b.backend);
  const setting = {
    name: "m",
    runs,
    labels: new Map(),
    source: "",
    signature: undefined,
    policies: new Map(),
    ...(route === undefined ? {} : { route: branchWord(policyKinds).parse(route) }),
  };
  const versions = openVersions({ runs, labels: new Map(), backend });
  const fitting = openFitting({ setting, versions, kinds: policyKinds, clock, warn: (text) => void warned.push(text) });
  return { fitting, a, b, clock, warned };
}

const other: Signature = { ...SIGNATURE, inputs: [spec("x", "FP64", -1, 30)] };
const MISFIT =
  'models.m: version 2 on backend "b": input "x": expected FP32 [-1,30], got FP64 [-1,30], as version 1 has it';

describe("the fit of a model's signature", () => {
  it("finds nothing wrong with versions that agree", async () => {
    const { fitting } = fittingOf(SIGNATURE, SIGNATURE);
    await fitting.check(never);
    expect(fitting.versions.ready()).toEqual(["1", "2"]);
  });

  it("refuses versions that differ, and names the difference", async () => {
    await expect(fittingOf(SIGNATURE, other).fitting.check(never)).rejects.toThrow(MISFIT);
  });

  it("waits for nobody who cannot tell, and keeps requests from a version that proves different later", async () => {
    const { fitting, b, clock, warned } = fittingOf(SIGNATURE, undefined);
    await fitting.check(never);
    expect(fitting.versions.ready()).toEqual(["1", "2"]);
    b.self.signature = other;
    b.change();
    b.change();
    clock.advance(1_000);
    for (let i = 0; i < 50; i += 1) await Promise.resolve();
    expect(fitting.versions.ready()).toEqual(["1"]);
    expect(fitting.versions.whyNot("2")).toBe(MISFIT);
    expect(warned).toEqual([MISFIT]);
    b.self.signature = SIGNATURE;
    b.change();
    clock.advance(1_000);
    for (let i = 0; i < 50; i += 1) await Promise.resolve();
    expect(fitting.versions.ready()).toEqual(["1", "2"]);
  });

  it("gives up on a server that does not answer when its caller does", async () => {
    const { fitting, b } = fittingOf(SIGNATURE, SIGNATURE);
    (b.backend as { metadata: unknown }).metadata = () => new Promise(() => {});
    const limit = new AbortController();
    const checked = fitting.check(limit.signal);
    limit.abort(new InferError("deadline-exceeded", "late"));
    await checked;
    expect(fitting.versions.ready()).toEqual(["1", "2"]);
  });

  it("holds a route's fixed answers to the signature", async () => {
    const answer = (datatype: string) => ({
      fallback: ["1", { answer: { y: { datatype, shape: [-1, 1], data: [0.5] } } }],
    });
    await fittingOf(SIGNATURE, SIGNATURE, answer("FP32")).fitting.check(never);
    await expect(fittingOf(SIGNATURE, SIGNATURE, answer("FP64")).fitting.check(never)).rejects.toThrow(
      "models.m.route.fallback[1].answer.y.datatype: expected FP32, as the model has it, got FP64",
    );
  });

  it("tells what differs by now without letting go of the version", async () => {
    const { fitting, b, warned } = fittingOf(SIGNATURE, SIGNATURE);
    await fitting.check(never);
    b.self.signature = other;
    expect(await fitting.compare(never)).toEqual([MISFIT]);
    expect(fitting.versions.ready()).toEqual(["1", "2"]);
    expect(warned).toEqual([]);
  });

  it("follows nothing any longer once it is closed", () => {
    const { fitting, a, b, clock } = fittingOf(SIGNATURE, SIGNATURE);
    b.change();
    fitting.close();
    expect([a.listeners.size, b.listeners.size, clock.pending]).toEqual([0, 0, 0]);
  });
});
