// What an ONNX file says of its graph and the binding does not: all inputs, their defaults, the files beside it.

import { open } from "node:fs/promises";
import type { Datatype } from "../../core/tensor.ts";
import { datatypeOfNumber } from "./datatypes.ts";
import { openProtobuf, type Protobuf } from "./protobuf.ts";

export interface GraphValue {
  readonly name: string;
  /** Undefined for a sequence, a map, or an element type that the protocol has no word for. */
  readonly datatype: Datatype | undefined;
  /** -1 for a symbolic size; undefined when the graph says no rank. */
  readonly shape: readonly number[] | undefined;
}

/** A part of a file beside the model that holds a tensor's bytes. */
export interface ExternalPart {
  /** As the model has it: relative to its folder. */
  readonly location: string;
  /** The file must be at least this long. */
  readonly endsAt: number;
}

export interface GraphFacts {
  readonly irVersion: number;
  /** The version of the standard operators. */
  readonly opset: number;
  /** The graph's own list, inputs with defaults too. */
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  /** Inputs that have a default. Before IR version 4 every initialiser had to be listed as an input, and was a constant. */
  readonly defaults: ReadonlySet<string>;
  readonly external: readonly ExternalPart[];
  /** An operator in it draws numbers: equal inputs may have different outputs. */
  readonly random?: true;
}

/** Source: onnx/docs/Operators.md; Sampling is one of ONNX Runtime's own. */
const RANDOM: ReadonlySet<string> = new Set([
  "Bernoulli",
  "Multinomial",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
  "Sampling",
]);

/** Graphs inside nodes (If, Loop, Scan) inside graphs. */
const MAX_DEPTH = 16;

/**
 * Reads the facts and skips the weights: a few kilobytes of a file of any size, with a turn of the event loop for each
 * 16 KiB read. Field numbers are those of onnx.proto. (A protobuf library would want the whole file in memory.)
 *
 * @throws Error when the file is no ONNX model or ends inside a field, as a copy does that is not complete
 */
export async function readGraph(path: string): Promise<GraphFacts> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size === 0) throw new Error("the file is empty");
    const graph: Collected = { inputs: [], outputs: [], initializers: new Set(), external: [] };
    let irVersion = 0;
    let opset: number | undefined;
    let seen = false;
    const proto = openProtobuf(file, size);
    for await (const field of proto.fields(size)) {
      if (field.number === 1 && field.wire === 0) irVersion = await proto.integer();
      else if (field.number === 8 && field.wire === 2) opset = Math.max(opset ?? 0, await readOpset(proto, field.end));
      else if (field.number === 7 && field.wire === 2) {
        await readGraphProto(proto, { end: field.end, depth: 0 }, graph);
        seen = true;
      } else if (field.number === 25 && field.wire === 2) await readFunction(proto, field.end, graph);
      else await proto.skip(field);
    }
    if (!seen) throw new Error("the file holds no graph");
    // it comes last, and a copy that was cut between two fields lacks it
    if (opset === undefined) throw new Error("the file ends inside a field: no version of its operators is there");
    return { irVersion, opset, ...graph, defaults: graph.initializers };
  } finally {
    await file.close();
  }
}

interface Collected {
  readonly inputs: GraphValue[];
  readonly outputs: GraphValue[];
  readonly initializers: Set<string>;
  readonly external: ExternalPart[];
  random?: true;
}

async function readOpset(proto: Protobuf, end: number): Promise<number> {
  let domain = "";
  let version = 0;
  for await (const field of proto.fields(end)) {
    if (field.number === 1 && field.wire === 2) domain = await proto.text(field);
    else if (field.number === 2 && field.wire === 0) version = await proto.integer();
    else await proto.skip(field);
  }
  return domain === "" || domain === "ai.onnx" ? version : 0;
}

async function readGraphProto(
  proto: Protobuf,
  { end, depth }: { readonly end: number; readonly depth: number },
  into: Collected,
): Promise<void> {
  if (depth > MAX_DEPTH) throw new Error(`graphs are nested deeper than ${MAX_DEPTH}`);
  const outer = depth === 0;
  for await (const field of proto.fields(end)) {
    if (field.wire !== 2) await proto.skip(field);
    else if (field.number === 1) await readNode(proto, { end: field.end, depth }, into);
    else if (field.number === 5) {
      const { name, external } = await readTensor(proto, field.end);
      if (outer) into.initializers.add(name);
      if (external !== undefined) into.external.push(external);
    } else if (field.number === 11 && outer) into.inputs.push(await readValue(proto, field.end));
    else if (field.number === 12 && outer) into.outputs.push(await readValue(proto, field.end));
    else await proto.skip(field);
  }
}

