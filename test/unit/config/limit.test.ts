import { expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { loadConfig } from "../../../config/load.ts";
import { policyKinds } from "../../../policies/registry.ts";

function mistakesIn(text: string): readonly string[] {
  const kinds = { backends: backendKinds, policies: policyKinds };
  const loaded = loadConfig({ text, file: "f.yaml", env: {} }, kinds);
  return loaded.ok ? [] : loaded.mistakes.map(({ path, message }) => `${path}: ${message}`);
}

const GPU = "kind: triton, endpoints: [triton:8000]";
const backend = (words: string) => `backends: {gpu: {${GPU}, ${words}}}`;
const model = (words: string) => `backends: {gpu: {${GPU}}}\nmodels: {m: {backend: gpu, ${words}}}`;

test("limits stand under backends and models", () => {
  expect(mistakesIn(backend("limit: {concurrency: adaptive, queue: 256}"))).toEqual([]);
  expect(mistakesIn(backend("limit: {concurrency: 256}"))).toEqual([]);
  expect(mistakesIn(model("limit: [{rate: 200/s, by: peer}, {concurrency: 20}]"))).toEqual([]);
  expect(mistakesIn(`tenant: {header: x-tenant, trusted: true}\n${model("limit: {rate: 1/s, by: tenant}")}`)).toEqual(
    [],
  );
});

test("rates stand at the top too, for all models", () => {
  const tenant = "tenant: {header: x-tenant, trusted: true}";
  expect(mistakesIn(`limit: [{rate: 9/s}, {rate: 5/d, by: tenant}]\n${tenant}\n${model("timeout: 1s")}`)).toEqual([]);
});

test.each([
  [
    `limit: {rate: 5/d, by: tenant}\n${model("timeout: 1s")}`,
    "limit: expected the config to say where the tenant comes from (tenant: {header: ..., trusted: true}), as the limit is by tenant",
  ],
  [
    `limit: {rate: 5/d, concurrency: 4}\n${model("timeout: 1s")}`,
    "limit.concurrency: unknown key, expected one of rate, by, burst",
  ],
  [
    `limit: {by: peer}\n${model("timeout: 1s")}`,
    "limit: expected requests and a period (s, m, h or d), such as 200/s or 1000000/d, got nothing at rate",
  ],
  [
    backend("limit: {concurrency: fast}"),
    'backends.gpu.limit.concurrency: expected a number of calls, or adaptive, got "fast"',
  ],
  [
    backend("limit: {concurrency: 300}"),
    "backends.gpu.limit.concurrency: expected at most limits.inFlight (256), which no endpoint has more calls than, got 300",
  ],
  [
    backend("limits: {inFlight: 8}, limit: {concurrency: 9}"),
    "backends.gpu.limit.concurrency: expected at most limits.inFlight (8), which no endpoint has more calls than, got 9",
  ],
  [
    model("limit: {rate: 1/s, by: tenant}"),
    "models.m.limit: expected the config to say where the tenant comes from (tenant: {header: ..., trusted: true}), as the limit is by tenant",
  ],
  [model("limit: {rat: 1/s, concurrency: 3}"), 'models.m.limit.rat: unknown key, did you mean "rate"?'],
])("%s is refused", (text, mistake) => {
  expect(mistakesIn(text)).toEqual([mistake]);
});
