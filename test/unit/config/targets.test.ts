import { describe, expect, it } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../../config/load.ts";
import type { BalanceKind } from "../../../core/policy.ts";
import { BACKEND, configOf, kinds, mistakesIn } from "./kinds.ts";

const VERSIONS = `
models:
  fraud:
    signature:
      inputs: [{name: x, datatype: FP32, shape: [-1, 30]}, {name: t, datatype: FP32, shape: [], optional: true}]
      outputs: [{name: score, datatype: FP32, shape: [-1, 1]}]
      batchDim: 0
    versions:
      1: {backend: local, model: fraud_tf, version: 12, tags: [a100]}
      2:
        backend: local
        inputs: {x: INPUT__0, t: {datatype: FP32, there: FP64, batch: drop}}
        outputs: {score: {name: OUTPUT__0, batch: add}}
        fixed: {k: {datatype: INT64, shape: [1, 2], data: [[3, "9223372036854775807"]]}}
      3: {targets: [{backend: local, model: a, label: stable}, {backend: local, model: b}]}
    labels: {stable: 1, next: "3"}
`;

describe("the versions of a model", () => {
  it("are read with their targets, bridges and labels, and the declared signature", () => {
    const [model] = configOf(BACKEND + VERSIONS).models!;
    expect(model!.labels).toEqual(
      new Map([
        ["stable", "1"],
        ["next", "3"],
      ]),
    );
    expect(model!.signature).toEqual({
      inputs: [
        { name: "x", datatype: "FP32", shape: [-1, 30] },
        { name: "t", datatype: "FP32", shape: [], optional: true },
      ],
      outputs: [{ name: "score", datatype: "FP32", shape: [-1, 1] }],
      batchDim: 0,
    });
    const { runs } = model!;
    if (runs.by !== "versions") throw new Error("expected versions");
    expect([...runs.versions.keys()]).toEqual(["1", "2", "3"]);
    expect(runs.versions.get("1")).toEqual([{ backend: "local", model: "fraud_tf", version: "12", tags: ["a100"] }]);
    expect(runs.versions.get("3")).toEqual([
      { backend: "local", model: "a", label: "stable", tags: [] },
      { backend: "local", model: "b", tags: [] },
    ]);
    const bridge = runs.versions.get("2")![0]!.bridge!;
    expect([...bridge.inputs]).toEqual([
      ["x", { name: "INPUT__0" }],
      ["t", { name: "t", datatype: "FP32", there: "FP64", batch: "drop" }],
    ]);
    expect([...bridge.outputs]).toEqual([["score", { name: "OUTPUT__0", batch: "add" }]]);
    expect(bridge.fixed.map(({ name, datatype, shape, data }) => [name, datatype, shape, [...data]])).toEqual([
      ["k", "INT64", [1, 2], [3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127]],
    ]);
  });

  it("may be the backend's own, of another name, under a bridge, or one of them only", () => {
    const [model] = configOf(`${BACKEND}models: {m: {backend: local, model: there, version: 2, inputs: {a: b}}}`)
      .models!;
    expect(model!.runs).toEqual({
      by: "backend",
      target: {
        backend: "local",
        model: "there",
        version: "2",
        tags: [],
        bridge: { inputs: new Map([["a", { name: "b" }]]), outputs: new Map(), fixed: [] },
      },
    });
  });

  const model = (words: string) => `${BACKEND}models: {m: ${words}}`;
  it.each([
    ["{}", "models.m.backend: expected the name of a backend, got nothing"],
    ["{versions: {}}", "models.m.versions: expected at least one version, got none"],
    [
      "{backend: local, versions: {1: {backend: local}}}",
      "models.m.backend: expected backend inside a version, got it beside versions",
    ],
    [
      "{versions: {1: {backend: lokal}}}",
      'models.m.versions.1.backend: expected the name of a backend (local), got "lokal", did you mean "local"?',
    ],
    [
      "{versions: {1: {targets: [{backend: local}, {backend: x}]}}}",
      'models.m.versions.1.targets[1].backend: expected the name of a backend (local), got "x"',
    ],
    [
      "{versions: {1: {backend: local}}, labels: {stable: 2}}",
      'models.m.labels.stable: expected one of the model\'s versions (1), got "2"',
    ],
    ["{backend: local, version: 1, label: stable}", "models.m.label: expected a version or a label, got both"],
    ["{backend: local, inputs: {a: x, b: x}}", 'models.m.inputs: expected each name there once, got "x" twice'],
    [
      "{backend: local, inputs: {a: {datatype: FP32}}}",
      "models.m.inputs.a: expected datatype (what clients send) and there (what the backend takes), got datatype without there",
    ],
    [
      "{backend: local, outputs: {a: {datatype: BYTES}}}",
      "models.m.outputs.a: expected a cast between numbers, got one of BYTES",
    ],
    [
      "{backend: local, fixed: {k: {datatype: INT8, shape: [2], data: [1]}}}",
      "models.m.fixed.k.data: expected 2 values for shape [2], got 1",
    ],
    [
      "{backend: local, fixed: {k: {datatype: UINT8, shape: [], data: 256}}}",
      "models.m.fixed.k.data: expected a number in [0, 255], got 256",
    ],
    [
      "{backend: local, fixed: {k: {datatype: INT64, shape: [], data: 9223372036854775807}}}",
      "models.m.fixed.k.data: expected a whole number, and beyond 2^53 one in quotes, got 9223372036854776000",
    ],
    [
      "{backend: local, fixed: {k: {datatype: BYTES, shape: [], data: 5}}}",
      "models.m.fixed.k.data: expected text, got 5",
    ],
  ])("are refused with the place and what was expected: %s", (words, message) => {
    expect(mistakesIn(model(words))).toEqual([`${message} (f.yaml:2)`]);
  });

  it("count as users of their backends", () => {
    const text =
      "backends: {a: {kind: onnx, repository: m}, b: {kind: onnx, repository: m}}\nmodels: {m: {versions: {1: {backend: a}}}}";
    const loaded = loadConfig({ text, file: "f.yaml", env: {} }, kinds);
    expect(loaded.ok && loaded.warnings).toEqual(["backends.b: no model uses it"]);
  });
});

