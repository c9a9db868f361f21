// Inference messages over gRPC: what is written and read again is the same, raw or typed, whatever the datatypes, the
// slices and the way in which lists are packed.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import { bytesElements, ELEMENT_BYTES, NO_PARAMETERS, type Tensor } from "../../../core/tensor.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type OipProtoRequest,
} from "../../../wire/oip-proto.ts";
import { contentsField } from "../../../wire/oip-proto-contents.ts";
import { decodeStreamPart, encodeStreamPart } from "../../../wire/oip-proto-stream.ts";
import { longOf, openWriter, WIRE } from "../../../wire/protobuf.ts";
import { runNow } from "../../../wire/sliced.ts";
import { answer, ask, plain, type Sent, slice } from "./bodies.ts";
import { pick, seeded } from "./seeded.ts";

type Ask = typeof ask extends fc.Arbitrary<infer T> ? T : never;

const typed = (tensor: Tensor): Tensor =>
  tensor.datatype === "BOOL" ? { ...tensor, data: tensor.data.map((byte) => (byte === 0 ? 0 : 1)) } : tensor;

/** Typed where every tensor can be, and the first of them says so. */
function form(tensors: readonly Sent[]) {
  const all = tensors.map(({ tensor }) => tensor);
  const isTyped = tensors[0]?.isBinary === false && all.every(({ datatype }) => contentsField(datatype) !== undefined);
  return isTyped ? { contents: "typed" as const, all: all.map(typed) } : { contents: "raw" as const, all };
}

function requestOf({ outputs, parameters }: Ask, inputs: readonly Tensor[]): InferRequest {
  const model = { name: "m", select: { by: "default" as const } };
  const base = { model, task: "infer" as const, inputs, parameters, stream: false };
  return outputs === undefined ? base : { ...base, outputs };
}

function readBack(asked: Ask): OipProtoRequest {
  const { id, tensors, hints, slice } = asked;
  const { contents } = form(tensors);
  const request = requestOf(
    asked,
    tensors.map(({ tensor }) => tensor),
  );
  const model = { name: "m", version: "3" };
  const message = runNow(
    encodeRequest(request, { model, hints, contents, ...(id === undefined ? {} : { id }) }, slice),
  );
  return runNow(decodeRequest(message, { ...slice, limits }));
}

function checkRequest(asked: Ask, decode: (asked: Ask) => OipProtoRequest): void {
  const { id, tensors, outputs, parameters, hints } = asked;
  const { contents, all } = form(tensors);
  const wanted = {
    model: { name: "m", version: "3" },
    inputs: all,
    parameters,
    hints: { ...hints, id },
    contents: all.length === 0 ? "typed" : contents,
    emptyFinal: false,
    outputs,
    regions: new Map(),
  };
  expect(plain(decode(asked))).toEqual(plain(wanted));
}

describe("a message written and read again", () => {
  test("is the same request", () => {
    fc.assert(
      fc.property(ask, (asked) => checkRequest(asked, readBack)),
      { seed: 11, numRuns: 1000 },
    );
  });

  test("is the same answer, alone and on a stream", () => {
    fc.assert(
      fc.property(
        answer,
        fc.option(fc.boolean(), { nil: undefined }),
        ({ id, tensors, parameters, slice, model }, final) => {
          const { contents, all } = form(tensors);
          const response: InferResponse = {
            kind: "whole",
            model,
            outputs: tensors.map(({ tensor }) => tensor),
            parameters,
          };
          const how = { contents, ...(id === undefined ? {} : { id }), ...(final === undefined ? {} : { final }) };
          const wanted = plain({
            id,
            modelName: model.name,
            modelVersion: model.version,
            outputs: all,
            parameters,
            final,
          });
          const message = runNow(encodeResponse(response, how, slice));
          expect(plain(runNow(decodeResponse(message, { ...slice, limits })))).toEqual(wanted);
          const part = runNow(decodeStreamPart(runNow(encodeStreamPart(response, how, slice)), { ...slice, limits }));
          expect(plain(part)).toEqual({ kind: "answer", response: wanted });
        },
      ),
      { seed: 12, numRuns: 1000 },
    );
  });

  test("is caught when a decoder swaps two inputs, loses a parameter or takes typed for raw", () => {
    const fails = (decode: (asked: Ask) => OipProtoRequest) =>
      expect(() =>
        fc.assert(
          fc.property(ask, (asked) => checkRequest(asked, decode)),
          { seed: 11, numRuns: 200, endOnFailure: true },
        ),
      ).toThrow();
    fails((asked) => {
      const { inputs, ...rest } = readBack(asked);
      return { ...rest, inputs: inputs.toReversed() };
    });
    fails((asked) => {
      const { parameters, ...rest } = readBack(asked);
      return { ...rest, parameters: new Map([...parameters].slice(1)) };
    });
    fails((asked) => ({ ...readBack(asked), contents: "raw" }));
  });
});

