// `sluice schema`: prints the JSON Schema of the config language, for editors.

import { jsonSchema } from "../../config/json-schema.ts";
import { shareRepeated } from "../../config/shared-schemas.ts";
import { kinds } from "../kinds.ts";
import { EXIT, type Io } from "./io.ts";

/** The schema as text; `config/sluice.schema.json` is this, committed. */
export function schemaText(): string {
  return `${JSON.stringify(shareRepeated(jsonSchema(kinds)), null, 2)}\n`;
}

export function runSchema(io: Io): number {
  io.out(schemaText());
  return EXIT.ok;
}
