// Protobuf messages as tables of fields: a table is the message's type, its reader and its writer.

import { invalid } from "../core/error.ts";
import {
  bigintOf,
  type FieldBudget,
  longOf,
  MAX_FIELDS,
  openNested,
  openReader,
  openWriter,
  type ProtoReader,
  type ProtoWriter,
  readFields,
  readText,
  WIRE,
} from "./protobuf.ts";

/** One kind of value: how it stands behind its tag. */
export interface Kind<T> {
  readonly wire: number;
  /** What a field that is absent means. */
  readonly empty: T;
  isEmpty(value: T): boolean;
  read(reader: ProtoReader, budget: FieldBudget): T;
  write(writer: ProtoWriter, value: T): void;
}

/** A field of a message: its number, and what is collected of it. */
export interface Field<T> {
  readonly number: number;
  /** What an absent field means; a list or a map is a new one, to be filled. */
  initial(): T;
  /** The value after one more occurrence; undefined when the wire type is not the field's. */
  read(reader: ProtoReader, at: Occurrence<T>): T | undefined;
  write(writer: ProtoWriter, value: T): void;
}

/** One occurrence of a field on the wire. */
export interface Occurrence<T> {
  readonly wire: number;
  readonly before: T;
  readonly budget: FieldBudget;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

/** The values of a table's fields. */
export type Values<F extends Fields> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A message: its fields as an object. It is a kind too, for the messages around it. */
export interface Message<T> extends Kind<T> {
  /** Fields that are absent have their empty values. @throws InferError invalid-argument for bytes that are no such message */
  decode(message: Uint8Array): T;
  /** Fields that are not given are left out, as are those with their empty values. */
  encode(value: Partial<T>): Uint8Array;
}

/** What a message of the table reads and writes. */
export type ValueOf<M> = M extends Message<infer T> ? T : never;

function kind<T>(wire: number, empty: T, ways: Pick<Kind<T>, "read" | "write">): Kind<T> {
  return { wire, empty, isEmpty: (value) => value === empty, ...ways };
}

export const TEXT = kind<string>(WIRE.bytes, "", { read: readText, write: (w, value) => w.string(value) });
export const BOOL = kind<boolean>(WIRE.varint, false, { read: (r) => r.bool(), write: (w, value) => w.bool(value) });
export const INT32 = kind<number>(WIRE.varint, 0, { read: (r) => r.int32(), write: (w, value) => w.int32(value) });
export const UINT32 = kind<number>(WIRE.varint, 0, { read: (r) => r.uint32(), write: (w, value) => w.uint32(value) });
export const FLOAT = kind<number>(WIRE.fixed32, 0, { read: (r) => r.float(), write: (w, value) => w.float(value) });
export const DOUBLE = kind<number>(WIRE.fixed64, 0, { read: (r) => r.double(), write: (w, value) => w.double(value) });
export const INT64 = kind<bigint>(WIRE.varint, 0n, {
  read: (r) => bigintOf(r.int64()),
  write: (w, value) => w.int64(longOf(value)),
});
export const UINT64 = kind<bigint>(WIRE.varint, 0n, {
  read: (r) => bigintOf(r.uint64()),
  write: (w, value) => w.uint64(longOf(value)),
});
export const BYTES: Kind<Uint8Array> = {
  wire: WIRE.bytes,
  empty: new Uint8Array(0),
  isEmpty: (value) => value.byteLength === 0,
  read: (r) => r.bytes(),
  write: (w, value) => w.bytes(value),
};

/** A number that is a word of a list; numbers beyond the list are read and written in digits. */
export function wordOf(words: readonly string[]): Kind<string> {
  return kind(WIRE.varint, words[0] ?? "0", {
    read(r) {
      const number = r.int32();
      return words[number] ?? String(number);
    },
    write(w, value) {
      const number = words.indexOf(value);
      w.int32(number < 0 ? Number(value) : number);
    },
  });
}

/** A field that is its kind's empty value when absent. */
export function one<T>(number: number, of: Kind<T>): Field<T> {
  return {
    number,
    initial: () => of.empty,
    read: (r, at) => (at.wire === of.wire ? of.read(r, at.budget) : undefined),
    write(w, value) {
      if (!of.isEmpty(value)) putField(w, number, { of, value });
    },
  };
}

/** A field that is undefined when absent: a message, or one of a `oneof`, which are left out but for one. */
export function maybe<T>(number: number, of: Kind<T>): Field<T | undefined> {
  return {
    number,
    initial: () => undefined,
    read: (r, at) => (at.wire === of.wire ? of.read(r, at.budget) : undefined),
    write(w, value) {
      if (value !== undefined) putField(w, number, { of, value });
    },
  };
}

/** A repeated field; numbers are written packed and read either way. */
export function many<T>(number: number, of: Kind<T>): Field<readonly T[]> {
  return {
    number,
    initial: () => [],
    read(r, at) {
      const values = at.before as T[];
      if (at.wire === of.wire) values.push(of.read(r, at.budget));
      else if (at.wire === WIRE.bytes) readPacked(r, of, { values, budget: at.budget });
      else return undefined;
      return values;
    },
    write(w, values) {
      if (values.length === 0) return;
      if (of.wire === WIRE.bytes) {
        for (const value of values) putField(w, number, { of, value });
        return;
      }
      w.uint32((number << 3) | WIRE.bytes).fork();
      for (const value of values) of.write(w, value);
      w.ldelim();
    },
  };
}

/** A map; the last entry of a key holds. */
export function mapOf<K, V>(number: number, keys: Kind<K>, values: Kind<V>): Field<ReadonlyMap<K, V>> {
  const entry = message({ key: one(1, keys), value: maybe(2, values) });
  return {
    number,
    initial: () => new Map(),
    read(r, at) {
      if (at.wire !== WIRE.bytes) return undefined;
      const { key, value } = entry.read(r, at.budget);
      return (at.before as Map<K, V>).set(key, value ?? values.empty);
    },
    write(w, map) {
      for (const [key, value] of map) putField(w, number, { of: entry, value: { key, value } });
    },
  };
}

/** A message of these fields. */
export function message<F extends Fields>(fields: F): Message<Values<F>> {
  const names = Object.entries<Field<unknown>>(fields).sort((a, b) => a[1].number - b[1].number);
  const byNumber = new Map(names.map(([name, field]) => [field.number, [name, field] as const]));
  const fresh = () => Object.fromEntries(names.map(([name, field]) => [name, field.initial()]));

  const readAll = (reader: ProtoReader, budget: FieldBudget): Values<F> => {
    const values: Record<string, unknown> = fresh();
    readFields(reader, budget, (number, wire) => {
      const known = byNumber.get(number);
      if (known === undefined) return false;
      const [name, field] = known;
      const value = field.read(reader, { wire, before: values[name], budget });
      if (value === undefined) return false;
      values[name] = value;
      return true;
    });
    return values as Values<F>;
  };
  const writeAll = (writer: ProtoWriter, given: Partial<Values<F>>): ProtoWriter => {
    for (const [name, field] of names) {
      const value = given[name as keyof F];
      if (value !== undefined) field.write(writer, value);
    }
    return writer;
  };
  return {
    wire: WIRE.bytes,
    empty: fresh() as Values<F>,
    isEmpty: () => false,
    read: (reader, budget) => readAll(openNested(reader), budget),
    write: (writer, value) => writeAll(writer.fork(), value).ldelim(),
    decode: (bytes) => readAll(openReader(bytes), { left: MAX_FIELDS }),
    encode: (value) => writeAll(openWriter(), value).finish(),
  };
}

/**
 * A message's value as plain JSON: maps as objects, what is undefined left out, 64-bit integers as numbers (rounded
 * beyond 2^53, as JSON's readers do), bytes in base64.
 */
export function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(
    entries.filter(([, item]) => item !== undefined).map(([key, item]) => [String(key), plain(item)]),
  );
}

function putField<T>(w: ProtoWriter, number: number, { of, value }: { readonly of: Kind<T>; readonly value: T }): void {
  w.uint32((number << 3) | of.wire);
  of.write(w, value);
}

function readPacked<T>(
  r: ProtoReader,
  of: Kind<T>,
  into: { readonly values: T[]; readonly budget: FieldBudget },
): void {
  const end = r.size() + r.pos;
  if (end > r.len) throw invalid(`malformed protobuf message: a list ends at byte ${end} of ${r.len}`);
  while (r.pos < end) {
    if (into.budget.left === 0) throw invalid(`a protobuf message has over ${MAX_FIELDS} values`);
    into.budget.left -= 1;
    into.values.push(of.read(r, into.budget));
  }
}
