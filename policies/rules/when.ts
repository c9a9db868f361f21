// The conditions of a rule: what a request must have for the rule to hold, all of it together.

import { z } from "zod";
import type { Call } from "../../core/call.ts";
import type { Clock } from "../../core/env.ts";
import type { InferRequest } from "../../core/request.ts";
import { datatypeWord } from "../../core/signature.ts";
import { checkExpression, openExpression } from "./expression.ts";
import { openWindow, timeWord } from "./time.ts";

const several = z
  .union([z.string(), z.array(z.string()).min(1)])
  .transform((words) => (typeof words === "string" ? [words] : words));

const named = (what: string) =>
  z
    .record(z.string().min(1), several)
    .optional()
    .describe(`${what}, each with the value or one of the values that it must have.`);

/** The word `when`. */
export const whenWord = z
  .strictObject({
    header: named("Headers")
      .transform((words) => (words === undefined ? undefined : lowerCase(words)))
      .optional(),
    query: named("Parameters of the URL's query"),
    parameter: named("Parameters of the request"),
    tenant: several.optional().describe("The tenant, or one of several."),
    protocol: several.optional().describe("The front protocol that the request came by, such as oip-rest."),
    tester: z.literal(true).optional().describe("Only callers that the config lists under testers."),
    input: z
      .strictObject({
        name: z.string().min(1).describe("The input's name."),
        datatype: datatypeWord().optional(),
        shape: z.array(z.int().min(-1)).optional().describe("Its shape; -1 where any size fits."),
      })
      .optional()
      .describe("An input that the request has."),
    rows: z
      .strictObject({
        min: z.int().min(0).optional().describe("At least this many rows."),
        max: z.int().min(0).optional().describe("At most this many rows."),
      })
      .optional()
      .describe("How many rows the first input has."),
    time: timeWord.optional(),
    expression: z
      .string()
      .superRefine((text, context) => {
        const message = checkExpression(text);
        if (message !== undefined) context.addIssue({ code: "custom", message });
      })
      .optional()
      .describe("An expression in CEL over header, query, parameter, input, tenant, peer, protocol and rows."),
  })
  .refine((words) => Object.values(words).some((value) => value !== undefined), {
    error: "expected at least one condition, got none",
  })
  .describe("What must all be so for the rule to hold.");

export type When = z.output<typeof whenWord>;

function lowerCase(words: Readonly<Record<string, readonly string[]>>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(words).map(([name, values]) => [name.toLowerCase(), values]));
}

/** What conditions look at beside the request. */
export interface Surroundings {
  readonly clock: Clock;
  tester(call: Call): boolean;
}

export type Condition = (request: InferRequest, call: Call) => boolean;

/** Whether a request has all that the word says, the cheap conditions first. */
export function openWhen(when: When, { clock, tester }: Surroundings): Condition {
  const conditions: Condition[] = [];
  const { tenant, protocol, input, rows, time, expression } = when;
  if (tenant !== undefined) conditions.push((_, call) => call.tenant !== undefined && tenant.includes(call.tenant));
  if (protocol !== undefined) conditions.push((_, call) => protocol.includes(call.protocol));
  for (const [name, values] of Object.entries(when.header ?? {})) {
    conditions.push((_, call) => has(values, call.headers.get(name)));
  }
  for (const [name, values] of Object.entries(when.query ?? {})) {
    conditions.push((_, call) => has(values, call.query.get(name) ?? undefined));
  }
  for (const [name, values] of Object.entries(when.parameter ?? {})) {
    conditions.push((request) => has(values, request.parameters.get(name)?.toString()));
  }
  if (rows !== undefined) conditions.push((request) => hasRows(request, rows));
  if (input !== undefined) conditions.push((request) => hasInput(request, input));
  if (when.tester === true) conditions.push((_, call) => tester(call));
  if (time !== undefined) {
    const within = openWindow(time, clock);
    conditions.push(() => within());
  }
  if (expression !== undefined) conditions.push(openExpression(expression));
  return (request, call) => conditions.every((condition) => condition(request, call));
}

function has(values: readonly string[], value: string | undefined): boolean {
  return value !== undefined && values.includes(value);
}

function hasRows({ inputs }: InferRequest, { min, max }: NonNullable<When["rows"]>): boolean {
  const rows = inputs[0]?.shape[0];
  if (rows === undefined) return false;
  return rows >= (min ?? 0) && rows <= (max ?? Number.POSITIVE_INFINITY);
}

function hasInput({ inputs }: InferRequest, { name, datatype, shape }: NonNullable<When["input"]>): boolean {
  const input = inputs.find((one) => one.name === name);
  if (input === undefined || (datatype !== undefined && input.datatype !== datatype)) return false;
  if (shape === undefined) return true;
  return shape.length === input.shape.length && shape.every((size, i) => size === -1 || size === input.shape[i]);
}

/** The conditions as a person reads them: `tenant acme and header x-beta 1`. */
export function describeWhen(when: When): string {
  const { header, query, parameter, tenant, protocol, tester, input, rows, time, expression } = when;
  const names = (place: string, words: Readonly<Record<string, readonly string[]>> | undefined) =>
    Object.entries(words ?? {}).map(([name, values]) => `${place} ${name} ${values.join(" or ")}`);
  return [
    ...names("header", header),
    ...names("query", query),
    ...names("parameter", parameter),
    ...(tenant === undefined ? [] : [`tenant ${tenant.join(" or ")}`]),
    ...(protocol === undefined ? [] : [`protocol ${protocol.join(" or ")}`]),
    ...(tester === undefined ? [] : ["tester"]),
    ...(input === undefined ? [] : [`input ${input.name}`]),
    ...(rows === undefined ? [] : [`rows ${rows.min ?? 0} to ${rows.max ?? "any"}`]),
    ...(time === undefined ? [] : ["time"]),
    ...(expression === undefined ? [] : [`expression ${expression}`]),
  ].join(" and ");
}
