// The JSON Schema of the config language, for editors, made from the same zod sources that check it.

import { type ZodType, z } from "zod";
import type { Kinds } from "./config.ts";
import type { Path } from "./mistakes.ts";
import { documentOf } from "./schema.ts";

/** The parts of a JSON Schema that are read here. */
interface Schema {
  readonly [word: string]: unknown;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** The schema of a whole config with the given kinds of backend. Words that are not built yet are absent from it. */
export function jsonSchema(kinds: Kinds): object {
  const whole = describe(documentOf(kinds.policies));
  const backends = whole.properties?.backends;
  const shared = kinds.policies.filter((policy) => policy.underBackend === true);
  const words = Object.fromEntries(shared.map(({ word, options }) => [word, describe(options)]));
  const oneOf = kinds.backends.map((backend) => backendSchema(backend, words));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Sluice config",
    ...whole,
    properties: {
      ...whole.properties,
      backends: { ...backends, minProperties: 1, additionalProperties: { oneOf } },
    },
  };
}

function backendSchema(
  { kind, options }: Kinds["backends"][number],
  policies: Readonly<Record<string, Schema>>,
): Schema {
  const { properties, required = [], ...rest } = describe(options);
  const word = { const: kind, description: "Which kind of server runs the models." };
  return { ...rest, properties: { kind: word, ...properties, ...policies }, required: ["kind", ...required] };
}

function describe(schema: ZodType): Schema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: "draft-7", io: "input", unrepresentable: "any" });
  return rest as Schema;
}

/** The words that may stand in the map at the path; none where any name may stand, or nothing is known. */
export function knownWords(schema: ZodType, path: Path): readonly string[] {
  let here: readonly Schema[] = [describe(schema)];
  for (const step of path) here = here.flatMap(choices).flatMap((each) => child(each, step));
  return [...new Set(here.flatMap(choices).flatMap((each) => Object.keys(each.properties ?? {})))];
}

function choices(schema: Schema): readonly Schema[] {
  return [schema, ...(schema.anyOf ?? []).flatMap(choices), ...(schema.oneOf ?? []).flatMap(choices)];
}

function child(schema: Schema, step: string | number): readonly Schema[] {
  if (typeof step === "number") return schema.items === undefined ? [] : [schema.items];
  const named = schema.properties?.[step];
  if (named !== undefined) return [named];
  return typeof schema.additionalProperties === "object" ? [schema.additionalProperties] : [];
}
