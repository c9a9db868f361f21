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
      return formsOf(issue.errors);
    case "invalid_format":
      return `text that is ${issue.format}`;
    default:
      return "something else";
  }
}

// What a union expects: any of its forms.
function formsOf(forms: readonly (readonly z.core.$ZodIssue[])[]): string {
  return [...new Set(forms.flatMap(branch))].join(" or ") || "something else";
}

// The first issue of one branch of a union, without what was got: that is the same for all branches.
function branch(issues: readonly z.core.$ZodIssue[]): readonly string[] {
  const wanted = /^expected (.*), got .*$/s.exec(issues[0]?.message ?? "")?.[1];
  return wanted === undefined ? [] : [wanted];
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === "string" && limit === 1 && relation === "at least") return "text that is not empty";
  if (origin === "string") return `text of ${relation} ${limit} characters`;
  if (origin === "array" || origin === "set") return `a list of ${relation} ${limit} entries`;
  return `a number of ${relation} ${limit}`;
}

function guess(issue: z.core.$ZodRawIssue): string {
  return typeof issue.input === "string" ? didYouMean(issue.input, wordsOf(issue)) : "";
}

// The words that might have stood there; those of a union are those of its forms.
function wordsOf(issue: z.core.$ZodRawIssue | z.core.$ZodIssue): readonly string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return issue.code === "invalid_union" ? issue.errors.flat().flatMap(wordsOf) : [];
}

/**
 * The faults in what a parse found. Unknown keys become one fault each, and a union tells what is wrong inside the one form
 * that the value has.
 *
 * @param at the path that was parsed
 * @param known the words that may stand at a path below it
 */
export function faultsOf(error: z.ZodError, at: Path, known: (path: Path) => readonly string[]): readonly Fault[] {
  return error.issues.flatMap((issue) => faultsIn(issue, at, known));
}

function faultsIn(issue: z.core.$ZodIssue, at: Path, known: (path: Path) => readonly string[]): readonly Fault[] {
  const path: Path = [...at, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known(path)), at: "key" }));
  }
  const meant = meantForm(issue);
  if (meant === undefined) return [{ path, message: issue.message, ...atKey(issue) }];
  return meant.flatMap((inner) => faultsIn(inner, path, known));
}

/** What is wrong inside the only form of a union that the value itself fits; undefined where none or several do. */
function meantForm(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] | undefined {
  // words of its own say more than what is wrong inside
  if (issue.code !== "invalid_union" || !issue.message.startsWith(`expected ${formsOf(issue.errors)}, got `))
    return undefined;
  const forms = issue.errors.filter((inside) => inside.every(isInside));
  return forms.length === 1 ? forms[0] : undefined;
}

const isInside = ({ path, code }: z.core.$ZodIssue) => path.length > 0 || code === "unrecognized_keys";

// An issue made of a fault of its own keeps the place that the fault points at.
function atKey(issue: z.core.$ZodIssue): Pick<Fault, "at"> {
  return issue.code === "custom" && issue.params?.at === "key" ? { at: "key" } : {};
}
