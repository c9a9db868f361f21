// Writes a JSON Schema shorter: what stands in it word for word in several places stands once, and they refer to it.

import type { Schema } from "./known-words.ts";

/** Shorter schemas stay where they are: a reference would say less in as many letters. */
const MIN_LETTERS = 150;

/**
 * A schema that accepts the same and says the same of each word. What is shared joins `definitions` under the word at which it
 * was first met; it is equal in all of its places with its description and its default, so nothing stands beside a `$ref`.
 */
export function shareRepeated(whole: Schema): Schema {
  const { definitions = {}, ...rest } = whole as Schema & { readonly definitions?: Readonly<Record<string, Schema>> };
  const repeated = findRepeated(whole);
  const shared = new Map<string, Schema>();
  const names = new Map<string, string>();
  const share = (schema: Schema, word: string): Schema => {
    const text = JSON.stringify(schema);
    if (!repeated.has(text)) return withInner(schema, word, share);
    let name = names.get(text);
    if (name === undefined) {
      const taken = [...names.values(), ...Object.keys(definitions)];
      name = free(word, taken);
      names.set(text, name);
      shared.set(name, withInner(schema, word, share));
    }
    return { $ref: `#/definitions/${name}` };
  };
  const short = withInner(rest, "config", share);
  const old = Object.entries(definitions).map(([name, schema]) => [name, withInner(schema, name, share)] as const);
  return { ...short, definitions: Object.fromEntries([...old, ...shared]) };
}

/** The texts of the schemas that stand in more than one place; what stands inside of one counts once for all its places. */
function findRepeated(whole: Schema): ReadonlySet<string> {
  const met = new Set<string>();
  const repeated = new Set<string>();
  const visit = (schema: Schema, word: string): Schema => {
    const text = JSON.stringify(schema);
    if (met.has(text)) repeated.add(text);
    else withInner(schema, word, visit);
    if (text.length >= MIN_LETTERS) met.add(text);
    return schema;
  };
  withInner(whole, "config", visit);
  return repeated;
}

function free(word: string, taken: readonly string[]): string {
  const like = taken.filter((name) => name === word || name.startsWith(`${word}-`)).length;
  return like === 0 ? word : `${word}-${like + 1}`;
}

type Change = (inner: Schema, word: string) => Schema;

/** A copy in which every schema right below is changed; each is told the word of the language that it stands under. */
function withInner(schema: Schema, word: string, change: Change): Schema {
  const one = (inner: unknown) => change(inner as Schema, word);
  const entries = Object.entries(schema).map(([key, value]): readonly [string, unknown] => {
    switch (key) {
      case "properties":
      case "definitions":
        return [key, mapValues(value as Readonly<Record<string, Schema>>, change)];
      case "anyOf":
      case "oneOf":
      case "allOf":
        return [key, (value as readonly Schema[]).map(one)];
      case "items":
      case "additionalProperties":
        return [key, typeof value === "object" ? one(value) : value];
      default:
        return [key, value];
    }
  });
  return Object.fromEntries(entries);
}

function mapValues(schemas: Readonly<Record<string, Schema>>, change: Change): Readonly<Record<string, Schema>> {
  return Object.fromEntries(Object.entries(schemas).map(([word, schema]) => [word, change(schema, word)]));
}
