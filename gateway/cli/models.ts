// `sluice models`: asks a running gateway what it serves.

import type { TensorSpec } from "../../core/model.ts";
import { type Client, DEFAULT_URL, openClient } from "./client.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { paintFor, printable, table } from "./paint.ts";

export interface ModelsOptions {
  readonly url?: string;
  readonly json?: boolean;
}

interface Row {
  readonly name: string;
  readonly ready: boolean;
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** 0 when the gateway answered, whatever it serves. */
export async function runModels(io: Io, options: ModelsOptions): Promise<number> {
  const client = openClient(options.url ?? DEFAULT_URL);
  const rows: Row[] = [];
  // one after the other: a gateway may serve hundreds
  for (const { name, ready } of await client.models()) rows.push(await row(client, name, ready));
  if (options.json === true) {
    io.out(`${JSON.stringify({ models: rows }, null, 2)}\n`);
    return EXIT.ok;
  }
  if (rows.length === 0) {
    io.err(`sluice: ${client.url} serves no models\n`);
    return EXIT.ok;
  }
  const { red, bold } = paintFor(io);
  const cells = rows.map(({ name, ready, versions, inputs, outputs }) => [
    bold(printable(name)),
    versions.join(", "),
    ready ? "ready" : red("not ready"),
    specsText(inputs, io.terminal),
    specsText(outputs, io.terminal),
  ]);
  io.out(table(io, ["model", "versions", "state", "inputs", "outputs"], cells));
  return EXIT.ok;
}

async function row(client: Client, name: string, ready: boolean): Promise<Row> {
  const unknown = { name, ready: false, versions: [], inputs: [], outputs: [] };
  if (!ready) return unknown;
  try {
    const { versions, inputs, outputs } = await client.metadata(name);
    return { name, ready, versions, inputs, outputs };
  } catch (error) {
    // it went away since the list was made, or its server cannot tell now: the others are listed all the same
    if (error instanceof CliError) return unknown;
    throw error;
  }
}

/** `image FP32 [-1,1,8,8]`, one a line on a terminal. */
function specsText(specs: readonly TensorSpec[], lines: boolean): string {
  return specs.map(specText).join(lines ? "\n" : ", ");
}

/** `image FP32 [-1,1,8,8]` */
export function specText({ name, datatype, shape }: TensorSpec): string {
  return `${printable(name)} ${datatype} [${shape.join(",")}]`;
}