// for its operator's name and what its attributes hold: tensors with bytes in other files, and graphs
async function readNode(
  proto: Protobuf,
  { end, depth }: { readonly end: number; readonly depth: number },
  into: Collected,
): Promise<void> {
  for await (const field of proto.fields(end)) {
    if (field.number === 4 && field.wire === 2) {
      if (RANDOM.has(await proto.text(field))) into.random = true;
      continue;
    }
    if (field.number !== 5 || field.wire !== 2) {
      await proto.skip(field);
      continue;
    }
    for await (const part of proto.fields(field.end)) {
      if (part.wire === 2 && (part.number === 5 || part.number === 10)) {
        const { external } = await readTensor(proto, part.end);
        if (external !== undefined) into.external.push(external);
      } else if (part.wire === 2 && (part.number === 6 || part.number === 11)) {
        await readGraphProto(proto, { end: part.end, depth: depth + 1 }, into);
      } else await proto.skip(part);
    }
  }
}

// a function of the model's own is made of operators as well
async function readFunction(proto: Protobuf, end: number, into: Collected): Promise<void> {
  for await (const field of proto.fields(end)) {
    if (field.number === 7 && field.wire === 2) await readNode(proto, { end: field.end, depth: 0 }, into);
    else await proto.skip(field);
  }
}

async function readTensor(proto: Protobuf, end: number): Promise<{ name: string; external: ExternalPart | undefined }> {
  let name = "";
  let isExternal = false;
  const entries = new Map<string, string>();
  for await (const field of proto.fields(end)) {
    if (field.number === 8 && field.wire === 2) name = await proto.text(field);
    else if (field.number === 14 && field.wire === 0) isExternal = (await proto.integer()) === 1;
    else if (field.number === 13 && field.wire === 2) {
      const [key, value] = await readPair(proto, field.end);
      entries.set(key, value);
    } else await proto.skip(field);
  }
  const location = entries.get("location");
  if (!isExternal || location === undefined) return { name, external: undefined };
  const endsAt = Number(entries.get("offset") ?? 0) + Number(entries.get("length") ?? 0);
  return { name, external: { location, endsAt: Number.isSafeInteger(endsAt) ? endsAt : 0 } };
}

async function readPair(proto: Protobuf, end: number): Promise<readonly [string, string]> {
  let key = "";
  let value = "";
  for await (const field of proto.fields(end)) {
    if (field.number === 1 && field.wire === 2) key = await proto.text(field);
    else if (field.number === 2 && field.wire === 2) value = await proto.text(field);
    else await proto.skip(field);
  }
  return [key, value];
}

async function readValue(proto: Protobuf, end: number): Promise<GraphValue> {
  let name = "";
  let type: Omit<GraphValue, "name"> = { datatype: undefined, shape: undefined };
  for await (const field of proto.fields(end)) {
    if (field.number === 1 && field.wire === 2) name = await proto.text(field);
    else if (field.number === 2 && field.wire === 2) type = await readType(proto, field.end);
    else await proto.skip(field);
  }
  return { name, ...type };
}

async function readType(proto: Protobuf, end: number): Promise<Omit<GraphValue, "name">> {
  let datatype: Datatype | undefined;
  let shape: number[] | undefined;
  for await (const field of proto.fields(end)) {
    // the field of a tensor type; sequences, maps and optionals have others
    if (field.number !== 1 || field.wire !== 2) {
      await proto.skip(field);
      continue;
    }
    for await (const part of proto.fields(field.end)) {
      if (part.number === 1 && part.wire === 0) {
        const known = datatypeOfNumber(await proto.integer());
        datatype = "datatype" in known ? known.datatype : undefined;
      } else if (part.number === 2 && part.wire === 2) shape = await readShape(proto, part.end);
      else await proto.skip(part);
    }
  }
  return { datatype, shape };
}

async function readShape(proto: Protobuf, end: number): Promise<number[]> {
  const shape: number[] = [];
  for await (const field of proto.fields(end)) {
    if (field.number !== 1 || field.wire !== 2) {
      await proto.skip(field);
      continue;
    }
    let size = -1;
    for await (const part of proto.fields(field.end)) {
      if (part.number === 1 && part.wire === 0) size = await proto.integer();
      else await proto.skip(part);
    }
    shape.push(Number.isSafeInteger(size) ? size : -1);
  }
  return shape;
}
