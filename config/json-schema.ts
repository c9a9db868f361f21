// The JSON Schema of the config language, for editors, made from the same zod sources that check it.

import type { ZodType } from "zod";
import { routeKinds, wordKinds } from "../core/policy.ts";
import type { Kinds } from "./config.ts";
import { describe, type Schema } from "./known-words.ts";
import { BRANCH, branchWord } from "./route.ts";
import { documentOf } from "./schema.ts";

/** The schema of a whole config with the given kinds of backend, each with all its words: see `shareRepeated` for a shorter one. */
export function jsonSchema(kinds: Kinds): Schema {
  const definitions: Record<string, Schema> = {};
  // a schema that refers to a part of itself brings that part along: all parts stand together, at the top
  const described = (schema: ZodType, name: string) => lift(describe(schema), name, definitions);
  const whole = described(documentOf(kinds.policies), "model");
  const backends = whole.properties?.backends;
  const shared = wordKinds(kinds.policies).filter((policy) => policy.underBackend === true);
  const words = Object.fromEntries(shared.map(({ word, options }) => [word, described(options, word)]));
  const oneOf = kinds.backends.map(({ kind, options }) => backendSchema(kind, described(options, kind), words));
  const branch = branchSchema(kinds, described);
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Sluice config",
    ...whole,
    definitions: { [BRANCH]: branch, ...definitions },
    properties: {
      ...whole.properties,
      backends: { ...backends, minProperties: 1, additionalProperties: { oneOf } },
    },
  };
}

/** What may stand wherever a router has a branch: a leaf's name, or one router under its word. */
function branchSchema(kinds: Kinds, described: (schema: ZodType, name: string) => Schema): Schema {
  const branch = branchWord(kinds.policies);
  const routers = routeKinds(kinds.policies).map(({ word, options }) => [word, described(options(branch), word)]);
  return {
    description: "A version or a label, or a router with its own branches.",
    anyOf: [
      { type: "string" },
      { type: "integer" },
      {
        type: "object",
        properties: Object.fromEntries(routers),
        additionalProperties: false,
        minProperties: 1,
        maxProperties: 1,
      },
    ],
  };
}

function backendSchema(kind: string, options: Schema, policies: Readonly<Record<string, Schema>>): Schema {
  const { properties, required = [], ...rest } = options;
  const word = { const: kind, description: "Which kind of server runs the models." };
  return { ...rest, properties: { kind: word, ...properties, ...policies }, required: ["kind", ...required] };
}

/** The schema without its own definitions, which go into `into` under names that begin with `name`. */
function lift(schema: Schema, name: string, into: Record<string, Schema>): Schema {
  const { definitions, ...rest } = schema as Schema & { readonly definitions?: Readonly<Record<string, Schema>> };
  if (definitions === undefined) return rest;
  const renamed = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(renamed);
    const entries = Object.entries(value).map(([key, inner]) => {
      if (key !== "$ref" || typeof inner !== "string") return [key, renamed(inner)];
      const local = /^#\/definitions\/(__\w+)$/.exec(inner)?.[1];
      return [key, local === undefined ? inner : `#/definitions/${name}${local}`];
    });
    return Object.fromEntries(entries);
  };
  for (const [key, definition] of Object.entries(definitions)) {
    into[`${name}${key}`] = renamed(definition) as Schema;
  }
  return renamed(rest) as Schema;
}
