// Bodies of the Open Inference Protocol: what is written and read again is the same, whatever the datatypes, forms and
// slices.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type OipRequest,
} from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";
import { answer, ask, plain } from "./bodies.ts";

type Ask = typeof ask extends fc.Arbitrary<infer T> ? T : never;

function readBack({ id, tensors, outputs, parameters, hints, form, slice }: Ask): OipRequest {
  const request: InferRequest = {
    model: { name: "m", select: { by: "default" } },
    task: "infer",
    inputs: tensors.map(({ tensor }) => tensor),
    parameters,
    stream: false,
    ...(outputs === undefined ? {} : { outputs }),
  };
  const binary = new Set(tensors.filter(({ isBinary }) => isBinary).map(({ tensor }) => tensor.name));
  const { parts, headerLength } = runNow(
    encodeRequest(
      request,
      { hints, form, isBinary: ({ name }) => binary.has(name), ...(id === undefined ? {} : { id }) },
      slice,
    ),
  );
  return runNow(
    decodeRequest(Buffer.concat(parts), { ...slice, limits, ...(headerLength === undefined ? {} : { headerLength }) }),
  );
}

function checkRequest(asked: Ask, decode: (asked: Ask) => OipRequest): void {
  const { id, tensors, outputs, parameters, hints, form } = asked;
  // a form is said output by output where outputs are listed, and once for all where they are not
  const binary = new Map((outputs ?? []).map(({ name }) => [name, form.binary.get(name) ?? form.binaryByDefault]));
  const wanted = {
    inputs: tensors.map(({ tensor }) => tensor),
    parameters,
    hints: { ...hints, id },
    form: { binaryByDefault: form.binaryByDefault, binary },
    outputs,
  };
  expect(plain(decode(asked))).toEqual(plain(wanted));
}

describe("a body written and read again", () => {
  test("is the same request", () => {
    fc.assert(
      fc.property(ask, (asked) => checkRequest(asked, readBack)),
      { seed: 1, numRuns: 1000 },
    );
  });

  test("is the same answer", () => {
    fc.assert(
      fc.property(answer, ({ id, tensors, parameters, form, slice, model }) => {
        const outputs = tensors.map(({ tensor }) => tensor);
        const response: InferResponse = { kind: "whole", model, outputs, parameters };
        const binary = new Map(tensors.map(({ tensor, isBinary }) => [tensor.name, isBinary]));
        const { parts, headerLength } = runNow(
          encodeResponse(response, { form: { ...form, binary }, ...(id === undefined ? {} : { id }) }, slice),
        );
        const blobBytes = tensors.reduce(
          (sum, { tensor, isBinary }) => sum + (isBinary ? tensor.data.byteLength : 0),
          0,
        );
        expect(headerLength === undefined).toBe(blobBytes === 0);
        const read = decodeResponse(Buffer.concat(parts), {
          ...slice,
          limits,
          ...(headerLength === undefined ? {} : { headerLength }),
        });
        const wanted = { id, modelName: model.name, modelVersion: model.version, outputs, parameters };
        expect(plain(runNow(read))).toEqual(plain(wanted));
      }),
      { seed: 2, numRuns: 1000 },
    );
  });

  test("is caught when a decoder swaps two inputs, loses a parameter or forgets a flag", () => {
    const fails = (decode: (asked: Ask) => OipRequest) =>
      expect(() =>
        fc.assert(
          fc.property(ask, (asked) => checkRequest(asked, decode)),
          { seed: 1, numRuns: 200, endOnFailure: true },
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
    fails((asked) => {
      const { form, ...rest } = readBack(asked);
      return { ...rest, form: { ...form, binary: new Map() } };
    });
  });

  test("gives blobs as views of the body, not copies", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (data) => {
        const json = `{"inputs":[{"name":"x","shape":[${data.length}],"datatype":"UINT8","parameters":{"binary_data_size":${data.length}}}]}`;
        const body = Buffer.concat([Buffer.from(json), data]);
        const [input] = runNow(decodeRequest(body, { headerLength: json.length, limits })).inputs;
        expect(input!.data.buffer).toBe(body.buffer);
        expect(input!.data.byteOffset).toBe(body.byteOffset + json.length);
      }),
      { seed: 3, numRuns: 50 },
    );
  });
});
