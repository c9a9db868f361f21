// What zod found wrong, in the words of the house: expected, got.

import type { z } from "zod";
import { show } from "../core/words.ts";
import { didYouMean, type Fault, type Path, unknownKey } from "./mistakes.ts";

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  bigint: "a whole number",
  boolean: "true or false",
  object: "a map",
  record: "a map",
  map: "a map",
  array: "a list",
  tuple: "a list",
};

/** The message of an issue that its schema has none of its own for; for zod's `error` parameter. */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  const expected = expectation(issue);
  return `expected ${expected}, got ${show(issue.input)}${guess(issue)}`;
}

function expectation(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return TYPES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return issue.values.length === 1 ? show(issue.values[0]) : `one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return bound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return bound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "not_multiple_of":
      return `a multiple of ${issue.divisor}`;
    case "invalid_union":
      return [...new Set(issue.errors.flatMap(branch))].join(" or ") || "something else";
    case "invalid_format":
      return `text that is ${issue.format}`;
    default:
      return "something else";
  }
}

// The first issue of one branch of a union, without what was got: that is the same for all branches.
function branch(issues: readonly z.core.$ZodIssue[]): readonly string[] {
  const wanted = /^expected (.*), got .*$/s.exec(issues[0]?.message ?? "")?.[1];
  return wanted === undefined ? [] : [wanted];
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === "string") return `text of ${relation} ${limit} characters`;
  if (origin === "array" || origin === "set") return `a list of ${relation} ${limit} entries`;
  return `a number of ${relation} ${limit}`;
}

function guess(issue: z.core.$ZodRawIssue): string {
  if (issue.code !== "invalid_value" || typeof issue.input !== "string") return "";
  return didYouMean(issue.input, issue.values.map(String));
}

/**
 * The faults in what a parse found. Unknown keys become one fault each.
 *
 * @param at the path that was parsed
 * @param known the words that may stand at a path below it
 */
export function faultsOf(error: z.ZodError, at: Path, known: (path: Path) => readonly string[]): readonly Fault[] {
  return error.issues.flatMap((issue): readonly Fault[] => {
    const path: Path = [...at, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
    if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message, ...atKey(issue) }];
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known(path)), at: "key" }));
  });
}

// An issue made of a fault of its own keeps the place that the fault points at.
function atKey(issue: z.core.$ZodIssue): Pick<Fault, "at"> {
  return issue.code === "custom" && issue.params?.at === "key" ? { at: "key" } : {};
}
