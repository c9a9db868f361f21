import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadConfig } from "../../config/load.ts";
import { formatMistake } from "../../config/mistakes.ts";
import { kinds } from "../../gateway/kinds.ts";
import { placeOf } from "../../policies/route/bucket.ts";

const text = readFileSync(new URL("../../docs/routing.md", import.meta.url), "utf8");

test("every config in docs/routing.md is right", () => {
  const configs = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = ""]) => yaml);
  expect(configs.length).toBe(2);
  for (const yaml of configs) {
    const loaded = loadConfig({ text: yaml, file: "docs.yaml", env: {} }, kinds);
    expect(loaded.ok ? [] : loaded.mistakes.map((mistake) => formatMistake(mistake, "docs.yaml"))).toEqual([]);
  }
});

test("the bucket in docs/routing.md is the bucket", () => {
  expect(text).toContain(`# ${placeOf("digits/next", "7").bucket}\n`);
});
