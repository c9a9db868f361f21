// Reads the JSON of row protocols (TF Serving, KServe v1, TorchServe, BentoML ...): values of any nesting, rows and columns, into tensors.

import { type InferError, invalid } from "../core/error.ts";
import type { TensorSpec } from "../core/model.ts";
import type { Datatype, Tensor } from "../core/tensor.ts";
import {
  excerpt,
  firstItem,
  firstKey,
  isSliceOver,
  nextItem,
  nextKey,
  readText,
  type Scanner,
  STEP_BYTES,
  skipSpace,
  spend,
} from "./json-scan.ts";
import { type OpenSink, openGrowingSink, openInferringSink } from "./json-sink.ts";
import { skipValue } from "./json-skip.ts";
import { openWalk, shapeOf, type Walk, walkAgain, walkOn } from "./json-walk.ts";
import type { Sliced } from "./sliced.ts";

/** What is known of a tensor before it is read; a `TensorSpec` is one. What is absent is found out from the text. */
export type RowSpec = Pick<TensorSpec, "name" | "optional"> & {
  readonly datatype?: Datatype;
  /** With its batch dimension, where it has one; -1 where any size is taken. Absent: any shape. */
  readonly shape?: readonly number[];
};

/** Where a value stands, and what is known of it. */
export interface ReadOne {
  readonly spec: RowSpec;
  /** `input "x"`: how errors name it. */
  readonly label: string;
  /** How many arrays and objects are open around the value: 1 for a member of the body's object. */
  readonly depth: number;
}

/** What is known of several tensors that stand in one value. */
export interface ReadMany {
  /** How errors name a tensor. */
  readonly word: "input" | "output";
  /** How errors name the value: `instances`, `predictions`. */
  readonly label: string;
  readonly depth: number;
  /** The tensors of the signature; absent where nothing is known and types are inferred. */
  readonly specs?: readonly RowSpec[];
  /** The name of the one tensor of bare values when there are no specs. */
  readonly bareName: string;
  /** What becomes of a name that no spec has: `refuse` when absent, `skip`, or `infer` to read it like an unknown one. */
  readonly extra?: "refuse" | "skip" | "infer";
  /** Names beyond this are refused. */
  readonly maxTensors: number;
}

/** Tensors as they stood: in the specs' order, else in that of the text. */
export interface ReadTensors {
  readonly tensors: readonly Tensor[];
  /** `bare`: the one tensor without a name; `named`: objects of named values. */
  readonly form: "bare" | "named";
}

/**
 * Reads one value of any nesting into a tensor: a bare scalar, or arrays within arrays. Its shape is that of its
 * nesting. Numbers, booleans, strings and `{"b64": "..."}` are elements; integers of 64 bits are exact; NaN, Infinity
 * and -Infinity tokens are floats. Without a datatype: true and false BOOL, integers INT64, other numbers FP32, text
 * BYTES; FP32 where there is no element.
 *
 * @throws InferError invalid-argument for a ragged value or one that is not the spec's, naming the place; unsupported
 * for FP16 and BF16, which have no JSON form
 */
export function* readValue(s: Scanner, one: ReadOne): Sliced<Tensor> {
  const column = openColumn(one.spec, { ...one, root: () => "data" });
  yield* readNext(s, column);
  return tensorOf(column, shapeOf(column.walk));
}

/**
 * Reads a list of rows, each a bare value or an object of named values, into one tensor per name with the number of
 * rows as its first dimension. Every row has the same names and shapes. An object whose first name is `b64` is an
 * element, not a row of names, unless a spec is called so.
 *
 * @throws InferError invalid-argument for rows that differ, a name that is missing, unknown or stands twice, and all
 * that `readValue` refuses
 */
