// What `sluice serve` prints when it serves: what, where, and one line to try it.

import type { ModelStatus } from "../../core/model.ts";
import type { Example } from "./example.ts";
import { type Paint, printable } from "./paint.ts";

/** The facts of a gateway that has started. */
export interface Served {
  readonly version: string;
  readonly configFile: string;
  /** The URL of the front listener, one that a client on this machine can use. */
  readonly http: string | undefined;
  readonly admin: string | undefined;
  /** `host:port`, as clients of gRPC take it. */
  readonly grpc?: string | undefined;
  readonly models: readonly { readonly name: string; readonly versions: readonly string[] }[];
  /** Why each model that cannot be asked now cannot, in the gateway's words. */
  readonly waiting: readonly string[];
  /** Versions that are not ready, with their reasons. */
  readonly notReady: readonly ModelStatus[];
  readonly example: Example | undefined;
}

/** The banner, a line break at the end. */
export function banner(served: Served, paint: Paint): string {
  const { http, grpc, admin, models, waiting, notReady, example } = served;
  const count = `${models.length} ${models.length === 1 ? "model" : "models"}`;
  const lines = [
    `${paint.bold("Sluice")} ${served.version} serves ${count}${http === undefined ? "" : ` at ${paint.cyan(http)}`}`,
    "",
  ];
  const width = Math.max(0, ...models.map(({ name }) => name.length));
  for (const { name, versions } of models) {
    const word = versions.length === 1 ? "version" : "versions";
    lines.push(`  ${printable(name).padEnd(width)}  ${paint.dim(`${word} ${versions.map(printable).join(", ")}`)}`);
  }
  if (models.length > 0) lines.push("");
  const troubles = notReady.map(({ name, version, state, reason }) => {
    return `${name} version ${version} is ${state}${reason === undefined ? "" : `: ${reason}`}`;
  });
  for (const trouble of [...waiting, ...troubles]) lines.push(`  ${paint.yellow(printable(trouble))}`);
  if (waiting.length + troubles.length > 0) lines.push("");
  if (grpc !== undefined) lines.push(`  grpc     ${grpc}`);
  if (admin !== undefined) lines.push(`  metrics  ${admin}/metrics`, `  health   ${admin}/readyz`);
  lines.push(`  config   ${served.configFile}`);
  if (http !== undefined && example !== undefined) lines.push("", "Try it:", "", curl(http, example));
  return `${lines.join("\n")}\n`;
}

/** A command for a POSIX shell that sends the example. */
export function curl(http: string, { model, body }: Example): string {
  const url = `${http}/v2/models/${encodeURIComponent(model)}/infer`;
  return `curl -s ${quoted(url)} -H 'content-type: application/json' -d ${quoted(body)}`;
}

// A single quote ends the text, stands escaped, and opens it again: the one sign that matters within.
function quoted(text: string): string {
  return /^[\w:/.%~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
