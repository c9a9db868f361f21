// Tables of comma-separated values, as SageMaker's containers take and give them, to and from tensors. Source: RFC 4180.

import { isUtf8 } from "node:buffer";
import { InferError, invalid } from "../core/error.ts";
import { bytesElements, elementCount, type Tensor } from "../core/tensor.ts";
import { type RowSpec, readValue } from "./json-rows.ts";
import { writeValue } from "./json-rows-write.ts";
import { openScanner } from "./json-scan.ts";
import { finishWriter, openWriter, put, written } from "./json-write.ts";
import { hasRowLines, ROW_BYTES, writeRowLines } from "./row-lines.ts";
import { isDue, openPace, type Sliced, type SliceOptions } from "./sliced.ts";
import { splitRows } from "./split-rows.ts";
import { findInvalidUtf8 } from "./utf8.ts";

/** Source: RFC 4180, section 3. */
export const CSV_TYPE = "text/csv";

/**
 * Writes a line for each row: the elements of each tensor's row one after the other, tensors in their order. Numbers are
 * exact, NaN and infinities as Python's float() reads them; texts are quoted where they have to be.
 *
 * @throws InferError unsupported for tensors without equal first dimensions, FP16 and BF16
 */
export function* encodeCsv(tensors: readonly Tensor[], options: SliceOptions = {}): Sliced<readonly Uint8Array[]> {
  const [first, second] = tensors;
  if (first !== undefined && second === undefined && hasRowLines(first)) {
    const rows = first.shape[0] as number;
    const table = { ...first, shape: [rows, elementCount(first.shape) / rows] };
    return yield* writeRowLines(table, { brackets: false }, options);
  }
  const w = openWriter();
  const pace = openPace(options);
  for (const row of splitRows(tensors)) {
    let before = "";
    for (const tensor of row) {
      const from = written(w);
      put(w, before);
      if (tensor.datatype === "BYTES") put(w, [...bytesElements(tensor.data)].map(cellOf).join(","));
      else put(w, yield* numbersOf(tensor, options));
      if (isDue(pace, written(w) - from + ROW_BYTES)) yield;
      before = ",";
    }
    put(w, "\n");
  }
  return finishWriter(w).parts;
}

// A flat JSON array of numbers is a line of CSV between brackets.
function* numbersOf(tensor: Tensor, options: SliceOptions): Sliced<string> {
  const w = openWriter();
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  yield* writeValue(w, { ...tensor, shape: [count] }, { word: "input", pace: openPace(options), form: "bare" });
  const json = Buffer.concat(finishWriter(w).parts).toString("latin1", 1);
  return json.slice(0, -1);
}

function cellOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new InferError("unsupported", "a text that is not UTF-8 cannot stand in a table");
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  // an empty cell alone would be a blank line, which is none
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What is known of a table before it is read. */
export interface KnownTable {
  /** Its tensors, each as many columns as its shape says behind the first dimension; absent: one tensor of all columns. */
  readonly specs?: readonly RowSpec[];
  /** The name of the one tensor where there are no specs. */
  readonly bareName: string;
}

/** The most columns of a table. */
const MAX_COLUMNS = 65_536;

/**
 * Reads a table without a header. Without a datatype a tensor is INT64 where every cell is an integer, FP32 where every
 * cell is a number, else BYTES.
 *
 * @throws InferError invalid-argument for rows of different lengths, quotes that do not end, cells that are not the
 * datatype's
 */
