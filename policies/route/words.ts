// The small words that routers share: percentages, names of headers, and what a unit is read from.

import { type ZodType, z } from "zod";
import type { Call } from "../../core/call.ts";
import type { InferRequest } from "../../core/request.ts";
import { show, word } from "../../core/words.ts";

/** A percentage of at most two decimals: a bucket is a hundredth of a percent. */
export function percent(what: string): ZodType<number> {
  const expected = "a number in [0, 100] with at most two decimals";
  const fits = (value: unknown) =>
    typeof value === "number" && value >= 0 && value <= 100 && Math.abs(value * 100 - Math.round(value * 100)) < 1e-6;
  return z
    .number({ error: (issue) => `expected ${expected}, got ${show(issue.input)}` })
    .refine(fits, { error: (issue) => `expected ${expected}, got ${show(issue.input)}` })
    .describe(what);
}

/** The name of an HTTP header, in lower case. Source: RFC 9110, 5.6.2 (token). */
export function header(): ZodType<string, string> {
  const expected = "the name of a header such as x-user-id";
  return word(expected, (text) => (/^[!#$%&'*+.^`|~\w-]+$/.test(text) ? { value: text.toLowerCase() } : { expected }));
}

/** The word `force`. */
export function forceWord() {
  return header()
    .optional()
    .describe("A header in which testers name the variant that they want; from others it is not looked at.");
}

/** What of a request tells its unit. */
export type UnitSource =
  | { readonly by: "header" | "cookie" | "query" | "parameter"; readonly name: string }
  | { readonly by: "tenant" | "peer" };

const PLACES = ["header", "cookie", "query", "parameter"] as const;
const PLAIN = ["tenant", "peer"] as const;
const NO_CLAIMS = "not yet: a claim of a token is not read before the token is verified";

/** The word `unit` (of an experiment) or `key` (of an affinity). */
export function unitWord(what: string): ZodType<UnitSource> {
  const name = z.string().min(1);
  const map = z
    .strictObject({
      header: header().optional().describe("A header's value."),
      cookie: name.optional().describe("The name of a cookie."),
      query: name.optional().describe("A parameter of the URL's query."),
      parameter: name.optional().describe("A parameter of the request, as the Open Inference Protocol has them."),
      claim: z.unknown().optional().describe("Refused: not yet."),
    })
    .superRefine((words, context) => {
      const given = PLACES.filter((place) => words[place] !== undefined);
      if (words.claim !== undefined) context.addIssue({ code: "custom", path: ["claim"], message: NO_CLAIMS });
      else if (given.length !== 1) {
        const message = `expected one of ${PLACES.join(", ")}, got ${given.length === 0 ? "nothing" : given.join(" and ")}`;
        context.addIssue({ code: "custom", message });
      }
    });
  return z
    .union([z.enum(PLAIN), map])
    .transform((words): UnitSource => {
      if (typeof words === "string") return { by: words };
      const by = PLACES.find((place) => words[place] !== undefined) ?? "header";
      return { by, name: words[by] ?? "" };
    })
    .describe(what) as ZodType<UnitSource>;
}

/** What the source says of this request; undefined when it says nothing. */
export function unitOf(source: UnitSource, request: InferRequest, call: Call): string | undefined {
  const unit = read(source, request, call);
  return unit === undefined || unit === "" ? undefined : unit;
}

function read(source: UnitSource, request: InferRequest, call: Call): string | undefined {
  switch (source.by) {
    case "header":
      return call.headers.get(source.name);
    case "cookie":
      return cookie(call.headers.get("cookie"), source.name);
    case "query":
      return call.query.get(source.name) ?? undefined;
    case "parameter": {
      const value = request.parameters.get(source.name);
      return value === undefined ? undefined : String(value);
    }
    case "tenant":
      return call.tenant;
    case "peer":
      // an IPv4 client of a listener on both families is the same client
      return call.peer.replace(/^::ffff:(?=\d+\.)/, "");
    default:
      return source satisfies never;
  }
}

/** The source as a person names it: `header x-user-id`. */
export function sourceName(source: UnitSource): string {
  return "name" in source ? `${source.by} ${source.name}` : source.by;
}

/** One cookie of the header `cookie`. Source: RFC 6265, 4.2.1. */
function cookie(header: string | undefined, name: string): string | undefined {
  for (const pair of header?.split(";") ?? []) {
    const at = pair.indexOf("=");
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
