// Which words a schema has where: for suggestions, and as a JSON Schema for editors.

import { type ZodType, z } from "zod";
import type { Path } from "./mistakes.ts";

/** The parts of a JSON Schema that are read here. */
export interface Schema {
  readonly [word: string]: unknown;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** The JSON Schema of what may be written. */
export function describe(schema: ZodType): Schema {
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
