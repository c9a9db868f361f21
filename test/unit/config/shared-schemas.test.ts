import { expect, test } from "vitest";
import { jsonSchema } from "../../../config/json-schema.ts";
import type { Schema } from "../../../config/known-words.ts";
import { shareRepeated } from "../../../config/shared-schemas.ts";
import { kinds } from "../../../gateway/kinds.ts";

type Definitions = Readonly<Record<string, Schema>>;

const definitionsOf = (schema: Schema) => (schema.definitions ?? {}) as Definitions;

/** The schema with what it shares in each place again; what it had among its definitions before stays there. */
function written(short: Schema, before: Definitions): unknown {
  const definitions = definitionsOf(short);
  const expand = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(expand);
    const name = /^#\/definitions\/(.+)$/.exec(String((value as Schema).$ref))?.[1];
    if (name === undefined || name in before) {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner)]));
    }
    expect(Object.keys(value)).toEqual(["$ref"]);
    return expand(definitions[name]);
  };
  const kept = Object.keys(before).map((name) => [name, expand(definitions[name])]);
  return { ...(expand({ ...short, definitions: {} }) as Schema), definitions: Object.fromEntries(kept) };
}

const said = "Every word of this is said in the same letters wherever it stands, its description among them. ".repeat(
  2,
);
const map = (words: Schema): Schema => ({ type: "object", properties: words as Readonly<Record<string, Schema>> });

test("the language is the same, in less than half of the letters", () => {
  const whole = jsonSchema(kinds);
  const short = shareRepeated(whole);
  expect(written(short, definitionsOf(whole))).toEqual(whole);
  expect(JSON.stringify(short).length * 2).toBeLessThan(JSON.stringify(whole).length);
});

test("equal schemas stand once, under the word at which they were met first", () => {
  const one = map({ deep: { type: "string", description: said } });
  const short = shareRepeated(map({ first: one, second: { items: one }, third: { anyOf: [one, { type: "null" }] } }));
  const there = { $ref: "#/definitions/first" };
  expect(short).toEqual({
    ...map({ first: there, second: { items: there }, third: { anyOf: [there, { type: "null" }] } }),
    definitions: { first: one },
  });
});

test("schemas that differ in one default are two, and two of one word get two names", () => {
  const limit = (fallback: number) => ({ type: "number", description: said, default: fallback });
  const kind = (fallback: number) => map({ limit: limit(fallback) });
  const short = shareRepeated(
    map({ a: kind(1), b: { items: kind(1) }, c: map({ d: kind(2), e: { items: kind(2) } }) }),
  );
  expect(Object.entries(definitionsOf(short))).toEqual([
    ["a", kind(1)],
    ["d", kind(2)],
  ]);
  const named = shareRepeated(
    map({ x: map({ limit: limit(1) }), y: { items: limit(1), anyOf: [limit(2), limit(2)] } }),
  );
  expect(Object.keys(definitionsOf(named))).toEqual(["limit", "y"]);
  const twice = shareRepeated(
    map({ x: map({ limit: limit(1) }), y: map({ limit: limit(2) }), z: { anyOf: [limit(1), limit(2)] } }),
  );
  expect(Object.keys(definitionsOf(twice))).toEqual(["limit", "limit-2"]);
});

test("short schemas and those that stand once stay where they are", () => {
  const flag = { type: "boolean" };
  const long = { type: "string", description: said };
  expect(shareRepeated(map({ a: flag, b: flag, c: long }))).toEqual({
    ...map({ a: flag, b: flag, c: long }),
    definitions: {},
  });
});

test("a default that looks like a schema is left alone", () => {
  const like = { properties: { a: { type: "string", description: said } } };
  const whole = map({ x: { type: "object", default: like }, y: { type: "array", default: [like] } });
  expect(shareRepeated(whole)).toEqual({ ...whole, definitions: {} });
});
