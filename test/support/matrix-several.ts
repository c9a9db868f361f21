// The matrix for two inputs at once: how the clients of each front send them, and read two outputs.

import type { WireReply } from "../../core/protocol.ts";
import { json, LENGTH, type Sent, wholeBody } from "./matrix-client.ts";
import { type Named, type ReadAll, readOipAll, readPredictAll, writeOipAll, writePredictAll } from "./matrix-grpc.ts";
import { flat, nested, parseTree, readNest, type Tree } from "./matrix-json.ts";
import { formOf, rowsOf, textOf } from "./matrix-lines.ts";
import { bytesField, payloadsOf } from "./matrix-protobuf.ts";
import { type Value, value } from "./matrix-values.ts";

/** Two inputs, `x` and `w`. */
export interface Pair {
  readonly name: string;
  readonly x: Value;
  readonly w: Value;
}

const numbers = value("numbers", "FP32", [2, 2], ["0.10000000149011612", "-0.0", "1.5", "3.4028234663852886e38"]);
const wide = ["-9223372036854775808", "9223372036854775807", "9007199254740993"];

/** In the order of the table. */
export const PAIRS: readonly Pair[] = [
  { name: "FP32 [2,2], INT64 [2,1]", x: numbers, w: value("wide", "INT64", [2, 1], wide.slice(0, 2)) },
  { name: "FP32 [2,2], INT64 [3,1]", x: numbers, w: value("wide", "INT64", [3, 1], wide) },
  {
    name: "BYTES [2,1], FP32 [2,2]",
    x: value("texts", "BYTES", [2, 1], [Buffer.from('a,"b"\n'), Buffer.from("é€😀")]),
    w: value("numbers", "FP32", [2, 2], ["1.5", "2.0", "3.0", "-0.0"]),
  },
];

/** How a front's clients send a pair; undefined for one that the form has no room for. */
export interface SeveralForm {
  send(pair: Pair, model: string): Sent | undefined;
  /** The outputs by their names; `at` says where each stands in a row without names. */
  read(reply: WireReply, pair: Pair): ReadAll;
}

const named = ({ x, w }: Pair): Named => [
  ["x", x],
  ["w", w],
];
/** What an output is alike: a server that echoes keeps names, the local model has `u` and `v`. */
const likeOf =
  ({ x, w }: Pair) =>
  (name: string): Value =>
    name === "x" || name === "u" ? x : w;

const member = (tree: Tree | undefined, key: string | number): Tree =>
  (tree as Readonly<Record<string, Tree>>)[key] as Tree;

const OIP_HEAD = (name: string, { shape, datatype }: Value) =>
  `"name":"${name}","shape":[${shape}],"datatype":"${datatype}"`;

function readOip(reply: WireReply, pair: Pair): ReadAll {
  const body = wholeBody(reply);
  const length = reply.headers[LENGTH] === undefined ? body.byteLength : Number(reply.headers[LENGTH]);
  let at = length;
  const outputs = member(parseTree(body.subarray(0, length)), "outputs") as readonly Tree[];
  return new Map(
    outputs.map((output) => {
      const name = member(output, "name") as string;
      const datatype = member(output, "datatype") as string;
      const shape = (member(output, "shape") as readonly string[]).map((size) => Number(size.slice(1)));
      const like = likeOf(pair)(name);
      if (length === body.byteLength)
        return [name, { datatype, shape, data: readNest(member(output, "data"), like).data }];
      at += like.data.byteLength;
      return [name, { datatype, shape, data: body.subarray(at - like.data.byteLength, at) }];
    }),
  );
}

const columns = (tree: Tree, pair: Pair): ReadAll =>
  new Map(Object.entries(tree as object).map(([name, own]) => [name, readNest(own as Tree, likeOf(pair)(name))]));

/** Rows as objects of outputs, as columns. */
function turned(rows: Tree): Tree {
  const [first = {}] = rows as readonly { readonly [key: string]: Tree }[];
  const names = Object.keys(first);
  return Object.fromEntries(names.map((name) => [name, (rows as readonly Tree[]).map((row) => member(row, name))]));
}

/** A list of rows, each an object; undefined where there are not equally many of both. */
function objects(pair: Pair): Buffer | undefined {
  const lines = lineObjects(pair);
  return lines === undefined ? undefined : Buffer.from(`[${lines.join(",")}]`, "latin1");
}

function lineObjects({ x, w }: Pair): readonly string[] | undefined {
  const [xs, ws] = [rowsOf(x), rowsOf(w)];
  if (xs.length !== ws.length) return undefined;
  const text = (one: Value) => nested(one, "b64").toString("latin1");
  return xs.map((one, i) => `{"x":${text(one)},"w":${text(ws[i]!)}}`);
}

const instances = (pair: Pair): Sent | undefined => {
  const rows = objects(pair);
  return rows === undefined ? undefined : json('{"instances":', rows, "}");
};
const inRows = (tree: Tree, pair: Pair) => columns(turned(tree), pair);
const V1: SeveralForm = {
  send: instances,
  read: (reply, pair) => inRows(member(parseTree(wholeBody(reply)), "predictions"), pair),
};
const alone: SeveralForm["read"] = (reply, pair) => inRows(parseTree(wholeBody(reply)), pair);