export function* readRows(s: Scanner, many: ReadMany): Sliced<ReadTensors> {
  const first = skipSpace(s);
  if (first !== 0x5b) {
    const instead = first === 0x7b ? "" : "; columns, or the Open Inference Protocol, carry a scalar";
    throw invalid(`${many.label}: expected a list, got ${excerpt(s, s.at)}${instead}`);
  }
  const from = s.at;
  const isNamed = firstItem(s, "[") && beginsNames(s, many);
  const isEmpty = !isNamed && s.text[s.at - 1] === 0x5d;
  if (isEmpty && many.specs !== undefined && many.specs.length > 1) return noRows(many.specs, many);
  if (!isNamed) {
    s.at = from;
    const spec = bareSpec(many);
    return yield* readBare(s, spec.shape?.length === 0 ? { name: spec.name, ...typeOf(spec) } : spec, many);
  }
  const columns: Columns = { byName: new Map(), row: 0 };
  do {
    if (skipSpace(s) !== 0x7b) throw invalid(`${placeOf(many, columns)}: expected an object, got ${excerpt(s, s.at)}`);
    yield* readRow(s, columns, many);
    columns.row += 1;
  } while (nextItem(s));
  const rows = columns.row;
  return { tensors: inOrder(columns, many, (walk) => [rows, ...shapeOf(walk)]), form: "named" };
}

/**
 * Reads one value for the only tensor, or an object of one value for each name: columns, whose first dimensions are
 * their own.
 *
 * @throws InferError invalid-argument as `readRows`
 */
export function* readColumns(s: Scanner, many: ReadMany): Sliced<ReadTensors> {
  if (!beginsNames(s, many)) return yield* readBare(s, bareSpec(many), many);
  const columns: Columns = { byName: new Map(), row: -1 };
  yield* readRow(s, columns, many);
  return { tensors: inOrder(columns, many, shapeOf), form: "named" };
}

/** One tensor being read, value by value. */
interface Column {
  readonly name: string;
  readonly sink: OpenSink;
  readonly walk: Walk;
  /** The row that it was last seen in. */
  row: number;
}

interface Columns {
  readonly byName: Map<string, Column>;
  /** The row being read; -1 where the columns stand in one object. */
  row: number;
}

interface ColumnPlace {
  readonly label: string;
  readonly depth: number;
  readonly root: () => string;
}

function openColumn(spec: RowSpec, place: ColumnPlace): Column {
  const { datatype, shape, name } = spec;
  const sink = datatype === undefined ? openInferringSink() : openGrowingSink(datatype, place.label);
  const { label, root, depth } = place;
  const walk = openWalk({ label, root, depth, flat: false, ...(shape === undefined ? {} : { shape }) });
  return { name, sink, walk, row: Number.NaN };
}

function* readNext(s: Scanner, { walk, sink }: Column): Sliced<void> {
  walkAgain(walk);
  while (!walkOn(s, walk, sink.leaf)) {
    if (isSliceOver(s)) yield;
  }
}

function tensorOf({ name, sink }: Column, shape: readonly number[]): Tensor {
  return { name, datatype: sink.datatype(), shape, data: sink.finish() };
}

const typeOf = ({ datatype }: RowSpec) => (datatype === undefined ? {} : { datatype });

const labelOf = (many: ReadMany, name: string) => `${many.word} "${name}"`;

const placeOf = (many: ReadMany, columns: Columns) => (columns.row < 0 ? many.label : `${many.label}[${columns.row}]`);

// Whether an object of names stands here; what begins with "b64" is an element.
function beginsNames(s: Scanner, many: ReadMany): boolean {
  if (skipSpace(s) !== 0x7b) return false;
  const from = s.at;
  s.at += 1;
  const isElement = skipSpace(s) === 0x22 && readText(s) === "b64" && !many.specs?.some(({ name }) => name === "b64");
  s.at = from;
  return !isElement;
}

function bareSpec(many: ReadMany): RowSpec {
  const { specs, bareName } = many;
  if (specs === undefined) return { name: bareName };
  const needed = specs.length === 1 ? specs : specs.filter(({ optional }) => optional !== true);
  const [only, ...others] = needed;
  if (only !== undefined && others.length === 0) return only;
  throw invalid(`${many.label}: expected ${many.word}s by name (${namesOf(specs)}), got bare values`);
}

function* readBare(s: Scanner, spec: RowSpec, many: ReadMany): Sliced<ReadTensors> {
  const { label, depth } = many;
  const column = openColumn(spec, { label: labelOf(many, spec.name), depth, root: () => label });
  yield* readNext(s, column);
  return { tensors: [tensorOf(column, shapeOf(column.walk))], form: "bare" };
}

