// The JSON of rows and columns, and TensorFlow Serving's messages: what is written is what is read, in slices of any size.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { DATATYPES, ELEMENT_BYTES, joinBytesElements, type Tensor } from "../../../core/tensor.ts";
import { type ReadTensors, type RowSpec, readColumns, readRows } from "../../../wire/json-rows.ts";
import { type WriteRows, writeColumns, writeRows } from "../../../wire/json-rows-write.ts";
import { openScanner, skipSpace } from "../../../wire/json-scan.ts";
import { finishWriter, openWriter } from "../../../wire/json-write.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { openPace, runNow } from "../../../wire/sliced.ts";
import * as json from "../../../wire/tfs-json.ts";
import * as proto from "../../../wire/tfs-proto.ts";

const name = fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" }).filter((text) => text.isWellFormed());
const sliceBytes = fc.constantFrom(1, 2, 3, 17, 1e6);
const dims = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
const JSON_TYPES = DATATYPES.filter((datatype) => datatype !== "FP16" && datatype !== "BF16");

/** What JSON has one of only: true, false. */
function canonical(bytes: Uint8Array, datatype: string): Uint8Array {
  return datatype === "BOOL" ? bytes.map((byte) => byte & 1) : bytes;
}

// and NaN
const withOneNaN = (tensor: Tensor): Tensor => {
  const data = Uint8Array.from(tensor.data);
  const view = new DataView(data.buffer);
  for (let at = 0; tensor.datatype === "FP32" && at < data.length; at += 4)
    if (Number.isNaN(view.getFloat32(at, true))) view.setUint32(at, 0x7fc00000, true);
  for (let at = 0; tensor.datatype === "FP64" && at < data.length; at += 8)
    if (Number.isNaN(view.getFloat64(at, true))) view.setBigUint64(at, 0x7ff8000000000000n, true);
  return { ...tensor, data };
};

const tensorOf = (types: readonly (typeof DATATYPES)[number][], shape: readonly number[]): fc.Arbitrary<Tensor> =>
  fc.constantFrom(...types).chain((datatype) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const width = ELEMENT_BYTES[datatype];
    const element = fc.uint8Array({ maxLength: 20 });
    const data =
      datatype === "BYTES"
        ? fc.array(element, { minLength: count, maxLength: count }).map(joinBytesElements)
        : fc
            .uint8Array({ minLength: count * width, maxLength: count * width })
            .map((bytes) => canonical(bytes, datatype));
    return data.map((data) => withOneNaN({ name: "", datatype, shape, data }));
  });

const named = (types: readonly (typeof DATATYPES)[number][], rows: number | undefined) =>
  fc
    .uniqueArray(name, { minLength: 1, maxLength: 4 })
    .chain((names) =>
      fc.tuple(
        ...names.map((name) =>
          dims
            .chain((inner) => tensorOf(types, rows === undefined ? inner : [rows, ...inner]))
            .map((tensor) => ({ ...tensor, name })),
        ),
      ),
    );

const plain = ({ name, datatype, shape, data }: Tensor) => [
  name,
  datatype,
  [...shape],
  Buffer.from(data).toString("hex"),
];
const specsOf = (tensors: readonly Tensor[]): readonly RowSpec[] =>
  tensors.map(({ name, datatype, shape }) => ({
    name,
    datatype,
    shape: shape.map((size, i) => (i === 0 ? -1 : size)),
  }));

interface Way {
  readonly form: "row" | "column";
  readonly specs: boolean;
}

function readBack(
  text: Uint8Array,
  tensors: readonly Tensor[],
  way: Way & { readonly sliceBytes: number },
): ReadTensors {
  const s = openScanner(text, { maxNesting: 100, sliceBytes: way.sliceBytes });
  const read = way.form === "row" ? readRows : readColumns;
  const many = { word: "input", label: "instances", depth: 0, bareName: "x", maxTensors: 16 } as const;
  const result = runNow(read(s, { ...many, ...(way.specs ? { specs: specsOf(tensors) } : {}) }));
  skipSpace(s);
  if (s.at !== text.byteLength)
    throw new InferError("invalid-argument", `stopped at byte ${s.at} of ${text.byteLength}`);
  return result;
}