/** A table's rows: the cells of x, then those of w. */
function table({ x, w }: Pair): Sent | undefined {
  const [xs, ws] = [rowsOf(x), rowsOf(w)];
  if (xs.length !== ws.length) return undefined;
  const lines = xs.map((one, i) => `${[...one.tokens, ...ws[i]!.tokens].map(cell).join(",")}\n`);
  return { headers: { "content-type": "text/csv", accept: "text/csv" }, body: Buffer.from(lines.join(""), "latin1") };
}

const cell = (token: string | Uint8Array) =>
  typeof token === "string" ? token : `"${Buffer.from(token).toString("latin1").replaceAll('"', '""')}"`;

function readTable(reply: WireReply, { x, w }: Pair): ReadAll {
  const source = wholeBody(reply).toString("latin1");
  const cells = [...source.matchAll(/(?:"((?:[^"]|"")*)"|([^,\n]*))[,\n]/g)];
  const width = ({ shape }: Value) => shape.slice(1).reduce((product, size) => product * size, 1);
  const [wx, ww] = [width(x), width(w)];
  const of = (like: Value, from: number, count: number) => {
    const rows = Array.from({ length: like.shape[0]! }, (_, i) =>
      cells.slice(i * (wx + ww) + from, i * (wx + ww) + from + count).map(([, a, b]) => textOf(a, b, like.datatype)),
    );
    return readNest(rows, like);
  };
  return new Map([
    ["x", of(x, 0, wx)],
    ["w", of(w, wx, ww)],
  ]);
}

const none: SeveralForm = {
  send: () => undefined,
  read: () => new Map(),
};
const oip = { read: readOip };
const PREDICTIONS = (pair: Pair) => instances(pair)?.body;

/** By the front and form of the matrix. */
export const SEVERAL: Readonly<Record<string, SeveralForm>> = {
  "oip-rest, JSON": {
    ...oip,
    send: (pair) => {
      const inputs = named(pair).map(
        ([name, own]) => `{${OIP_HEAD(name, own)},"data":${flat(own, "raw").toString("latin1")}}`,
      );
      return json('{"inputs":[', Buffer.from(inputs.join(","), "latin1"), "]}");
    },
  },
  "oip-rest, binary": {
    ...oip,
    send(pair) {
      const inputs = named(pair).map(
        ([name, own]) => `{${OIP_HEAD(name, own)},"parameters":{"binary_data_size":${own.data.byteLength}}}`,
      );
      const text = `{"parameters":{"binary_data_output":true},"inputs":[${inputs.join(",")}]}`;
      const headers = { "content-type": "application/octet-stream", [LENGTH]: `${text.length}` };
      return { headers, body: Buffer.concat([Buffer.from(text), ...named(pair).map(([, own]) => own.data)]) };
    },
  },
  "oip-grpc, raw": { send: (pair, model) => ({ body: writeOipAll(named(pair), model, "raw") }), read: readOipAll },
  "oip-grpc, typed": { send: (pair, model) => ({ body: writeOipAll(named(pair), model, "typed") }), read: readOipAll },
  "tfs-rest, column": {
    send: ({ x, w }) => json('{"inputs":{"x":', nested(x, "b64"), ',"w":', nested(w, "b64"), "}}"),
    read: (reply, pair) => columns(member(parseTree(wholeBody(reply)), "outputs"), pair),
  },
  "tfs-rest, row": V1,
  "tfs-grpc, tensor_content": {
    send: (pair, model) => ({ body: writePredictAll(named(pair), model, "content") }),
    read: (reply, pair) => readPredictAll(reply, likeOf(pair)),
  },
  "tfs-grpc, typed": {
    send: (pair, model) => ({ body: writePredictAll(named(pair), model, "typed") }),
    read: (reply, pair) => readPredictAll(reply, likeOf(pair)),
  },
  "v1-models, KServe V1": V1,
  "v1-models, TF Serving": V1,
  "torchserve, JSON": { send: instances, read: alone },
  "torchserve, a form": {
    send: (pair) => formOf(named(pair)),
    read: (reply, pair) => columns(parseTree(wholeBody(reply)), pair),
  },
  "torchserve-grpc, JSON": {
    send(pair, model) {
      const body = PREDICTIONS(pair);
      if (body === undefined) return undefined;
      const part = Buffer.concat([bytesField(1, "data"), bytesField(2, body)]);
      return { body: Buffer.concat([bytesField(1, model), bytesField(3, part)]) };
    },
    read: (reply, pair) => inRows(parseTree(payloadsOf(wholeBody(reply), 1)[0]!), pair),
  },
  "sagemaker, JSON": V1,
  "sagemaker, NPY": none,
  "sagemaker, CSV": { send: table, read: readTable },
  "sagemaker, JSON Lines": {
    send(pair) {
      const lines = lineObjects(pair);
      if (lines === undefined) return undefined;
      return {
        headers: { "content-type": "application/jsonlines" },
        body: Buffer.from(`${lines.join("\n")}\n`, "latin1"),
      };
    },
    read(reply, pair) {
      const lines = wholeBody(reply)
        .toString("latin1")
        .split("\n")
        .filter((line) => line !== "");
      return inRows(parseTree(Buffer.from(`[${lines.join(",")}]`, "latin1")), pair);
    },
  },
  "sagemaker-container, JSON": V1,
};
