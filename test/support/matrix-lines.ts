// Values of the matrix as tables, lines of JSON and forms, and back: written apart from wire/.

import type { WireReply } from "../../core/protocol.ts";
import { type Sent, wholeBody } from "./matrix-client.ts";
import { nested, parseTree, type Tree } from "./matrix-json.ts";
import type { Value } from "./matrix-values.ts";

/** One value for each row; the value itself where it has no rows. */
export function rowsOf(value: Value): readonly Value[] {
  const [rows, ...inner] = value.shape;
  if (rows === undefined) return [value];
  const each = inner.reduce((product, size) => product * size, 1);
  return Array.from({ length: rows }, (_, i) => ({
    ...value,
    shape: inner,
    tokens: value.tokens.slice(i * each, (i + 1) * each),
  }));
}

/** A row a line, as JSON. */
export function jsonLines(value: Value): Sent {
  const lines = rowsOf(value).map((row) => Buffer.concat([nested(row, "b64"), Buffer.from("\n")]));
  return { headers: { "content-type": "application/jsonlines" }, body: Buffer.concat(lines) };
}

/** The lines of an answer as one list. */
export function readLines(reply: WireReply): Tree {
  const lines = wholeBody(reply).toString("latin1").split("\n");
  return parseTree(Buffer.from(`[${lines.filter((line) => line !== "").join(",")}]`, "latin1"));
}

/** A row a line, a cell an element; texts between quotes. */
export function csv(value: Value): Sent {
  const cell = (token: string | Uint8Array) =>
    typeof token === "string" ? token : `"${Buffer.from(token).toString("latin1").replaceAll('"', '""')}"`;
  const lines = rowsOf(value).map(({ tokens }) => `${tokens.map(cell).join(",")}\n`);
  return { headers: { "content-type": "text/csv", accept: "text/csv" }, body: Buffer.from(lines.join(""), "latin1") };
}

/** The cells of an answer: texts where a cell is quoted or the value is one of texts, else tokens. */
export function readCsv(reply: WireReply, { datatype }: Value): Tree {
  const source = wholeBody(reply).toString("latin1");
  const rows: string[][] = [];
  for (const line of source.split("\n").slice(0, -1)) {
    const cells = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)];
    rows.push(cells.map(([, quoted, bare]) => textOf(quoted, bare, datatype)));
  }
  return rows;
}

/** A cell as a leaf of a tree: a text, or a number's token. */
export function textOf(quoted: string | undefined, bare: string | undefined, datatype: Value["datatype"]): string {
  if (datatype === "BYTES") return quoted?.replaceAll('""', '"') ?? bare ?? "";
  return `#${bare}`;
}

const BOUNDARY = "matrix";

/** A form with one part, which is JSON. */
export function form(value: Value): Sent {
  return formOf([["x", value]]);
}

/** A form with a part for each value, which is JSON. */
export function formOf(values: readonly (readonly [name: string, value: Value])[]): Sent {
  const head = (name: string) =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\nContent-Type: application/json\r\n\r\n`;
  const parts = values.flatMap(([name, value]) => [Buffer.from(head(name)), nested(value, "b64"), Buffer.from("\r\n")]);
  return {
    headers: { "content-type": `multipart/form-data; boundary=${BOUNDARY}` },
    body: Buffer.concat([...parts, Buffer.from(`--${BOUNDARY}--\r\n`)]),
  };
}
