import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import { BACKEND, configOf, kinds, load, mistakesIn, stub } from "./kinds.ts";

/** Where a model runs whose versions are those of the backend. */
const on = (backend: string, model: string) => ({ by: "backend", target: { backend, model, tags: [] } });

describe("a config that is right", () => {
  it("is complete where it says only where models run", () => {
    const config = configOf(BACKEND);
    expect(config).toEqual({
      listen: { http: { host: "127.0.0.1", port: 8000 }, admin: { host: "127.0.0.1", port: 8002 } },
      readiness: "gateway",
      cache: { maxBytes: 256 * 1024 * 1024 },
      drainDelayMs: undefined,
      drainLimitMs: 30_000,
      tenant: undefined,
      timeoutMs: 30_000,
      limits: {
        bodyBytes: 64 * 2 ** 20,
        messageBytes: 64 * 2 ** 20,
        inFlight: { fraction: 0.25 },
        memory: { fraction: 0.9 },
        lagMs: 500,
        headerBytes: 16 * 1024,
        urlBytes: 8 * 1024,
        inputs: 1024,
        nesting: 100,
        requestTimeoutMs: 30_000,
      },
      log: { level: "info" },
      debug: false,
      triton: { control: false, sharedMemory: false, contents: "raw" },
      zone: undefined,
      backends: [
        {
          name: "local",
          kind: stub,
          options: { repository: "m", workers: "auto" },
          policies: new Map(),
          source: { options: '{"repository":"m"}', policies: "[]" },
        },
      ],
      policies: new Map(),
      file: "f.yaml",
      baseDir: resolve("."),
    });
  });

  it("has every word that it says", () => {
    const config = configOf(`
listen: {http: "[::1]:9000", admin: "localhost:0"}
readiness: all
drainDelay: 0s
drainLimit: 1m
timeout: 500ms
tenant: {header: X-Tenant, trusted: true}
limits: {body: 1MiB, inFlight: 2MiB, memory: 1GiB, lag: 1s, connections: 9, headers: 32KiB, url: 4KB, inputs: 3, nesting: 7, requestTimeout: 1.5s}
log: {level: silent}
backends:
  a: {kind: onnx, repository: m, workers: 2}
models:
  one: {backend: a}
  two: {backend: a, model: other, timeout: 2s}
`);
    expect(config.listen).toEqual({ http: { host: "::1", port: 9000 }, admin: { host: "localhost", port: 0 } });
    expect([config.readiness, config.drainDelayMs, config.drainLimitMs, config.timeoutMs]).toEqual([
      "all",
      0,
      6e4,
      500,
    ]);
    expect(config.tenant).toEqual({ header: "x-tenant", trusted: true });
    expect(config.limits).toEqual({
      bodyBytes: 2 ** 20,
      messageBytes: 64 * 2 ** 20,
      inFlight: { bytes: 2 ** 21 },
      memory: { bytes: 2 ** 30 },
      lagMs: 1000,
      connections: 9,
      headerBytes: 32_768,
      urlBytes: 4000,
      inputs: 3,
      nesting: 7,
      requestTimeoutMs: 1500,
    });
    expect(config.log).toEqual({ level: "silent" });
    expect(config.models).toEqual([
      {
        name: "one",
        runs: on("a", "one"),
        labels: new Map(),
        signature: undefined,
        policies: new Map(),
        source: '{"backend":"a"}',
      },
      {
        name: "two",
        runs: on("a", "other"),
        labels: new Map(),
        signature: undefined,
        policies: new Map([["timeout", 2000]]),
        source: '{"backend":"a","model":"other","timeout":"2s"}',
      },
    ]);
  });

  it("is frozen all the way down, the kind of a backend excepted", () => {
    const config = configOf(`${BACKEND}models: {m: {backend: local}}`);
    const frozen = (value: object): boolean => Object.isFrozen(value);
    const parts = [config, config.listen, config.listen.http!, config.limits, config.limits.inFlight, config.log];
    const lists = [config.backends, config.backends[0]!, config.backends[0]!.options as object, config.models![0]!];
    expect([...parts, ...lists].map(frozen)).not.toContain(false);
    expect(frozen(stub)).toBe(false);
  });

  it("takes relative paths from the folder of its file", () => {
    const loaded = loadConfig({ text: BACKEND, file: "/etc/sluice/s.yaml", env: {} }, kinds);
    expect(loaded.ok && loaded.config.baseDir).toBe("/etc/sluice");
  });

  it("may use anchors and aliases", () => {
    const config = configOf("backends: {a: &x {kind: onnx, repository: m}, b: *x}");
    expect(config.backends.map(({ name, options }) => [name, options])).toEqual([
      ["a", { repository: "m", workers: "auto" }],
      ["b", { repository: "m", workers: "auto" }],
    ]);
  });

  it("warns of a backend that no model uses", () => {
    const loaded = load(
      "backends: {a: {kind: onnx, repository: m}, b: {kind: onnx, repository: m}}\nmodels: {m: {backend: a}}",
    );
    expect(loaded.ok && loaded.warnings).toEqual(["backends.b: no model uses it"]);
  });

  it("says nothing where there is nothing to say", () => {
    const loaded = load(BACKEND);
    expect(loaded.ok && loaded.warnings).toEqual([]);
  });
});

