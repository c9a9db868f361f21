// Arbitrary requests and answers of the Open Inference Protocol, and how two of them are compared.

import fc from "fast-check";
import type { Hints } from "../../../core/hints.ts";
import { DATATYPES, ELEMENT_BYTES, joinBytesElements, type ParameterValue, type Tensor } from "../../../core/tensor.ts";
import type { AnswerForm } from "../../../wire/oip-binary.ts";

const name = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }).filter((text) => text.isWellFormed());

const value: fc.Arbitrary<ParameterValue> = fc.oneof(
  fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed()),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.double(),
);

const ownName = name.filter((key) => !/^(triton_|sluice_|shared_memory_)/.test(key) && !RESERVED.has(key));
const RESERVED = new Set([
  ...["timeout", "priority", "sequence_id", "sequence_start", "sequence_end"],
  ...["binary_data_output", "binary_data_size", "binary_data"],
]);

const parameters = fc
  .uniqueArray(fc.tuple(ownName, value), { maxLength: 4, selector: ([key]) => key })
  .map((list) => new Map(list));

/** Scalars, empty dimensions and up to four of them. */
const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

/** A tensor and how it travels; its bytes lie at any offset of a larger buffer. */
export interface Sent {
  readonly tensor: Tensor;
  readonly isBinary: boolean;
}

const sent: fc.Arbitrary<Sent> = fc
  .record({
    datatype: fc.constantFrom(...DATATYPES),
    shape,
    isBinary: fc.boolean(),
    offset: fc.integer({ min: 0, max: 7 }),
  })
  .chain(({ datatype, shape, isBinary: wanted, offset }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const isBinary = wanted || datatype === "FP16" || datatype === "BF16";
    const element = isBinary
      ? fc.uint8Array({ maxLength: 9 })
      : fc.string({ maxLength: 9, unit: "binary" }).map((text) => Buffer.from(text.toWellFormed()));
    const width = ELEMENT_BYTES[datatype];
    const data =
      datatype === "BYTES"
        ? fc.array(element, { minLength: count, maxLength: count }).map(joinBytesElements)
        : fc
            .uint8Array({ minLength: count * width, maxLength: count * width })
            .map((bytes) => canonical(bytes, datatype, isBinary));
    return fc.record({ data, parameters }).map(({ data, parameters }) => ({
      isBinary,
      tensor: {
        name: "",
        datatype,
        shape,
        data: atOffset(data, offset),
        ...(parameters.size === 0 ? {} : { parameters }),
      },
    }));
  });

/** Tensors with distinct names, which may be anything, also `constructor` and the like. */
export const tensors: fc.Arbitrary<readonly Sent[]> = fc
  .uniqueArray(name, { maxLength: 4 })
  .chain((names) =>
    fc.tuple(...names.map((name) => sent.map(({ tensor, isBinary }) => ({ isBinary, tensor: { ...tensor, name } })))),
  );

// JSON says true or false, and has one NaN; blobs carry any bytes
function canonical(bytes: Uint8Array, datatype: string, isBinary: boolean): Uint8Array {
  if (isBinary) return bytes;
  if (datatype === "BOOL") return bytes.map((byte) => byte & 1);
  const { buffer } = Uint8Array.from(bytes);
  if (datatype === "FP32")
    return new Uint8Array(
      Float32Array.from(new Float32Array(buffer), (x) => (Number.isNaN(x) ? Number.NaN : x)).buffer,
    );
  if (datatype === "FP64")
    return new Uint8Array(
      Float64Array.from(new Float64Array(buffer), (x) => (Number.isNaN(x) ? Number.NaN : x)).buffer,
    );
  return bytes;
}

function atOffset(data: Uint8Array, offset: number): Uint8Array {
  const buffer = new Uint8Array(data.byteLength + offset + 3).fill(0xaa);
  buffer.set(data, offset);
  return buffer.subarray(offset, offset + data.byteLength);
}

const sequence = fc.record({
  id: fc.oneof(
    fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => text.isWellFormed()),
    fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  ),
  start: fc.boolean(),
  end: fc.boolean(),
});

const hints: fc.Arbitrary<Omit<Hints, "id">> = fc
  .record(
    {
      timeoutMs: fc.integer({ min: 1, max: 10 ** 12 }).map((microseconds) => microseconds / 1000),
      priority: fc.integer({ min: 1, max: 2 ** 32 }),
      sequence,
    },
    { requiredKeys: [] },
  )
  .chain((some) =>
    parameters.map((own) => ({ ...some, sluice: new Map([...own].map(([key, value]) => [`sluice_${key}`, value])) })),
  );

const form: fc.Arbitrary<AnswerForm> = fc.record({
  binaryByDefault: fc.boolean(),
  binary: fc
    .uniqueArray(fc.tuple(name, fc.boolean()), { maxLength: 3, selector: ([key]) => key })
    .map((list) => new Map(list)),
});

const outputs = fc.option(
  fc.uniqueArray(fc.record({ name, parameters }), { minLength: 1, maxLength: 3, selector: (output) => output.name }),
  { nil: undefined },
);

const id = fc.option(
  fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => text.isWellFormed()),
  { nil: undefined },
);

/** Slices so small that every place of resumption is met, and the usual ones. */
export const slice = fc.constantFrom({ sliceBytes: 1 }, { sliceBytes: 2 }, { sliceBytes: 13 }, {});

export const ask = fc.record({ id, tensors, outputs, parameters, hints, form, slice });
export const answer = fc.record({ id, tensors, parameters, form, slice, model: fc.record({ name, version: name }) });

/** A value whose differences vitest can show: bytes as text, maps as lists. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (value instanceof Map) return [...value].map(([key, item]) => [key, plain(item)]);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, plain(item)]),
  );
}
