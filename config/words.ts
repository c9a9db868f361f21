// The small words that a config's values are made of: durations, sizes, shares, addresses, names.

import { isIPv6 } from "node:net";
import { type ZodType, z } from "zod";
import { BYTES_EXPECTED, DURATION_EXPECTED, formatDuration, parseBytes, parseDuration } from "../core/units.ts";
import type { Address, InFlight } from "./config.ts";
import { show } from "./mistakes.ts";

/** The longest that a timer of JavaScript can wait. Source: HTML standard, a signed 32-bit count of milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** What a reader of text makes of it, or what it expected instead. */
type Read<T> = { readonly value: T } | { readonly expected: string };

/** A word written as text; the schema's input is a string, its output what `read` made of it. */
function word<T>(expected: string, read: (text: string) => Read<T>): ZodType<T, string> {
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

/** A share of the memory such as `25%`, or a size. */
export function inFlight(): ZodType<InFlight, string> {
  const expected = `a share of the memory such as 25%, or ${BYTES_EXPECTED}`;
  return word<InFlight>(expected, (text) => {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
    if (percent !== undefined) {
      const fraction = Number(percent) / 100;
      return fraction > 0 && fraction <= 1 ? { value: { fraction } } : { expected: "a share above 0% and up to 100%" };
    }
    const size = parseBytes(text);
    return size === undefined || size === 0 ? { expected } : { value: { bytes: size } };
  });
}

const ADDRESS_EXPECTED = "host:port such as 127.0.0.1:8000 or [::1]:8000";

/** An address to listen on. */
export function address(): ZodType<Address, string> {
  return word(ADDRESS_EXPECTED, (text) => {
    const parsed = parseAddress(text);
    return parsed === undefined ? { expected: ADDRESS_EXPECTED } : { value: parsed };
  });
}

/** `127.0.0.1:8000`, `localhost:0` or `[::1]:8000`; undefined for anything else. IPv6 stands in brackets, the answer's host does not. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([A-Za-z0-9][A-Za-z0-9.-]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (v6 !== undefined) return isIPv6(v6) ? { host: v6, port } : undefined;
  return name === undefined ? undefined : { host: name, port };
}

/** The address as a person writes it. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The name of an HTTP header, in lower case. Source: RFC 9110, 5.6.2 (token). */
export function headerName(): ZodType<string, string> {
  const expected = "the name of a header such as x-tenant";
  return word(expected, (text) => (/^[!#$%&'*+.^`|~\w-]+$/.test(text) ? { value: text.toLowerCase() } : { expected }));
}