function noRows(specs: readonly RowSpec[], many: ReadMany): ReadTensors {
  const tensors = specs.map((spec) => {
    const column = openColumn(spec, { label: labelOf(many, spec.name), depth: 0, root: () => many.label });
    return tensorOf(column, [0, ...shapeOf(column.walk).slice(1)]);
  });
  return { tensors, form: "named" };
}

// One object of named values.
function* readRow(s: Scanner, columns: Columns, many: ReadMany): Sliced<void> {
  const { byName, row } = columns;
  const inRow = row < 0 ? 1 : 2;
  let seen = 0;
  for (let key = firstKey(s, "an object"); key !== undefined; key = nextKey(s)) {
    const column = byName.get(key) ?? addColumn(columns, key, many);
    skipSpace(s);
    if (column === undefined) {
      yield* skipValue(s, many.depth + inRow);
    } else {
      if (column.row === row) throw invalid(`${placeOf(many, columns)}: "${key}" stands twice`);
      column.row = row;
      seen += 1;
      yield* readNext(s, column);
    }
    spend(s, STEP_BYTES);
    if (isSliceOver(s)) yield;
  }
  if (row <= 0) checkNames(columns, many);
  else if (seen < byName.size) throw missing(columns, many, (name) => byName.get(name)?.row === row);
}

// Undefined for a name that is to be stepped over.
function addColumn(columns: Columns, name: string, many: ReadMany): Column | undefined {
  const { specs, extra = "refuse" } = many;
  const known = specs?.find((spec) => spec.name === name);
  if (specs !== undefined && known === undefined && extra === "skip") return undefined;
  const isUnknown = specs !== undefined && known === undefined && extra === "refuse";
  if (isUnknown || columns.row > 0) {
    const expected = specs === undefined ? [...columns.byName.values()] : specs;
    throw invalid(
      `${placeOf(many, columns)}: expected ${many.word}s ${namesOf(expected)}, got ${JSON.stringify(name.slice(0, 64))}`,
    );
  }
  if (columns.byName.size === many.maxTensors) {
    throw invalid(`${placeOf(many, columns)}: expected at most ${many.maxTensors} names, got more`);
  }
  const spec = known ?? { name };
  const isRow = columns.row >= 0;
  const column = openColumn(isRow ? withoutRows(spec) : spec, {
    label: labelOf(many, name),
    depth: many.depth + (isRow ? 2 : 1),
    root: () => `${placeOf(many, columns)}[${JSON.stringify(name)}]`,
  });
  columns.byName.set(name, column);
  return column;
}

// A row's part of the shape; a scalar has none, so its rows may have any.
function withoutRows(spec: RowSpec): RowSpec {
  const { name, shape } = spec;
  return { name, ...typeOf(spec), ...(shape === undefined || shape.length === 0 ? {} : { shape: shape.slice(1) }) };
}

function checkNames(columns: Columns, many: ReadMany): void {
  const needed = (many.specs ?? []).filter(({ optional }) => optional !== true);
  if (!needed.every(({ name }) => columns.byName.has(name))) {
    throw missing(columns, many, (name) => columns.byName.has(name));
  }
}

function missing(columns: Columns, many: ReadMany, isThere: (name: string) => boolean): InferError {
  const needed = (many.specs ?? []).filter(({ optional }) => optional !== true).map(({ name }) => name);
  const names = [...new Set([...needed, ...columns.byName.keys()])].filter((name) => !isThere(name));
  const list = names.slice(0, SHOWN_NAMES).map((name) => `"${name}"`);
  return invalid(`${placeOf(many, columns)}: expected ${many.word} ${list.join(", ")}, got none`);
}

/** Names that a message lists at most. */
const SHOWN_NAMES = 16;

function namesOf(named: readonly { readonly name: string }[]): string {
  const shown = named.slice(0, SHOWN_NAMES).map(({ name }) => name);
  return named.length > shown.length ? `${shown.join(", ")} ...` : shown.join(", ");
}

function inOrder(columns: Columns, many: ReadMany, shape: (walk: Walk) => readonly number[]): readonly Tensor[] {
  const first = (many.specs ?? []).map(({ name }) => columns.byName.get(name)).filter((column) => column !== undefined);
  const all = new Set([...first, ...columns.byName.values()]);
  return [...all].map((column) => tensorOf(column, shape(column.walk)));
}
