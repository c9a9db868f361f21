// Expressions of rules in the Common Expression Language, compiled once; the one door to cel-js.

import { Environment } from "@marcbachmann/cel-js";
import type { Call } from "../../core/call.ts";
import type { InferRequest } from "../../core/request.ts";

/** What an expression may name, and what each is. */
const VARIABLES = {
  header: "map<string, string>",
  query: "map<string, string>",
  parameter: "map<string, dyn>",
  input: "map<string, dyn>",
  tenant: "string",
  peer: "string",
  protocol: "string",
  rows: "int",
} as const;

/** Expressions are for people to read. */
const LIMITS = { maxAstNodes: 1_000, maxDepth: 32, maxListElements: 256, maxMapEntries: 64, maxCallArguments: 16 };

function environment(): Environment {
  const open = new Environment({ limits: LIMITS });
  for (const [name, type] of Object.entries(VARIABLES)) open.registerVariable(name, type);
  return open;
}

/** What is wrong with an expression in one line; undefined for one that gives true or false. */
export function checkExpression(text: string): string | undefined {
  const checked = environment().check(text);
  if (!checked.valid) return `expected an expression in CEL: ${firstLine(checked.error)}`;
  if (checked.type === "bool" || checked.type === "dyn") return undefined;
  return `expected an expression that gives true or false, got one that gives ${checked.type}`;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? text;
}

/**
 * Whether a request fits the expression. One that fails (it names a header that is not there) does not fit.
 *
 * @throws Error when the expression is wrong
 */
export function openExpression(text: string): (request: InferRequest, call: Call) => boolean {
  const fits = environment().parse(text);
  return (request, call) => {
    try {
      return fits(contextOf(request, call)) === true;
    } catch {
      return false;
    }
  };
}

function contextOf(request: InferRequest, call: Call): Record<string, unknown> {
  const inputs = request.inputs.map(({ name, datatype, shape }) => [
    name,
    { datatype, shape: shape.map((size) => BigInt(size)) },
  ]);
  return {
    header: call.headers,
    query: new Map(call.query),
    parameter: request.parameters,
    input: Object.fromEntries(inputs),
    tenant: call.tenant ?? "",
    peer: call.peer,
    protocol: call.protocol,
    rows: BigInt(request.inputs[0]?.shape[0] ?? 0),
  };
}
