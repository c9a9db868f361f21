// docs/cache.md tells the words that there are, and its config is right.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { knownWords } from "../../../config/known-words.ts";
import { loadConfig } from "../../../config/load.ts";
import { formatMistake } from "../../../config/mistakes.ts";
import { documentOf } from "../../../config/schema.ts";
import { kinds } from "../../../gateway/kinds.ts";
import { ROOT } from "../../support/gateway.ts";

const text = readFileSync(join(ROOT, "docs/cache.md"), "utf8");
const [, config = ""] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];

test("its first config is right, once its backends are there", () => {
  const backends = `backends:
  local: {kind: onnx, repository: models}
  tf: {kind: tf-serving, endpoints: ["http://127.0.0.1:8501"]}
`;
  const loaded = loadConfig({ text: backends + config, file: "docs/cache.md", env: {} }, kinds);
  expect(loaded.ok ? [] : loaded.mistakes.map((mistake) => formatMistake(mistake, "docs/cache.md"))).toEqual([]);
});

test("it names every word of a cache", () => {
  const words = knownWords(documentOf(kinds.policies), ["models", "any", "cache"]);
  expect(words.length).toBeGreaterThan(5);
  expect(words.filter((word: string) => !config.includes(`${word}:`))).toEqual([]);
});
