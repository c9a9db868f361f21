import { describe, expect, test } from "vitest";
import { z } from "zod";
import { formatServerAddress, parseServerAddress, urlOf } from "../../../../backends/external/addresses.ts";
import { externalKind } from "../../../../backends/external.ts";
import { loadConfig } from "../../../../config/load.ts";
import { formatMistake } from "../../../../config/mistakes.ts";
import type { BackendKind } from "../../../../core/backend.ts";
import { policyKinds } from "../../../../policies/registry.ts";

const kind: BackendKind = externalKind({
  kind: "fake",
  words: { protocol: z.enum(["http", "grpc"]).default("http") },
  modelWords: { path: z.string().optional() },
  connect: () => {
    throw new Error("not in this test");
  },
});

function load(words: string) {
  const text = `backends: {gpu: {kind: fake, ${words}}}`;
  return loadConfig({ text, file: "f.yaml", env: {} }, { backends: [kind], policies: policyKinds });
}

function mistakesIn(words: string): readonly string[] {
  const loaded = load(words);
  return loaded.ok ? [] : loaded.mistakes.map((mistake) => formatMistake(mistake, "f.yaml").replace(/ \(f.yaml.*/, ""));
}

function optionsOf(words: string): unknown {
  const loaded = load(words);
  if (!loaded.ok) throw new Error(mistakesIn(words).join("\n"));
  return loaded.config.backends[0]?.options;
}

describe("an address", () => {
  test.each([
    ["triton-0:8001", "triton-0:8001", "http://triton-0:8001/", "https://triton-0:8001/"],
    ["127.0.0.1:80", "127.0.0.1:80", "http://127.0.0.1/", "https://127.0.0.1:80/"],
    ["[::1]:8000", "[::1]:8000", "http://[::1]:8000/", "https://[::1]:8000/"],
    ["http://a", "a:80", "http://a/", "http://a/"],
    ["HTTPS://a.b.", "a.b.:443", "https://a.b./", "https://a.b./"],
    [
      "http://my_model:8080/serve/v1/",
      "my_model:8080/serve/v1",
      "http://my_model:8080/serve/v1",
      "http://my_model:8080/serve/v1",
    ],
  ])("%s", (text, written, plain, withTls) => {
    const address = parseServerAddress(text);
    if (address === undefined) throw new Error("no address");
    expect(formatServerAddress(address)).toBe(written);
    expect(urlOf(address, { tls: false }).href).toBe(plain);
    expect(urlOf(address, { tls: true }).href).toBe(withTls);
  });

  test.each([
    "a",
    "a:",
    "a:0",
    "a:65536",
    ":80",
    "a:80/x",
    "http://a?q=1",
    "http://a/#f",
    "ftp://a",
    "[a]:1",
    "::1:80",
    "a b:1",
    "-a:1",
  ])("%j is none", (text) => expect(parseServerAddress(text)).toBeUndefined());
});

describe("the words of an external server", () => {
  test("one line is enough, and the rest has its usual value", () => {
    expect(optionsOf("endpoints: ['a:1']")).toEqual({
      protocol: "http",
      endpoints: [
        {
          address: { scheme: undefined, host: "a", port: 1, prefix: "" },
          weight: 1,
          tier: 0,
          tags: [],
          zone: undefined,
        },
      ],
      health: { every: 5000, timeout: 1000, healthyAfter: 2, unhealthyAfter: 3 },
      timeouts: { connect: 2000, headers: 300_000, body: 60_000 },
      limits: { answer: 67_108_864, inFlight: 256 },
      headers: { send: {}, pass: [], back: [] },
      models: {},
    });
  });

  test("all of them together are right", () => {
    const words = `endpoints: {dns: "triton.svc:8001", every: 30s}, health: {every: 1s, timeout: 200ms, healthyAfter: 1, unhealthyAfter: 1},
      tls: {ca: ca.pem, cert: c.pem, key: k.pem, serverName: triton}, timeouts: {connect: 1s, headers: 2s, body: 3s},
      limits: {answer: 1MiB, inFlight: 8}, headers: {send: {Authorization: Bearer x}, pass: [X-User-Id], back: [X-Model]},
      models: {m: {path: /m, batchDim: false, signature: {inputs: [{name: x, datatype: FP32, shape: [-1]}], outputs: []}}}`;
    expect(optionsOf(words)).toMatchObject({
      headers: { send: { authorization: "Bearer x" }, pass: ["x-user-id"], back: ["x-model"] },
      models: { m: { path: "/m", batchDim: false, signature: { inputs: [{ name: "x" }] } } },
    });
  });

  test.each([
    [
      "protocol: http",
      "backends.gpu.endpoints: expected a list of endpoints, {dns: ...}, {srv: ...} or {file: ...}, got nothing",
    ],
    [
      "endpoints: []",
      "backends.gpu.endpoints: expected a list of endpoints, {dns: ...}, {srv: ...} or {file: ...}, got an empty list",
    ],
    [
      "endpoints: ['http://u:p@a']",
      'backends.gpu.endpoints: expected an address without a user name: credentials stand in headers.send, got "http://u:p@a" at [0]',
    ],
    [
      "endpoints: ['a:1', {address: 'b:1', weigth: 1}]",
      'backends.gpu.endpoints[1].weigth: unknown key, did you mean "weight"?',
    ],
    ["endpoints: ['a:1', 'b:1', 'a:1']", "backends.gpu.endpoints[2]: expected each address once, got a:1 twice"],
    ["endpoints: {dns: nonsense}", "backends.gpu.endpoints: expected host:port such as triton-0:8001, or a URL"],
    ["endpoints: {dns: 'a:1', evry: 1s}", 'backends.gpu.endpoints.evry: unknown key, did you mean "every"?'],

    ["endpoints: ['a:1'], tls: {cert: c.pem}", "backends.gpu.tls: expected cert and key together"],
    [
      "endpoints: ['a:1'], headers: {send: {Host: x}}",
      "backends.gpu.headers.send.Host: expected a header that does not belong to the connection or the body",
    ],
    [
      "endpoints: ['a:1'], headers: {pass: [content-type]}",
      "backends.gpu.headers.pass[0]: expected a header that does not belong to the connection or the body",
    ],
    [
      "endpoints: ['a:1'], headers: {send: {x: \"a\\nb\"}}",
      "backends.gpu.headers.send.x: expected text without control characters",
    ],
    [
      "endpoints: ['a:1'], limits: {inFlight: 0}",
      "backends.gpu.limits.inFlight: expected a number of at least 1, got 0",
    ],
    ["endpoints: ['a:1'], health: {every: 0s}", "backends.gpu.health.every: expected a duration above 0"],
    ["endpoints: ['a:1'], models: {m: {paths: x}}", 'backends.gpu.models.m.paths: unknown key, did you mean "path"?'],
    ["endpoints: ['a:1'], timeout: 1s", 'backends.gpu.timeout: unknown key, did you mean "timeouts"?'],
  ])("%s", (words, said) => {
    expect(mistakesIn(words).join("\n")).toContain(said);
  });
});
