// The values that options of every kind are made of, as zod words: durations and sizes with their units.

import { type ZodType, z } from "zod";
import { BYTES_EXPECTED, DURATION_EXPECTED, formatDuration, parseBytes, parseDuration } from "./units.ts";

/** The longest that a timer of JavaScript can wait. Source: HTML standard, a signed 32-bit count of milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** What a reader of text makes of it, or what it expected instead. */
export type Read<T> = { readonly value: T } | { readonly expected: string };

/** A word written as text; the schema's input is a string, its output what `read` made of it. */
export function word<T>(expected: string, read: (text: string) => Read<T>): ZodType<T, string> {
  const wrong = (input: unknown, wanted: string) => `expected ${wanted}, got ${show(input)}`;
  return z.string({ error: (issue) => wrong(issue.input, expected) }).transform((text, context) => {
    const got = read(text.trim());
    if ("value" in got) return got.value;
    context.issues.push({ code: "custom", message: wrong(text, got.expected), input: text });
    return z.NEVER;
  });
}

/** A duration in milliseconds, above 0 unless `zero` allows it. */
export function duration(options: { readonly zero?: boolean } = {}): ZodType<number, string> {
  return word(DURATION_EXPECTED, (text) => {
    const ms = parseDuration(text);
    if (ms === undefined) return { expected: DURATION_EXPECTED };
    if (ms > LONGEST_MS) return { expected: `a duration of at most ${formatDuration(LONGEST_MS)}` };
    if (ms === 0 && options.zero !== true) return { expected: "a duration above 0" };
    return { value: ms };
  });
}

/** A size in bytes, at least 1. */
export function bytes(): ZodType<number, string> {
  return word(BYTES_EXPECTED, (text) => {
    const size = parseBytes(text);
    if (size === undefined) return { expected: BYTES_EXPECTED };
    return size === 0 ? { expected: "a size above 0" } : { value: size };
  });
}

/** A value as a message shows it: short, on one line, `nothing` for what is absent. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
