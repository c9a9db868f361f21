// What a config must say for its caches to be safe.

import { expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { loadConfig } from "../../../config/load.ts";
import { formatMistake } from "../../../config/mistakes.ts";
import { policyKinds } from "../../../policies/registry.ts";

const BACKENDS = `backends:
  local: {kind: onnx, repository: m}
  tf: {kind: tf-serving, endpoints: ["http://127.0.0.1:1"]}
  passing: {kind: oip, protocol: http, endpoints: ["http://127.0.0.1:1"], headers: {pass: [X-Lang]}}
`;

function mistakesIn(words: string): readonly string[] {
  const loaded = loadConfig(
    { text: BACKENDS + words, file: "f.yaml", env: {} },
    { backends: backendKinds, policies: policyKinds },
  );
  return loaded.ok ? [] : loaded.mistakes.map((mistake) => formatMistake(mistake, "f.yaml"));
}

test.each([
  ["models:\n  m: {backend: local, cache: true}"],
  ["models:\n  m: {backend: tf, cache: {ttl: 10m}}"],
  ["models:\n  m: {backend: passing, cache: {ttl: 10m, headers: [x-lang, other]}}"],
  ["models:\n  m: {backend: passing, batch: true}"],
  ["models:\n  m: {backend: passing, batch: {headers: [x-lang]}, cache: {ttl: 10m, headers: [x-lang]}}"],
  ["tenant: {header: x-tenant, trusted: true}\nmodels:\n  m: {backend: local, cache: {by: tenant}}"],
  ["cache: {maxBytes: 1GiB}\nmodels:\n  m: {versions: {1: {backend: tf, artifact: v7}}, cache: {ttl: 1h}}"],
])("is right: %s", (words) => {
  expect(mistakesIn(words)).toEqual([]);
});

test.each([
  [
    "models:\n  m: {backend: tf, cache: {maxBytes: 1MiB}}",
    'models.m.cache.ttl: expected a ttl such as 10m, got nothing: backend "tf" does not tell when its models are replaced (f.yaml:6)',
  ],
  [
    "models:\n  m: {versions: {1: {backend: local}, 2: {backend: tf}}, cache: true}",
    'models.m.cache.ttl: expected a ttl such as 10m, got nothing: backend "tf" does not tell when its models are replaced (f.yaml:6)',
  ],
  [
    "models:\n  m: {backend: local, cache: {by: tenant}}",
    "models.m.cache.by: expected the config to say where the tenant comes from (tenant: {header: ..., trusted: true}) (f.yaml:6)",
  ],
  [
    "models:\n  m: {backend: passing, cache: {ttl: 10m}}",
    'models.m.cache.headers: expected x-lang among the headers, which backend "passing" passes on to its servers (f.yaml:6)',
  ],
  [
    "models:\n  m: {backend: passing, batch: true, cache: {ttl: 10m, headers: [x-lang]}}",
    'models.m.batch.headers: expected x-lang among the headers, since the answers are kept by them and backend "passing" passes them on to its servers (f.yaml:6)',
  ],
])("is refused: %s", (words, mistake) => {
  expect(mistakesIn(words)).toEqual([mistake]);
});
