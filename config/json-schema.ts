// The JSON Schema of the config language, for editors, made from the same zod sources that check it.

import { routeKinds, wordKinds } from "../core/policy.ts";
import type { Kinds } from "./config.ts";
import { describe, type Schema } from "./known-words.ts";
import { BRANCH, branchWord } from "./route.ts";
import { documentOf } from "./schema.ts";

/** The schema of a whole config with the given kinds of backend. Words that are not built yet are absent from it. */
export function jsonSchema(kinds: Kinds): object {
  const whole = describe(documentOf(kinds.policies));
  const backends = whole.properties?.backends;
  const shared = wordKinds(kinds.policies).filter((policy) => policy.underBackend === true);
  const words = Object.fromEntries(shared.map(({ word, options }) => [word, describe(options)]));
  const oneOf = kinds.backends.map((backend) => backendSchema(backend, words));
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Sluice config",
    ...whole,
    definitions: { [BRANCH]: branchSchema(kinds) },
    properties: {
      ...whole.properties,
      backends: { ...backends, minProperties: 1, additionalProperties: { oneOf } },
    },
  };
}

/** What may stand wherever a router has a branch: a leaf's name, or one router under its word. */
function branchSchema(kinds: Kinds): Schema {
  const branch = branchWord(kinds.policies);
  const routers = routeKinds(kinds.policies).map(({ word, options }) => [word, describe(options(branch))]);
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

function backendSchema(
  { kind, options }: Kinds["backends"][number],
  policies: Readonly<Record<string, Schema>>,
): Schema {
  const { properties, required = [], ...rest } = describe(options);
  const word = { const: kind, description: "Which kind of server runs the models." };
  return { ...rest, properties: { kind: word, ...properties, ...policies }, required: ["kind", ...required] };
}