function written(tensors: readonly Tensor[], form: "row" | "column", how: Partial<WriteRows>): Buffer {
  const w = openWriter();
  const all = { word: "input", pace: openPace(how.pace ?? {}), form: "named", bytes: "either", ...how } as const;
  runNow(form === "row" ? writeRows(w, tensors, all) : writeColumns(w, tensors, all));
  return Buffer.concat(finishWriter(w).parts);
}

describe("rows and columns written and read again", () => {
  const sets = fc.integer({ min: 1, max: 5 }).chain((rows) => named(JSON_TYPES, rows));
  const floats = fc.constantFrom("shortest", "fraction") as fc.Arbitrary<"shortest" | "fraction">;

  test("are the same tensors, by name", () => {
    fc.assert(
      fc.property(sets, fc.constantFrom("row", "column"), floats, sliceBytes, (tensors, form, floats, sliceBytes) => {
        const text = written(tensors, form as "row", { floats });
        const { tensors: back } = readBack(text, tensors, { form: form as "row", specs: true, sliceBytes });
        expect(back.map(plain)).toEqual(tensors.map(plain));
      }),
      { seed: 41, numRuns: 800 },
    );
  });

  test("are seen to differ when a reader turns rows into columns (seeded defect)", () => {
    const turned = ({ shape, ...rest }: Tensor): Tensor => ({ ...rest, shape: shape.toReversed() });
    const check = () =>
      fc.assert(
        fc.property(sets, (tensors) => {
          const text = written(tensors, "row", {});
          const { tensors: back } = readBack(text, tensors, { form: "row", specs: true, sliceBytes: 1e6 });
          expect(back.map(turned).map(plain)).toEqual(tensors.map(plain));
        }),
        { seed: 41, numRuns: 100, endOnFailure: true },
      );
    expect(check).toThrow("Property failed");
  });

  test("are the same tensor, bare", () => {
    fc.assert(
      fc.property(sets, fc.constantFrom("row", "column"), sliceBytes, ([tensor], form, sliceBytes) => {
        const tensors = [tensor!];
        const text = written(tensors, form as "row", { form: "bare" });
        const { tensors: back } = readBack(text, tensors, { form: form as "row", specs: true, sliceBytes });
        expect(back.map(plain)).toEqual(tensors.map(plain));
      }),
      { seed: 42, numRuns: 700 },
    );
  });

  test("are JSON that says the same to JSON.parse, and the same whatever the slices", () => {
    fc.assert(
      fc.property(named(["INT32", "BOOL", "BYTES"], 2), sliceBytes, (tensors, sliceBytes) => {
        const text = written(tensors, "row", { bytes: "b64" });
        const rows = JSON.parse(text.toString()) as readonly Record<string, unknown>[];
        expect(rows.map((row) => Object.keys(row).sort())).toEqual(
          [0, 1].map(() => tensors.map(({ name }) => name).sort()),
        );
        const specless = readBack(text, tensors, { form: "row", specs: false, sliceBytes });
        const whole = readBack(text, tensors, { form: "row", specs: false, sliceBytes: 1e9 });
        expect(specless.tensors.map(plain)).toEqual(whole.tensors.map(plain));
      }),
      { seed: 43, numRuns: 500 },
    );
  });

  test("that are damaged are refused in the house's words, or are still rows", () => {
    fc.assert(
      fc.property(sets, fc.nat(), fc.nat({ max: 255 }), (tensors, at, byte) => {
        const text = written(tensors, "row", {});
        const damaged = Buffer.from(text);
        damaged[at % damaged.length] = byte & 0x7f;
        for (const specs of [true, false]) {
          try {
            readBack(damaged, tensors, { form: "row", specs, sliceBytes: 5 });
          } catch (error) {
            if (!(error instanceof InferError)) throw error;
            expect(error.code).toBe("invalid-argument");
          }
        }
      }),
      { seed: 44, numRuns: 700 },
    );
  });
});

