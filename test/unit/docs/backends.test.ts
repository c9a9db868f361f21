// docs/backends.md tells the kinds and words that there are, and its configs are right.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonSchema } from "../../../config/json-schema.ts";
import { loadConfig } from "../../../config/load.ts";
import { kinds } from "../../../gateway/kinds.ts";
import { ROOT } from "../../support/gateway.ts";

const text = readFileSync(join(ROOT, "docs/backends.md"), "utf8");

interface Words {
  readonly [word: string]: { readonly const?: string; readonly additionalProperties?: { readonly properties: object } };
}

const schema = jsonSchema(kinds) as unknown as {
  readonly properties: {
    readonly backends: { readonly additionalProperties: { readonly oneOf: readonly { readonly properties: Words }[] } };
  };
};

const SERVERS = schema.properties.backends.additionalProperties.oneOf
  .map(({ properties }) => ({ kind: properties.kind?.const ?? "", words: properties }))
  .filter(({ kind }) => kind !== "onnx");

/** The cells of each line of the tables whose heads begin so. */
function tables(head: string): readonly (readonly string[])[] {
  const found: (readonly string[])[] = [];
  for (const block of text.split("\n\n").filter((one) => one.startsWith(`| ${head} |`))) {
    for (const line of block.trim().split("\n").slice(2)) found.push(line.split("|").slice(1, -1));
  }
  return found;
}

const quoted = (cell = "") => [...cell.matchAll(/`([\w-]+)`/g)].map(([, word = ""]) => word);
const SHARED = tables("word").flatMap(([word]) => quoted(word));
const own = (words: Words) =>
  Object.keys(words).filter((word) => !["kind", "models"].includes(word) && !SHARED.includes(word));

test("the kinds are those of the registry", () => {
  const said = tables("kind")
    .filter((cells) => cells.length === 5)
    .flatMap(([kind]) => quoted(kind));
  expect([...said].sort()).toEqual(SERVERS.map(({ kind }) => kind).sort());
});

test("the words that all kinds have are those of each", () => {
  expect(SHARED.length).toBeGreaterThan(5);
  for (const { kind, words } of SERVERS) for (const word of SHARED) expect(Object.keys(words), kind).toContain(word);
});

describe.each(SERVERS)("$kind", ({ kind, words }) => {
  test("has its own words in the table", () => {
    const row = tables("kind").find((cells) => cells.length === 5 && quoted(cells[0]).includes(kind));
    const said = quoted(row?.[4]);
    for (const word of own(words)) expect(said).toContain(word);
  });

  test("has its models' words in the table", () => {
    const rows = tables("kind").filter((cells) => cells.length === 2);
    const said = rows
      .filter(([who = ""]) => /every/.test(who) || quoted(who).includes(kind))
      .flatMap(([, cell]) => quoted(cell));
    const model = Object.keys(words.models?.additionalProperties?.properties ?? {});
    expect(model.length).toBeGreaterThan(1);
    for (const word of model) expect(said).toContain(word);
  });
});

test.each([...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = ""]) => yaml))(
  "is a right config: %s",
  (yaml) => {
    const loaded = loadConfig({ text: yaml, file: join(ROOT, "sluice.yaml"), env: {} }, kinds);
    expect(loaded.ok ? [] : loaded.mistakes).toEqual([]);
  },
);