describe("fixed values", () => {
  const bytesOf = (datatype: string, data: string) => {
    const text = `${BACKEND}models: {m: {backend: local, fixed: {k: {datatype: ${datatype}, shape: [1], data: ${data}}}}}`;
    const { runs } = configOf(text).models![0]!;
    return runs.by === "backend" ? Buffer.from(runs.target.bridge!.fixed[0]!.data).toString("hex") : "";
  };

  it.each([
    ["BOOL", "true", "01"],
    ["UINT16", "258", "0201"],
    ["INT8", "-1", "ff"],
    ["INT32", "-2", "feffffff"],
    ["UINT64", '"18446744073709551615"', "ffffffffffffffff"],
    ["FP16", "1.5", "003e"],
    // the upper half of the FP32 1.00390625 is a tie and goes to the even one
    ["BF16", "1.00390625", "803f"],
    ["BF16", "1.01171875", "823f"],
    ["FP32", "0.5", "0000003f"],
    ["FP64", "-2", "00000000000000c0"],
    ["BYTES", "é", "02000000c3a9"],
  ])("of %s are written as its canonical bytes: %s", (datatype, data, hex) => {
    expect(bytesOf(datatype, data)).toBe(hex);
  });
});

describe("a policy's word that may stand under a backend", () => {
  const balance: BalanceKind<string> = {
    place: "balance",
    word: "balance",
    underBackend: true,
    fallback: "least-time",
    options: z.enum(["least-time", "round-robin"]),
    build: () => () => () => Promise.reject(new Error("not built")),
  };
  const withBalance = { ...kinds, policies: [balance] };
  const load = (text: string) => loadConfig({ text, file: "f.yaml", env: {} }, withBalance);

  it("is read there by its own schema and kept from the kind's", () => {
    const loaded = load("backends: {b: {kind: onnx, repository: m, balance: round-robin}}");
    expect(loaded.ok && loaded.config.backends[0]!.policies).toEqual(new Map([["balance", "round-robin"]]));
    expect(loaded.ok && loaded.config.backends[0]!.options).not.toHaveProperty("balance");
  });

  it("is checked there, and guessed at when misspelt", () => {
    const wrong = load("backends: {b: {kind: onnx, repository: m, balance: least}}");
    expect(wrong.ok ? [] : wrong.mistakes.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'backends.b.balance: expected one of least-time, round-robin, got "least", did you mean "least-time"?',
    ]);
    const misspelt = load("backends: {b: {kind: onnx, repository: m, balanc: least-time}}");
    expect(misspelt.ok ? [] : misspelt.mistakes.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'backends.b.balanc: unknown key, did you mean "balance"?',
    ]);
  });
});
