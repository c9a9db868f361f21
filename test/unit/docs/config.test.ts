// docs/config.md is made from the schema: `npm run reference` writes it, and this says whether it is current.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonSchema } from "../../../config/json-schema.ts";
import type { Schema } from "../../../config/known-words.ts";
import { kinds } from "../../../gateway/kinds.ts";
import { referenceOf } from "../../support/config-reference.ts";
import { ROOT } from "../../support/gateway.ts";

const FILE = join(ROOT, "docs/config.md");
const schema = jsonSchema(kinds);

if (process.env.SLUICE_REFERENCE === "write") writeFileSync(FILE, referenceOf(schema));

test("docs/config.md is what the schema says; `npm run reference` writes it", () => {
  expect(readFileSync(FILE, "utf8")).toBe(referenceOf(schema));
});

test("a word that joins the schema joins the page", () => {
  const own = { type: "string", description: "Told nowhere else." };
  const changed = { ...schema, properties: { ...schema.properties, brandNew: own } };
  expect(referenceOf(changed)).toContain("| `brandNew` | text |  | Told nowhere else. |");
  expect(referenceOf(schema)).not.toContain("brandNew");
});

test("every word is on the page", () => {
  const page = readFileSync(FILE, "utf8");
  const words = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const { properties } = value as Schema;
    if (typeof properties === "object") for (const word of Object.keys(properties)) words.add(word);
    for (const inner of Object.values(value)) walk(inner);
  };
  walk(schema);
  expect(words.size).toBeGreaterThan(150);
  expect(
    [...words].filter(
      (word) => !["backends", "kind"].includes(word) && !new RegExp(`^\\| \`(.*\\.)?${word}\``, "m").test(page),
    ),
  ).toEqual([]);
});