describe("a mistake", () => {
  it("is named with its path, line and column, and with what was expected and got", () => {
    const loaded = load(`${BACKEND}drainDelay: 5`);
    expect(loaded).toEqual({
      ok: false,
      mistakes: [
        {
          path: "drainDelay",
          line: 2,
          column: 13,
          message: "expected a duration with its unit (ms, s, m, h or d), such as 500ms or 5s, got 5",
        },
      ],
    });
  });

  it("is one of several, in the order of their lines", () => {
    const text = "models: {m: {backend: nowhere}}\nbackends: {local: {kind: onnx, repository: 5}}\nlog: {level: loud}";
    expect(mistakesIn(text)).toEqual([
      'models.m.backend: expected the name of a backend (local), got "nowhere" (f.yaml:1)',
      "backends.local.repository: expected text, got 5 (f.yaml:2)",
      'log.level: expected one of debug, info, warn, error, silent, got "loud" (f.yaml:3)',
    ]);
  });

  it.each([
    ["readines: any", 'readines: unknown key, did you mean "readiness"? (f.yaml:2)'],
    ["Readiness: any", 'Readiness: unknown key, did you mean "readiness"? (f.yaml:2)'],
    [
      "zzz: 1",
      "zzz: unknown key, expected one of listen, readiness, drainDelay, drainLimit, timeout, tenant, testers, exposures, admin, store, cache, limits, log, debug, triton, sagemaker, passthrough, zone, backends, models, limit (f.yaml:2)",
    ],
    ["limits: {bodyy: 1MiB}", 'limits.bodyy: unknown key, did you mean "body"? (f.yaml:2)'],
    ["models: {m: {backend: local, rout: 1}}", 'models.m.rout: unknown key, did you mean "route"? (f.yaml:2)'],
    ["__proto__: {}", "__proto__: this key cannot be used (f.yaml:2)"],
    ["log: {level: info}\nlog: {level: warn}", "log: expected each key once, got it twice (f.yaml:3)"],
    [
      "models: {1: {backend: local}, '1': {backend: local}}",
      "models.1: expected each key once, got it twice (f.yaml:2)",
    ],
    ["log:", "log: expected a map, got nothing (f.yaml:2)"],
    ["limits: [1]", "limits: expected a map, got a list (f.yaml:2)"],
    ["limits: {inputs: 1.5}", "limits.inputs: expected a whole number, got 1.5 (f.yaml:2)"],
    ["limits: {nesting: 2000}", "limits.nesting: expected a number of at most 1000, got 2000 (f.yaml:2)"],
    ["timeout: 0s", 'timeout: expected a duration above 0, got "0s" (f.yaml:2)'],
    ["timeout: 90d", 'timeout: expected a duration of at most 24.855d, got "90d" (f.yaml:2)'],
    [
      "limits: {body: 64}",
      "limits.body: expected a size with its unit (B, KB, MB, GB, KiB, MiB or GiB), such as 256MiB, got 64 (f.yaml:2)",
    ],
    ["limits: {inFlight: 120%}", 'limits.inFlight: expected a share above 0% and up to 100%, got "120%" (f.yaml:2)'],
    [
      "listen: {http: 8000}",
      "listen.http: expected host:port such as 127.0.0.1:8000 or [::1]:8000, got 8000 (f.yaml:2)",
    ],
    [
      "listen: {http: 'localhost:70000'}",
      'listen.http: expected host:port such as 127.0.0.1:8000 or [::1]:8000, got "localhost:70000" (f.yaml:2)',
    ],
    [
      "tenant: {header: 'a b', trusted: true}",
      'tenant.header: expected the name of a header such as x-tenant, got "a b" (f.yaml:2)',
    ],
    [
      "tenant: {header: x-tenant}",
      "tenant.trusted: expected true, as until there is authentication only a header that is declared trusted may name the tenant, got nothing (f.yaml:2)",
    ],
    ["models: {m: {model: x}}", "models.m.backend: expected the name of a backend, got nothing (f.yaml:2)"],
    ["models: {m: 5}", "models.m: expected a map, got 5 (f.yaml:2)"],
  ])("is said in plain words: %s", (words, message) => {
    expect(mistakesIn(BACKEND + words)).toEqual([message]);
  });

  it("is said once for a backend's own words, by its kind's schema", () => {
    const text = "backends:\n  b:\n    kind: onnx\n    repositry: m\n    workers: many\n    nested: {dept: 1}";
    expect(mistakesIn(text)).toEqual([
      "backends.b.repository: expected text, got nothing (f.yaml:2)",
      'backends.b.repositry: unknown key, did you mean "repository"? (f.yaml:4)',
      'backends.b.workers: expected "auto" or a number, got "many" (f.yaml:5)',
      "backends.b.nested.depth: expected a number, got nothing (f.yaml:6)",
      'backends.b.nested.dept: unknown key, did you mean "depth"? (f.yaml:6)',
    ]);
  });

  it.each([
    ["backends: {}", "backends: expected at least one backend, got none (f.yaml:1)"],
    ["log: {}", "backends: expected a map, got nothing (f.yaml:1)"],
    [
      "backends: {b: {repository: m}}",
      "backends.b.kind: expected a kind of backend such as onnx, got nothing (f.yaml:1)",
    ],
    [
      "backends: {b: {kind: onx}}",
      'backends.b.kind: expected a kind of backend (onnx), got "onx", did you mean "onnx"? (f.yaml:1)',
    ],
    [
      "backends: {b: {kind: toString}}",
      'backends.b.kind: expected a kind of backend (onnx), got "toString" (f.yaml:1)',
    ],
  ])("is said of a backend without a kind: %s", (text, message) => {
    expect(mistakesIn(text)).toEqual([message]);
  });

  it("points at the line of a key whose value is a map below it, and through an alias at the anchor's", () => {
    const text = "backends:\n  a: &x\n    kind: onnx\n    repository: m\n    extra: 1\n  b: *x";
    const loaded = load(text);
    expect(!loaded.ok && loaded.mistakes.map(({ path, line, column }) => [path, line, column])).toEqual([
      ["backends.a.extra", 5, 5],
      ["backends.b.extra", 5, 5],
    ]);
  });
});
