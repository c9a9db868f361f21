// What a model does when it is asked: twice the same, rows alone and together, and more and more rows.

import type { Clock } from "../../core/env.ts";
import { asInferError } from "../../core/error.ts";
import type { Signature } from "../../core/model.ts";
import type { Tensor } from "../../core/tensor.ts";
import { joined, madeUpRow, mayHaveRows } from "./inputs.ts";

/** What came of asking one model. */
export interface Trial {
  /** Why the made-up input is refused; then nothing else is known. */
  readonly refused?: string;
  /** The first run, in milliseconds. */
  readonly firstMs?: number;
  /** Twice the same input gave the same bytes. */
  readonly repeatable?: boolean;
  /** Present where the signature leaves the first dimension open. */
  readonly rows?: RowsFound;
}

export interface RowsFound {
  /**
   * Several rows together against each alone: `equal` bit by bit, `close` to a part in 100,000, `different`, `refused`,
   * or `merged`: what came out has not one row for each that went in. `unknown` where the same input twice differs too.
   */
  readonly together: "equal" | "close" | "different" | "refused" | "merged" | "unknown";
  /** The server's words, or which output it is. */
  readonly said?: string;
  /** The most rows that were taken at once. */
  readonly most?: number;
  /** Why there were not more: the server's words, or the probe's own limit. */
  readonly stopped?: string;
}

/** One request to the model. */
export type RunOnce = (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;

const ROWS_TOGETHER = 3;
/** Where growing stops by itself. */
const MOST_ROWS = 4096;
const MOST_BYTES = 16 * 1024 * 1024;
const LONGEST_MS = 2_000;
/** Halvings between the last number of rows taken and the first refused. */
const MOST_HALVINGS = 12;
const TOLERANCE = 1e-5;

/** Asks the model some 10 to 30 times; every answer but an InferError passes on. */
export async function tryModel(run: RunOnce, signature: Signature, clock: Clock): Promise<Trial> {
  const row = madeUpRow(signature, 1);
  const startedAt = clock.now();
  const first = await answerTo(run, row);
  if ("refused" in first) return first;
  const firstMs = Math.round(clock.now() - startedAt);
  const again = await answerTo(run, row);
  if ("refused" in again) return { firstMs, refused: `the same input again: ${again.refused}` };
  const repeatable = compare(first.outputs, again.outputs) === "equal";
  if (!mayHaveRows(signature)) return { firstMs, repeatable };
  return {
    firstMs,
    repeatable,
    rows: await tryRows({ run, signature, clock }, { row, first: first.outputs, repeatable }),
  };
}

interface Trying {
  readonly run: RunOnce;
  readonly signature: Signature;
  readonly clock: Clock;
}

interface FirstRow {
  readonly row: readonly Tensor[];
  readonly first: readonly Tensor[];
  readonly repeatable: boolean;
}

async function tryRows(trying: Trying, { row, first, repeatable }: FirstRow): Promise<RowsFound> {
  const { run, signature } = trying;
  const rows = [row];
  const alone = [first];
  for (let seed = 2; seed <= ROWS_TOGETHER; seed += 1) {
    const one = madeUpRow(signature, seed);
    const answer = await answerTo(run, one);
    if ("refused" in answer) return { together: "refused", said: answer.refused };
    rows.push(one);
    alone.push(answer.outputs);
  }
  const together = await answerTo(run, joined(rows));
  if ("refused" in together) return { together: "refused", said: together.refused };
  const merged = together.outputs.find(({ shape }) => shape[0] !== ROWS_TOGETHER);
  if (merged !== undefined) {
    const said = `${ROWS_TOGETHER} rows in, output "${merged.name}" has shape [${merged.shape.join(",")}]`;
    return { together: "merged", said };
  }
  const found = repeatable ? compare(joined(alone), together.outputs) : "unknown";
  return { together: found, ...(await grow(trying, row)) };
}

// Doubles until it is refused, then halves the gap: the largest number of rows is exact where the server has one.
async function grow(
  trying: Trying,
  row: readonly Tensor[],
): Promise<{ readonly most: number; readonly stopped: string }> {
  const bytesOfRow = row.reduce((sum, { data }) => sum + data.byteLength, 0);
  let most = ROWS_TOGETHER;
  for (let rows = 4; rows <= MOST_ROWS; rows *= 2) {
    if (rows * bytesOfRow > MOST_BYTES) return { most, stopped: "more than 16 MiB were not sent" };
    const startedAt = trying.clock.now();
    const said = await refusalOf(trying.run, row, rows);
    if (said !== undefined) return between(trying.run, row, { most, refused: rows, said });
    most = rows;
    if (trying.clock.now() - startedAt > LONGEST_MS) return { most, stopped: "more would have taken longer than 2 s" };
  }
  return { most, stopped: "more were not tried" };
}

interface Gap {
  readonly most: number;
  readonly refused: number;
  readonly said: string;
}

async function between(run: RunOnce, row: readonly Tensor[], gap: Gap) {
  let { most, refused, said } = gap;
  for (let i = 0; i < MOST_HALVINGS && refused - most > 1; i += 1) {
    const rows = (most + refused) >> 1;
    const words = await refusalOf(run, row, rows);
    if (words === undefined) most = rows;
    else [refused, said] = [rows, words];
  }
  return { most, stopped: `${refused} are refused: ${said}` };
}

async function refusalOf(run: RunOnce, row: readonly Tensor[], rows: number): Promise<string | undefined> {
  const answer = await answerTo(run, joined(Array.from({ length: rows }, () => row)));
  return "refused" in answer ? answer.refused : undefined;
}

async function answerTo(
  run: RunOnce,
  inputs: readonly Tensor[],
): Promise<{ readonly outputs: readonly Tensor[] } | { readonly refused: string }> {
  try {
    return { outputs: await run(inputs) };
  } catch (error) {
    return { refused: asInferError(error).message };
  }
}

function compare(expected: readonly Tensor[], got: readonly Tensor[]): "equal" | "close" | "different" {
  const names = new Map(got.map((tensor) => [tensor.name, tensor]));
  const found = expected.map((tensor) => compareOne(tensor, names.get(tensor.name)));
  if (found.includes("different") || got.length !== expected.length) return "different";
  return found.includes("close") ? "close" : "equal";
}

function compareOne(a: Tensor, b: Tensor | undefined): "equal" | "close" | "different" {
  if (b === undefined || a.datatype !== b.datatype) return "different";
  if (Buffer.compare(a.data, b.data) === 0) return "equal";
  const [left, right] = [floatsOf(a), floatsOf(b)];
  if (left === undefined || right === undefined || left.length !== right.length) return "different";
  const isClose = left.every((x, i) => Math.abs(x - (right[i] ?? Number.NaN)) <= TOLERANCE * Math.max(1, Math.abs(x)));
  return isClose ? "close" : "different";
}

function floatsOf({ datatype, data }: Tensor): Float32Array | Float64Array | undefined {
  // a copy, because views may begin anywhere
  const { buffer } = Uint8Array.from(data);
  if (datatype === "FP32") return new Float32Array(buffer);
  return datatype === "FP64" ? new Float64Array(buffer) : undefined;
}
