// What is wrong with a config: one mistake each, in the form "expected, got, where".

import { closest, distance } from "fastest-levenshtein";

/** One thing that is wrong; `line` and `column` count from 1 and are absent where the text has no place for it. */
export interface Mistake {
  /** Where it stands, in words of the config: `models.digits.backend`; empty for the file as a whole. */
  readonly path: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly message: string;
}

/** The names that lead from the top of the config to a value. */
export type Path = readonly (string | number)[];

/** A mistake before its place in the text is known. `at: "key"` points at the last name of the path, not its value. */
export interface Fault {
  readonly path: Path;
  readonly message: string;
  readonly at?: "key";
}

/** `models.digits.to.percent: expected a number in [0, 100], got 130 (sluice.yaml:31)` */
export function formatMistake(mistake: Mistake, file: string): string {
  const path = mistake.path === "" ? "" : `${mistake.path}: `;
  const line = mistake.line === undefined ? "" : `:${mistake.line}`;
  return `${path}${mistake.message} (${file}${line})`;
}

/** The path as a person writes it: `endpoints[1].address`; a name with other signs than letters, digits, `_` and `-` is quoted. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** `, did you mean "x"?` for the known word nearest to the one given; empty when none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  const nearest = closest(word.toLowerCase(), [...known]);
  // A third of the word may be wrong, or two letters of a short one; beyond that a guess misleads.
  const allowed = Math.max(2, Math.floor(word.length / 3));
  const off = distance(word.toLowerCase(), nearest.toLowerCase());
  const meant = off <= allowed && off < nearest.length ? nearest : partOf(word, known);
  return meant === undefined ? "" : `, did you mean ${JSON.stringify(meant)}?`;
}

/** Fewer letters in common say nothing. */
const PART = 5;

/** The one known word that is a part of the one given, or of which that is one: circuitBreaker is breaker, retries are retry. */
function partOf(word: string, known: readonly string[]): string | undefined {
  const given = word.toLowerCase().replace(/ies$/, "y");
  const [found, ...others] = known.filter((one) => {
    const [short = "", long = ""] = [given, one.toLowerCase()].sort((a, b) => a.length - b.length);
    return short.length >= PART && (long.startsWith(short) || long.endsWith(short));
  });
  return others.length === 0 ? found : undefined;
}

/** What is said of a word that the config language does not have, where those that it has there are known. */
export function unknownKey(word: string, known: readonly string[]): string {
  const guess = didYouMean(word, known);
  if (guess !== "") return `unknown key${guess}`;
  return known.length === 0 ? "unknown key" : `unknown key, expected one of ${known.join(", ")}`;
}
