import { describe, expect, it } from "vitest";
import { BACKEND, configOf, mistakesIn } from "./kinds.ts";

const MODELS = "models: {m: {backend: local, endpoint: m-prod}, n: {backend: local}}\n";

describe("the words for SageMaker's clients and for passthrough", () => {
  it("are read with their defaults", () => {
    const config = configOf(
      `${BACKEND}${MODELS}
sagemaker: {region: eu-central-1, keys: [{accessKeyId: AKID, secretAccessKey: "\${SECRET}"}], invocations: m}
passthrough:
  /board: {to: "http://127.0.0.1:6006/base"}
  /a/b: {backend: local, port: 8002, path: /metrics, websocket: false, request: {forward: [Cookie]}}
`,
      { SECRET: "s" },
    );
    expect(config.sagemaker).toEqual({
      region: "eu-central-1",
      keys: [{ accessKeyId: "AKID", secretAccessKey: "s" }],
      invocations: "m",
    });
    expect(config.models?.map(({ name, endpoint }) => [name, endpoint])).toEqual([
      ["m", "m-prod"],
      ["n", undefined],
    ]);
    const usual = { request: { forward: [], set: {} }, response: { forward: [], remove: [] } };
    expect(Object.fromEntries(config.passthrough ?? [])).toEqual({
      "/board": { to: "http://127.0.0.1:6006/base", path: "/", websocket: true, ...usual },
      "/a/b": {
        backend: "local",
        port: 8002,
        path: "/metrics",
        websocket: false,
        request: { forward: ["cookie"], set: {} },
        response: usual.response,
      },
    });
  });

  it.each([
    [
      "models: {m: {backend: local, endpoint: a}, n: {backend: local, endpoint: a}}",
      'models.n.endpoint: expected a name of its own, got "a", which the model "m" has (f.yaml:2)',
    ],
    [
      "models: {m: {backend: local, endpoint: add_sub}}",
      'models.m.endpoint: expected letters, digits and hyphens, at most 63, got "add_sub" (f.yaml:2)',
    ],
    [`${MODELS}sagemaker: {invocations: mm}`, 'sagemaker.invocations: expected a model (m, n), got "mm" (f.yaml:3)'],
    ["sagemaker: {region: here}", 'sagemaker.region: expected a region such as eu-central-1, got "here" (f.yaml:2)'],
    [
      "passthrough: {/x: {backend: locl}}",
      'passthrough["/x"].backend: expected a backend (local), got "locl", did you mean "local"? (f.yaml:2)',
    ],
    ["passthrough: {/x: {}}", 'passthrough["/x"]: expected either to: URL or backend: NAME (f.yaml:2)'],
    [
      "passthrough: {/x: {to: 'http://h/', backend: local}}",
      'passthrough["/x"]: expected either to: URL or backend: NAME (f.yaml:2)',
    ],
    [
      "passthrough: {/x: {to: 'http://h/', port: 1}}",
      'passthrough["/x"].port: expected the port in the URL (f.yaml:2)',
    ],
    [
      "passthrough: {/x: {to: 'ftp://h/'}}",
      'passthrough["/x"].to: expected a URL such as http://127.0.0.1:6006 (f.yaml:2)',
    ],
  ])("%s is said in plain words", (words, message) => {
    expect(mistakesIn(BACKEND + words)).toEqual([message]);
  });

  it("take no prefix that is none", () => {
    for (const prefix of ["x", "/", "/x/", "/x y", "/x/:y", "/x/*"]) {
      expect([prefix, mistakesIn(`${BACKEND}passthrough: {"${prefix}": {to: "http://h/"}}`).length]).toEqual([
        prefix,
        1,
      ]);
    }
  });
});
