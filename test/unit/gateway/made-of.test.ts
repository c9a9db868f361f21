// What a version is made of: every word of the config between it and its models, what the backends tell, and when that is another thing.

import { describe, expect, it } from "vitest";
import type { Backend } from "../../../core/backend.ts";
import type { Bridge } from "../../../core/bridge.ts";
import type { Identity } from "../../../core/model.ts";
import { NO_PARAMETERS } from "../../../core/tensor.ts";
import { openIdentity } from "../../../gateway/made-of.ts";
import type { Target } from "../../../gateway/versions.ts";

/** A backend that tells what the test says, if anything, and where a label points. */
function played(init: { told?: Identity | undefined; labels?: Record<string, string>; kind?: string } = {}) {
  const state = { told: init.told, labels: init.labels ?? {} };
  const at = {
    name: "there",
    kind: init.kind ?? "triton",
    catalog: { label: (_model: string, label: string) => state.labels[label] },
    identity: () => state.told,
  } as unknown as Backend;
  return { at, state };
}

const FILES: Identity = { id: "sha256 of files", portable: true };
const EPOCH: Identity = { id: "epoch 1", portable: false };
const fixed = (value: number) => ({
  name: "mode",
  datatype: "INT32" as const,
  shape: [1],
  parameters: NO_PARAMETERS,
  data: new Uint8Array(Int32Array.of(value).buffer),
});
const bridge = (init: Partial<Bridge> = {}): Bridge => ({ inputs: new Map(), outputs: new Map(), fixed: [], ...init });
const target = (init: Partial<Target> = {}): Target => ({
  backend: "there",
  model: "m",
  tags: [],
  at: played({ told: FILES }).at,
  ...init,
});
const idOf = (...targets: readonly Target[]) => openIdentity(targets)()?.id;

describe("a version is another one", () => {
  const output = (name: string) => ({ outputs: new Map([["y", { name }]]) });
  const others: readonly (readonly [string, readonly Target[]])[] = [
    ["backend", [target({ backend: "elsewhere" })]],
    ["kind of backend", [target({ at: played({ told: FILES, kind: "oip" }).at })]],
    ["model there", [target({ model: "n" })]],
    ["version there", [target({ version: "2" })]],
    ["label there", [target({ label: "stable" })]],
    ["tags of endpoints", [target({ tags: ["gpu"] })]],
    ["second target", [target(), target({ backend: "elsewhere" })]],
    ["bridge", [target({ bridge: bridge() })]],
    ["input under another name", [target({ bridge: bridge({ inputs: new Map([["x", { name: "a" }]]) }) })]],
    [
      "cast of an input",
      [target({ bridge: bridge({ inputs: new Map([["x", { name: "a", datatype: "FP64", there: "FP32" }]]) }) })],
    ],
    ["batch dimension", [target({ bridge: bridge({ inputs: new Map([["x", { name: "a", batch: "add" }]]) }) })]],
    ["chosen output", [target({ bridge: bridge(output("a")) })]],
    ["other chosen output", [target({ bridge: bridge(output("b")) })]],
    ["fixed input", [target({ bridge: bridge({ fixed: [fixed(1)] }) })]],
    ["value of a fixed input", [target({ bridge: bridge({ fixed: [fixed(2)] }) })]],
    ["content", [target({ at: played({ told: { id: "other files", portable: true } }).at })]],
  ];

  it.each(others)("with another %s", (_what, targets) => {
    expect(idOf(...targets)).not.toBe(idOf(target()));
  });

  it("in each of these ways: no two of them are the same", () => {
    expect(new Set(others.map(([, targets]) => idOf(...targets))).size).toBe(others.length);
  });

  it("once the label behind which it stands has moved there, though nothing was loaded", () => {
    const { at, state } = played({ told: EPOCH, labels: { stable: "1" } });
    const identity = openIdentity([target({ at, label: "stable" })]);
    const before = identity();
    expect(identity()).toBe(before);
    state.labels = { stable: "2" };
    expect(identity()).not.toBe(before);
    expect(identity()?.id).not.toBe(before?.id);
  });

  it("as an object once anything was loaded, also what has the same content again", () => {
    const { at, state } = played({ told: FILES });
    const identity = openIdentity([target({ at })]);
    const before = identity();
    state.told = { ...FILES };
    expect(identity()).not.toBe(before);
    expect(identity()?.id).toBe(before?.id);
  });
});

describe("the artifact that the config names", () => {
  it("stands for a server that cannot tell, and means the same everywhere", () => {
    const named = (artifact: string, told: Identity | undefined) =>
      openIdentity([target({ artifact, at: played({ told }).at })])();
    expect(named("v1", EPOCH)).toEqual(named("v1", { id: "epoch 7", portable: false }));
    expect(named("v1", undefined)?.portable).toBe(true);
    expect(named("v1", EPOCH)?.id).not.toBe(named("v2", EPOCH)?.id);
  });

  it("does not hide that the files of a local model are others", () => {
    const { at, state } = played({ told: FILES });
    const identity = openIdentity([target({ at, artifact: "v1" })]);
    const before = identity()?.id;
    state.told = { id: "overwritten", portable: true };
    expect(identity()?.id).not.toBe(before);
  });
});

describe("several targets", () => {
  it("are known when all of them are, and mean the same everywhere when all of them do", () => {
    const [one, other] = [played({ told: FILES }), played()];
    const identity = openIdentity([target({ at: one.at }), target({ at: other.at })]);
    expect(identity()).toBeUndefined();
    other.state.told = EPOCH;
    expect(identity()?.portable).toBe(false);
    other.state.told = FILES;
    expect(identity()?.portable).toBe(true);
  });
});
