// The control plane: clients' names become the backends' own, on every backend of a model, where the config allows it.

import { beforeEach, describe, expect, test } from "vitest";
import type { Backend, ControlPlane } from "../../../core/backend.ts";
import { InferError } from "../../../core/error.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import { openControl } from "../../../gateway/control.ts";
import type { LogicalModel } from "../../../gateway/model.ts";
import type { Plane } from "../../../gateway/plane.ts";

const signal = new AbortController().signal;
let asked: string[];
beforeEach(() => {
  asked = [];
});

function backend(name: string, control: ControlPlane | undefined = changing(name)): Backend {
  return { name, kind: "fake", control } as unknown as Backend;
}

function changing(name: string): ControlPlane {
  return {
    load: async (model, _signal, options) => void asked.push(`${name} loads ${model} ${options?.config ?? ""}`.trim()),
    unload: async (model) => void asked.push(`${name} unloads ${model}`),
    config: async ({ name: model, version }) => ({ name: model, max_batch_size: 8, input: [], asked: version }),
  };
}

const METADATA: ModelMetadata = {
  name: "m",
  version: "1",
  versions: ["1"],
  platform: "",
  stateful: true,
  decoupled: true,
  batchDim: 0,
  inputs: [{ name: "x", datatype: "BYTES", shape: [-1, 3] }],
  outputs: [],
};

/** A model of version 1 on these targets. */
function model(targets: readonly object[]): LogicalModel {
  const versions = {
    list: () => [{ version: "1", state: "ready" }],
    ready: () => ["1"],
    knows: () => true,
    targets: () => targets,
    closed: true,
  };
  return { name: "m", versions, signature: async () => METADATA } as unknown as LogicalModel;
}

function control(parts: {
  targets?: readonly object[];
  backends?: readonly Backend[];
  mayChange?: boolean;
  byCatalog?: boolean;
}) {
  const { targets = [], backends = [], mayChange = true, byCatalog = true } = parts;
  const found = model(targets);
  const plane = { models: () => ["m"], find: (name: string) => (name === "m" ? found : undefined) } as unknown as Plane;
  return openControl({ plane, backends, byCatalog, mayChange });
}

const [a, b] = [() => backend("a"), () => backend("b")];

describe("loading and unloading", () => {
  test("reach every backend of the model once, under its name there", async () => {
    const [first, second] = [a(), b()];
    const targets = [
      { at: first, model: "m-a" },
      { at: first, model: "m-a" },
      { at: second, model: "m-b" },
    ];
    const { load, unload } = control({ targets });
    await load("m", signal, { config: "{}", files: new Map() });
    await unload("m", signal);
    expect(asked).toEqual(["a loads m-a {}", "b loads m-b {}", "a unloads m-a", "b unloads m-b"]);
  });

  test("are refused before anything is done when one of the backends cannot", async () => {
    const targets = [
      { at: a(), model: "m" },
      { at: backend("c", {}), model: "m" },
    ];
    await expect(control({ targets }).unload("m", signal)).rejects.toThrow(
      `failed to unload 'm', backend "c" cannot unload models`,
    );
    expect(asked).toEqual([]);
  });

  test("of a model in no list go to the only backend that can, and to none where there are two", async () => {
    await control({ backends: [a(), backend("c", {})] }).load("new", signal);
    expect(asked).toEqual(["a loads new"]);
    await expect(control({ backends: [a(), b()] }).load("new", signal)).rejects.toMatchObject({ code: "not-found" });
    await expect(control({ backends: [a()], byCatalog: false }).load("new", signal)).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test("are not the clients' to do where the config does not say so", async () => {
    const { load } = control({ targets: [{ at: a(), model: "m" }], mayChange: false });
    await expect(load("m", signal)).rejects.toMatchObject({ code: "permission-denied" });
    expect(asked).toEqual([]);
  });
});

describe("a config", () => {
  test("is the backend's own, under the clients' name", async () => {
    const told = await control({ targets: [{ at: a(), model: "m-a", version: "7" }] }).config({ name: "m" }, signal);
    expect(told).toEqual({ name: "m", max_batch_size: 8, input: [], asked: "7" });
  });

  test.each([
    ["names are bridged on the way", () => ({ at: a(), model: "m", bridge: {} })],
    ["the backend has none", () => ({ at: backend("c", {}), model: "m" })],
    [
      "the backend's is of another kind",
      () => ({ at: backend("c", { config: async () => ({ workers: 1 }) }), model: "m" }),
    ],
    [
      "the backend cannot tell now",
      () => ({ at: backend("c", { config: () => Promise.reject(new InferError("unavailable", "gone")) }), model: "m" }),
    ],
  ])("is made from the signature where %s", async (_why, target) => {
    expect(await control({ targets: [target()] }).config({ name: "m" }, signal)).toMatchObject({
      name: "m",
      max_batch_size: 1024,
      input: [{ name: "x", data_type: "TYPE_STRING", dims: [3] }],
      sequence_batching: { direct: {} },
      model_transaction_policy: { decoupled: true },
    });
  });

  test("of a model that nobody knows is not found", async () => {
    await expect(control({}).config({ name: "n" }, signal)).rejects.toMatchObject({ code: "not-found" });
  });
});

test("the list has every version of every model by the clients' names", async () => {
  expect(await control({}).list(signal)).toEqual([{ name: "m", version: "1", state: "ready" }]);
});