export function* decodeCsv(body: Uint8Array, known: KnownTable, options: SliceOptions = {}): Sliced<readonly Tensor[]> {
  const wrong = yield* findInvalidUtf8(body);
  if (wrong >= 0) throw invalid(`malformed CSV at byte ${wrong}: expected UTF-8; other bytes go in as JSON`);
  const rows = yield* readCells(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"), options);
  const width = rows[0]?.length ?? 0;
  const { specs } = known;
  if (specs === undefined || specs.length <= 1) {
    const spec = specs?.[0] ?? { name: known.bareName };
    // one column that is declared as one number a row
    const isFlat = spec.shape?.length === 1 && width <= 1;
    return [yield* tableTensor(rows, { spec, from: 0, to: width, isFlat }, options)];
  }
  const widths = specs.map(({ shape }) => (shape ?? []).slice(1).reduce((product, size) => product * size, 1));
  const needed = widths.reduce((sum, each) => sum + each, 0);
  if (widths.some((each) => each < 0) || (rows.length > 0 && needed !== width)) {
    throw invalid(
      `the table: expected ${needed} columns for ${specs.map(({ name }) => name).join(", ")}, got ${width}`,
    );
  }
  const tensors: Tensor[] = [];
  let from = 0;
  for (const [i, spec] of specs.entries()) {
    const to = from + (widths[i] as number);
    tensors.push(yield* tableTensor(rows, { spec, from, to, isFlat: spec.shape?.length === 1 }, options));
    from = to;
  }
  return tensors;
}

interface Columns {
  readonly spec: RowSpec;
  readonly from: number;
  readonly to: number;
  readonly isFlat: boolean;
}

const NUMBER = /^-?(?:(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|NaN|Infinity|Inf)$/;

// Cells become the elements of a JSON array, so that numbers are read by the one reader of numbers.
function* tableTensor(
  rows: readonly (readonly string[])[],
  { spec, from, to, isFlat }: Columns,
  options: SliceOptions,
): Sliced<Tensor> {
  const pace = openPace(options);
  const w = openWriter();
  const isText =
    spec.datatype === "BYTES" || (spec.datatype === undefined && !(yield* allNumbers(rows, { from, to }, options)));
  const readCell = isText ? (cell: string) => JSON.stringify(cell) : spec.datatype === "BOOL" ? boolOf : numberOf;
  put(w, "[");
  for (const [i, row] of rows.entries()) {
    const cells = row.slice(from, to).map(readCell);
    const line = isFlat ? cells.join(",") : `[${cells.join(",")}]`;
    put(w, i === 0 ? line : `,${line}`);
    if (isDue(pace, line.length * 8 + ROW_BYTES / 4)) yield;
  }
  put(w, "]");
  const s = openScanner(Buffer.concat(finishWriter(w).parts), { ...options, maxNesting: 8 });
  return yield* readValue(s, { spec: withoutInner(spec, isFlat), label: `column "${spec.name}"`, depth: 0 });
}

// A table is flat behind its rows, whatever the shape behind the first dimension.
function withoutInner({ name, datatype, shape }: RowSpec, isFlat: boolean): RowSpec {
  const type = datatype === undefined ? {} : { datatype };
  return shape === undefined ? { name, ...type } : { name, ...type, shape: isFlat ? [-1] : [-1, -1] };
}

function* allNumbers(
  rows: readonly (readonly string[])[],
  { from, to }: { readonly from: number; readonly to: number },
  options: SliceOptions,
): Sliced<boolean> {
  const pace = openPace(options);
  for (const row of rows) {
    for (let i = from; i < to; i++) if (!NUMBER.test(numberOf(row[i] as string))) return false;
    if (isDue(pace, (to - from) * 16)) yield;
  }
  return true;
}

// Python writes `True`, R `TRUE`, and both 1 where a table has numbers only.
function boolOf(cell: string): string {
  const text = cell.trim().toLowerCase();
  if (text === "true" || text === "1") return "true";
  return text === "false" || text === "0" ? "false" : JSON.stringify(cell);
}

// Python and R write `nan`, `inf`, `.5`, `1.` and `+1`.
function numberOf(cell: string): string {
  const text = cell.trim();
  if (NUMBER.test(text)) return text;
  const odd = /^([+-]?)(nan|inf|infinity)$/i.exec(text);
  if (odd !== null) return /^nan$/i.test(odd[2] as string) ? "NaN" : `${odd[1] === "-" ? "-" : ""}Infinity`;
  const loose = /^([+-]?)(\d*)\.?(\d*)([eE][+-]?\d+)?$/.exec(text);
  if (loose === null || (loose[2] === "" && loose[3] === "")) return JSON.stringify(cell);
  const [, sign, whole = "", rest = "", exponent = ""] = loose;
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  return `${sign === "-" ? "-" : ""}${digits}${text.includes(".") ? `.${rest || "0"}` : ""}${exponent}`;
}

function* readCells(text: string, options: SliceOptions): Sliced<readonly (readonly string[])[]> {
  const pace = openPace(options);
  const rows: string[][] = [];
  const end = text.length;
  let at = 0;
  while (at < end) {
    const row: string[] = [];
    const from = at;
    for (;;) {
      const cell = text[at] === '"' ? quotedCell(text, at) : plainCell(text, at);
      row.push(cell.value);
      if (row.length > MAX_COLUMNS)
        throw invalid(`row ${rows.length}: expected at most ${MAX_COLUMNS} columns, got more`);
      at = cell.at;
      if (text[at] !== ",") break;
      at += 1;
    }
    if (text[at] === "\r") at += 1;
    if (at < end && text[at] !== "\n")
      throw invalid(`row ${rows.length}: expected a comma or the end of the line after "`);
    at += 1;
    if (row.length === 1 && row[0] === "" && at - from <= 2) continue;
    const first = rows[0];
    if (first !== undefined && first.length !== row.length) {
      throw invalid(`row ${rows.length}: expected ${first.length} cells, got ${row.length}`);
    }
    rows.push(row);
    if (isDue(pace, (at - from) * 8 + ROW_BYTES / 4)) yield;
  }
  return rows;
}

interface Cell {
  readonly value: string;
  /** The place behind it. */
  readonly at: number;
}

function plainCell(text: string, from: number): Cell {
  let at = from;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit === 0x2c || unit === 0x0a) break;
    at += 1;
  }
  const to = text.charCodeAt(at - 1) === 0x0d && at > from ? at - 1 : at;
  return { value: text.slice(from, to), at: to };
}

function quotedCell(text: string, from: number): Cell {
  let value = "";
  let at = from + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw invalid(`malformed CSV: the quote at character ${from} does not end`);
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { value, at: quote + 1 };
    value += '"';
    at = quote + 2;
  }
}
