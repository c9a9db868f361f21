// The word `route` of a model: a tree of routers, read router by router so that each mistake has its own place.

import { type ZodType, z } from "zod";
import { type PolicyKind, routeKinds } from "../core/policy.ts";
import type { Branch } from "../core/route.ts";
import { show } from "../core/words.ts";
import { describeIssue, faultsOf } from "./issues.ts";
import { knownWords } from "./known-words.ts";
import { type Fault, type Path, unknownKey } from "./mistakes.ts";

/** The name of the definition in the JSON Schema that every branch refers to. */
export const BRANCH = "branch";

/** Deeper trees are refused: their words would not be read by anybody. */
const MAX_DEPTH = 32;

const EXPECTED = "a version or label, or a router such as {weighted: [...]}";

/** The schema of what may stand wherever a router has a branch. */
export function branchWord(policies: readonly PolicyKind[], depth = 0): ZodType<Branch, unknown> {
  return z
    .unknown()
    .transform((value, context) => {
      const got = readBranch(value, policies, depth);
      if ("branch" in got) return got.branch;
      for (const { path, message, at } of got.faults) {
        const params = at === undefined ? {} : { params: { at } };
        context.issues.push({ code: "custom", path: [...path], message, input: value, ...params });
      }
      return z.NEVER;
    })
    .meta({ $ref: `#/definitions/${BRANCH}` });
}

/** The whole word. */
export function routeWord(policies: readonly PolicyKind[]): ZodType<Branch, unknown> {
  return branchWord(policies);
}

type Got = { readonly branch: Branch } | { readonly faults: readonly Fault[] };

function readBranch(value: unknown, policies: readonly PolicyKind[], depth: number): Got {
  if (typeof value === "string" && value !== "") return { branch: { kind: "leaf", name: value } };
  if (Number.isSafeInteger(value) && (value as number) >= 0) return { branch: { kind: "leaf", name: String(value) } };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return wrong([], `expected ${EXPECTED}, got ${show(value)}`);
  const words = Object.keys(value);
  const kinds = routeKinds(policies);
  const known = kinds.map((kind) => kind.word);
  const unknown = words.filter((word) => !known.includes(word));
  if (unknown.length > 0) {
    return {
      faults: unknown.map((word) => ({
        path: [word],
        message: unknownKey(word, { built: known, planned: [] }),
        at: "key",
      })),
    };
  }
  const kind = kinds.find((one) => one.word === words[0]);
  if (kind === undefined || words.length > 1) {
    return wrong(
      [],
      `expected one router (${known.join(", ")}), got ${words.length === 0 ? "none" : words.join(" and ")}`,
    );
  }
  if (depth >= MAX_DEPTH)
    return wrong([kind.word], `expected a tree of at most ${MAX_DEPTH} routers on top of each other`);
  const schema = kind.options(branchWord(policies, depth + 1));
  const parsed = schema.safeParse((value as Readonly<Record<string, unknown>>)[kind.word], { error: describeIssue });
  if (parsed.success) return { branch: { kind: "router", word: kind.word, options: parsed.data } };
  return {
    faults: faultsOf(parsed.error, [kind.word], (path) => ({ built: knownWords(schema, path.slice(1)), planned: [] })),
  };
}

function wrong(path: Path, message: string): Got {
  return { faults: [{ path, message }] };
}
