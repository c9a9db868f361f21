import { describe, expect, it } from "vitest";
import { configOf, mistakesIn } from "./kinds.ts";

const model = (route: string, more = "") => `backends: {local: {kind: onnx, repository: m}}
models:
  fraud:
    versions: {1: {backend: local}, 2: {backend: local}}
    labels: {stable: 1, next: 2}
    ${more}
    route:
${route}
`;

describe("the word route", () => {
  it("is read as a tree of routers over leaves", () => {
    const text = model("      canary: {stable: stable, candidate: 2, percent: 5, unit: {header: X-User-Id}}");
    expect(configOf(text).models?.[0]?.route).toMatchObject({
      kind: "router",
      word: "canary",
      options: {
        stable: { kind: "leaf", name: "stable" },
        candidate: { kind: "leaf", name: "2" },
        unit: { by: "header", name: "x-user-id" },
        without: "stable",
      },
    });
  });

  it("may be one leaf", () => {
    expect(configOf(model("      next")).models?.[0]?.route).toEqual({ kind: "leaf", name: "next" });
  });

  it.each([
    [
      "      weighted: [{to: stabel, weight: 1}]",
      'models.fraud.route.weighted[0].to: expected a label or version of the model (stable, next, 1, 2), got "stabel", did you mean "stable"? (f.yaml:8)',
    ],
    [
      "      rules:\n        - when: {tenant: a}\n          to: {fallback: [next, 3]}\n        - to: stable",
      'models.fraud.route.rules[0].to.fallback[1]: expected a label or version of the model (stable, next, 1, 2), got "3" (f.yaml:10)',
    ],
    [
      "      canary:\n        stable: stable\n        candidate: next\n        percent: 130\n        unit: tenant",
      "models.fraud.route.canary.percent: expected a number in [0, 100] with at most two decimals, got 130 (f.yaml:11)",
    ],
    [
      "      canary:\n        stable: stable\n        candidate: next\n        precent: 13\n        unit: tenant",
      'models.fraud.route.canary.precent: unknown key, did you mean "percent"? (f.yaml:11)',
    ],
    [
      "      shadow:\n        to: next\n        of: {weihgted: []}",
      'models.fraud.route.shadow.of.weihgted: unknown key, did you mean "weighted"? (f.yaml:10)',
    ],
  ])("names each mistake with its path and line: %s", (route, message) => {
    expect(mistakesIn(model(route))).toContain(message);
  });

  it("names all mistakes of a tree at once", () => {
    const route = "      weighted:\n        - {to: nowhere, weight: 1}\n        - {to: nobody, weight: 1}";
    expect(mistakesIn(model(route)).length).toBe(2);
  });

  it("knows only from the backend what a model without versions has", () => {
    const text = "backends: {local: {kind: onnx, repository: m}}\nmodels: {m: {backend: local, route: whatever}}";
    expect(mistakesIn(text)).toEqual([]);
  });

  it("holds fixed answers to a declared signature", () => {
    const signature =
      "signature: {inputs: [{name: x, datatype: FP32, shape: [-1]}], outputs: [{name: y, datatype: FP32, shape: [-1]}]}";
    const route = "      fallback: [next, {answer: {y: {datatype: FP64, shape: [-1], data: [0]}}}]";
    expect(mistakesIn(model(route, signature))).toEqual([
      "models.fraud.route.fallback[1].answer.y.datatype: expected FP32, as the model has it, got FP64 (f.yaml:8)",
    ]);
  });

  it("lets one experiment stand in several models with one split, and never with two", () => {
    const models = (percent: number) => `backends: {local: {kind: onnx, repository: m}}
models:
  a:
    backend: local
    route: {ab: {name: e, unit: tenant, variants: {control: {to: 1, percent: 50}, b: {to: 2, percent: 50}}}}
  b:
    backend: local
    route: {ab: {name: e, unit: tenant, variants: {control: {to: 3, percent: ${percent}}, b: {to: 4, percent: ${100 - percent}}}}}
`;
    expect(mistakesIn(models(50))).toEqual([]);
    expect(mistakesIn(models(60))).toEqual([
      'models.b.route.ab: expected another name, or the same split as the experiment "e" at models.a.route, got "e" with another split (f.yaml:8)',
    ]);
  });

  it("keeps labels and versions apart", () => {
    const text =
      "backends: {local: {kind: onnx, repository: m}}\nmodels: {m: {versions: {1: {backend: local}}, labels: {1: 1}}}";
    expect(mistakesIn(text)).toEqual([
      'models.m.labels.1: expected a label that is no version, got "1", which is both (f.yaml:2)',
    ]);
  });
});

describe("testers and exposures", () => {
  it("are read with their defaults", () => {
    const text = `backends: {local: {kind: onnx, repository: m}}
testers: {peers: [127.0.0.1, 10.0.0.0/8, "::1"], tenants: [qa]}
exposures: {to: {file: e.jsonl}}`;
    expect(configOf(text)).toMatchObject({
      testers: {
        peers: [
          { address: "127.0.0.1", prefix: 32, family: "ipv4" },
          { address: "10.0.0.0", prefix: 8, family: "ipv4" },
          { address: "::1", prefix: 128, family: "ipv6" },
        ],
        tenants: ["qa"],
      },
      exposures: { to: { file: "e.jsonl" }, everyMs: 1000, batch: 500, queue: 10_000 },
    });
  });

  it.each([
    [
      "testers: {peers: [10.0.0.0/64]}",
      "testers.peers[0]: expected an address or a network such as 127.0.0.1 or 10.0.0.0/8",
    ],
    ["testers: {peers: [localhost]}", "testers.peers[0]: expected an address or a network"],
    ["exposures: {to: nowhere}", "exposures.to: expected"],
    ["exposures: {to: {webhook: ftp://x}}", "exposures.to"],
  ])("are refused: %s", (words, message) => {
    expect(mistakesIn(`backends: {local: {kind: onnx, repository: m}}\n${words}`).join()).toContain(message);
  });
});