describe("TensorFlow Serving's bodies written and read again", () => {
  const rest = JSON_TYPES.filter((datatype) => datatype !== "UINT16");
  const sets = fc.integer({ min: 1, max: 4 }).chain((rows) => named(rest, rows));
  const format = fc.constantFrom("row", "column") as fc.Arbitrary<"row" | "column">;
  const signature = fc.option(name, { nil: undefined });

  test("are the same request over REST, whichever member comes first", () => {
    fc.assert(
      fc.property(
        sets,
        format,
        signature,
        sliceBytes,
        fc.boolean(),
        (inputs, format, signature, sliceBytes, isLast) => {
          const request = { inputs, format, ...(signature === undefined ? {} : { signature }) };
          const body = Buffer.concat(runNow(json.encodeRequest(request, { sliceBytes })));
          const known = JSON.stringify(signature);
          const text = body
            .toString("latin1")
            .replace(`"signature_name":${Buffer.from(known ?? "").toString("latin1")},`, "");
          const moved = Buffer.from(
            `${text.slice(0, -1)},"signature_name":${Buffer.from(known ?? '""').toString("latin1")}}`,
            "latin1",
          );
          // the default's inputs are others
          const specs = (of: string | undefined) => (of === signature ? specsOf(inputs) : [{ name: "other" }]);
          const back = runNow(json.decodeRequest(isLast ? moved : body, { limits, sliceBytes, specs }));
          expect([back.signature, back.format]).toEqual([signature, format]);
          expect(back.inputs.map(plain)).toEqual(inputs.map(plain));
        },
      ),
      { seed: 45, numRuns: 800 },
    );
  });

  test("are the same answer over REST", () => {
    const texts = (tensor: Tensor) => tensor.datatype !== "BYTES" || tensor.name.endsWith("_bytes");
    const outputs = sets.map((tensors) =>
      tensors.map((tensor) => (texts(tensor) ? tensor : { ...tensor, name: `${tensor.name}_bytes` })),
    );
    fc.assert(
      fc.property(outputs, format, sliceBytes, (outputs, format, sliceBytes) => {
        const body = Buffer.concat(runNow(json.encodeResponse({ outputs, format }, { sliceBytes })));
        const back = runNow(json.decodeResponse(body, { limits, sliceBytes, specs: specsOf(outputs) }));
        expect(back.map(plain)).toEqual(outputs.map(plain));
      }),
      { seed: 46, numRuns: 400 },
    );
  });

  test("are the same request and answer over gRPC, in either form", () => {
    const all = named(DATATYPES, undefined);
    const form = fc.constantFrom("content", "typed") as fc.Arbitrary<"content" | "typed">;
    const model = fc.record({ name, signature: name }).chain((spec) =>
      fc.oneof(
        fc.constant(spec),
        fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }).map((version) => ({ ...spec, version })),
        name.map((label) => ({ ...spec, label })),
      ),
    );
    fc.assert(
      fc.property(all, form, model, sliceBytes, (inputs, form, model, sliceBytes) => {
        const outputs = inputs.map(({ name }) => name);
        const asked = runNow(proto.encodeRequest({ model, inputs, outputs }, { form, sliceBytes }));
        const read = runNow(proto.decodeRequest(asked, { maxTensors: 8, sliceBytes }));
        expect([read.model, read.outputs]).toEqual([model, outputs]);
        expect(read.inputs.map(plain)).toEqual(inputs.map(plain));
        const answered = runNow(proto.encodeResponse({ model, outputs: inputs }, { form, sliceBytes }));
        const back = runNow(proto.decodeResponse(answered, { maxTensors: 8, sliceBytes }));
        expect(back.outputs.map(plain)).toEqual(inputs.map(plain));
      }),
      { seed: 47, numRuns: 600 },
    );
  });

  test("that are damaged over gRPC are refused in the house's words, or read", () => {
    fc.assert(
      fc.property(named(DATATYPES, 2), fc.nat(), fc.nat({ max: 255 }), (inputs, at, byte) => {
        const model = { name: "m", signature: "" };
        const message = Buffer.from(runNow(proto.encodeRequest({ model, inputs, outputs: [] }, { form: "typed" })));
        message[at % message.length] = byte;
        try {
          runNow(proto.decodeRequest(message, { maxTensors: 8, sliceBytes: 9 }));
        } catch (error) {
          if (!(error instanceof InferError)) throw error;
          expect(["invalid-argument", "unsupported", "too-large"]).toContain(error.code);
        }
      }),
      { seed: 48, numRuns: 1500 },
    );
  });
});