/** The tensor's contents as some encoder might write them: packed lists of any length, and elements on their own. */
function oddContents(tensor: Tensor, random: () => number): readonly Uint8Array[] {
  const field = contentsField(tensor.datatype)!;
  const parts: Uint8Array[] = [];
  let writer = openWriter();
  for (let rest = elementsOf(tensor); rest.length > 0; ) {
    const isPacked = tensor.datatype !== "BYTES" && random() % 2 === 0;
    const some = rest.slice(0, isPacked ? 1 + (random() % 3) : 1);
    rest = rest.slice(some.length);
    // a field that nobody knows
    if (random() % 3 === 0) writer.uint32((15 << 3) | WIRE.bytes).string("?");
    writer.uint32((field.number << 3) | (isPacked ? WIRE.bytes : field.wire));
    if (isPacked) writer.fork();
    for (const element of some) putElement(writer, tensor.datatype, element);
    if (isPacked) writer.ldelim();
    if (random() % 4 > 0) continue;
    parts.push(writer.finish());
    writer = openWriter();
  }
  return [...parts, writer.finish()];
}

function elementsOf({ datatype, data }: Tensor): readonly Uint8Array[] {
  if (datatype === "BYTES") return [...bytesElements(data)];
  const width = ELEMENT_BYTES[datatype];
  return Array.from({ length: data.length / width }, (_, i) => data.subarray(i * width, (i + 1) * width));
}

function putElement(writer: ReturnType<typeof openWriter>, datatype: Tensor["datatype"], element: Uint8Array): void {
  const view = new DataView(element.buffer, element.byteOffset, element.byteLength);
  if (datatype === "BYTES") writer.bytes(element);
  else if (datatype === "BOOL") writer.bool(element[0] !== 0);
  else if (datatype === "FP32") writer.fixed32(view.getUint32(0, true));
  else if (datatype === "FP64") writer.fixed64(longOf(view.getBigUint64(0, true)));
  else if (datatype === "INT64") writer.int64(longOf(view.getBigInt64(0, true)));
  else if (datatype === "UINT64") writer.uint64(longOf(view.getBigUint64(0, true)));
  else if (datatype === "INT8") writer.int32(view.getInt8(0));
  else if (datatype === "INT16") writer.int32(view.getInt16(0, true));
  else if (datatype === "INT32") writer.int32(view.getInt32(0, true));
  else if (datatype === "UINT8") writer.uint32(view.getUint8(0));
  else if (datatype === "UINT16") writer.uint32(view.getUint16(0, true));
  else writer.uint32(view.getUint32(0, true));
}

test("typed contents are the same however their lists are packed, split and sliced", () => {
  fc.assert(
    fc.property(ask, fc.integer(), slice, ({ tensors }, seed, slice) => {
      const random = seeded(seed);
      const inputs = tensors
        .map(({ tensor }) => typed(tensor))
        .filter(({ datatype }) => contentsField(datatype) !== undefined);
      const writer = openWriter();
      writer.uint32((1 << 3) | WIRE.bytes).string("m");
      for (const { name, datatype, shape, data } of inputs) {
        writer.uint32((5 << 3) | WIRE.bytes).fork();
        writer.uint32((1 << 3) | WIRE.bytes).string(name);
        writer.uint32((2 << 3) | WIRE.bytes).string(datatype);
        for (const size of shape) writer.uint32(3 << 3).int64(size);
        for (const part of oddContents({ name, datatype, shape, data }, random))
          writer.uint32((5 << 3) | WIRE.bytes).bytes(part);
        writer.ldelim();
      }
      const read = runNow(decodeRequest(writer.finish(), { ...slice, limits }));
      const wanted = inputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, data }));
      expect(plain(read.inputs)).toEqual(plain(wanted));
    }),
    { seed: 13, numRuns: 500 },
  );
});

test("a damaged message is read or refused in the house's words, and never reserves much more than came", () => {
  const random = seeded(14);
  const tensor = (datatype: Tensor["datatype"], data: Uint8Array, shape: readonly number[]) => ({
    name: datatype,
    datatype,
    shape,
    data,
  });
  const inputs = [
    tensor("INT16", new Uint8Array(Int16Array.of(1, -1, 300).buffer), [3]),
    tensor("FP32", new Uint8Array(Float32Array.of(1, 2).buffer), [2]),
    tensor("BYTES", Buffer.from("\u0001\0\0\0a\u0002\0\0\0zz"), [2, 1]),
    tensor("UINT64", new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer), []),
  ];
  const request: InferRequest = {
    model: { name: "m", select: { by: "default" } },
    task: "infer",
    inputs,
    parameters: new Map([["p", 1n]]),
    outputs: [{ name: "y", parameters: NO_PARAMETERS }],
    stream: false,
  };
  const seeds = (["raw", "typed"] as const).map((contents) =>
    Buffer.from(runNow(encodeRequest(request, { model: { name: "m" }, id: "7", contents }))),
  );
  const seen = { read: 0, refused: 0 };
  for (let i = 0; i < 20_000; i++) {
    const message = Buffer.from(pick(random, seeds));
    for (let n = random() % 4; n >= 0; n--) message[random() % message.length] = random() & 0xff;
    const cut = random() % 4 === 0 ? message.subarray(0, random() % message.length) : message;
    try {
      const read = runNow(decodeRequest(cut, { limits, sliceBytes: 16 }));
      const bytes = read.inputs.reduce((sum, { data }) => sum + data.byteLength, 0);
      expect(bytes).toBeLessThanOrEqual(8 * cut.length);
      seen.read += 1;
    } catch (error) {
      if (!(error instanceof InferError)) throw error;
      expect(["invalid-argument", "too-large", "unsupported"]).toContain(error.code);
      seen.refused += 1;
    }
  }
  expect(seen.read).toBeGreaterThan(1000);
  expect(seen.refused).toBeGreaterThan(1000);
});
