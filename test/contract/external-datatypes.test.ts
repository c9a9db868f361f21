// Values at the edges of datatypes in answers recorded from the real servers: they are read to the bit, or refused.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { InferError } from "../../core/error.ts";
import { joinBytesElements, type Tensor } from "../../core/tensor.ts";
import { aCall, type ExternalBackend, openExternalRow } from "./external-backend.ts";
import { type ExternalRow, recorded, requestOf } from "./external-row.ts";

/** Datatype, shape and bytes in hexadecimal. */
type Bits = readonly [datatype: string, shape: readonly number[], hex: string];

interface EchoRow extends Omit<ExternalRow, "expected" | "faults" | "inputs" | "model" | "version"> {
  /** What is read of each recording; `refused` where the server lost the value on its way. */
  readonly echoes: Readonly<Record<string, Readonly<Record<string, Bits>> | "refused">>;
}

const hexOf = (array: ArrayBufferView) => Buffer.from(array.buffer as ArrayBuffer).toString("hex");
const TEXTS: Bits = [
  "BYTES",
  [1, 2],
  Buffer.from(joinBytesElements([Buffer.from("a"), Buffer.from("é")])).toString("hex"),
];
const FP32: Bits = ["FP32", [1, 3], hexOf(Float32Array.of(0.1, 0, 3.4028234663852886e38))];
const INT64: Bits = ["INT64", [1, 2], hexOf(BigInt64Array.of(9007199254740993n, -(2n ** 63n)))];
const FP16: Bits = ["FP16", [1, 2], "003e00c0"];
const ODD: Bits = ["FP32", [1, 3], "0000c07f0000807f000080ff"];

const MIXED = { fp32: FP32, bytes: TEXTS, bool: ["BOOL", [1, 2], "0100"] } as const;
const HTTP = {
  over: "http",
  asks: /^POST \/v2\/models\/echo(\/versions\/1)?\/infer$/,
  usual: "infer-echo",
  words: () => ({}),
} as const;
const GRPC = {
  over: "grpc",
  asks: /\/ModelInfer$/,
  usual: "grpc-infer-echo-bytes",
  words: () => ({ protocol: "grpc" }),
  echoes: { "grpc-infer-echo-bytes": { bytes: TEXTS }, "grpc-infer-echo-fp16": { fp16: FP16 } },
} as const;
const x = (datatype: string, shape: readonly number[]) => ({ name: "x", datatype, shape });

const ROWS: readonly EchoRow[] = [
  {
    ...{ kind: "triton", server: "triton", ...HTTP },
    echoes: { "infer-echo": MIXED, "infer-echo-int64": { int64: INT64 }, "infer-echo-nan": { fp32: ODD } },
  },
  {
    ...{ kind: "oip", server: "mlserver", ...HTTP },
    echoes: {
      "infer-echo": MIXED,
      "infer-echo-int64": { int64: INT64 },
      "infer-echo-fp16": { x: ["FP16", [2], "003e00c0"] },
    },
  },
  {
    ...{ kind: "oip", server: "kserve", ...HTTP },
    echoes: { "infer-echo": MIXED, "infer-echo-int64": { int64: INT64 }, "infer-echo-nan": "refused" },
  },
  { kind: "triton", server: "triton", ...GRPC },
  { kind: "oip", server: "mlserver", ...GRPC },
  { kind: "oip", server: "kserve", ...GRPC },
  {
    ...{ kind: "litserve", server: "litserve", over: "http", usual: "echo-int64", asks: /^POST \/echo$/ },
    words: () => ({ models: { echo: { signature: { inputs: [], outputs: [x("INT64", [1])] } } } }),
    echoes: { "echo-int64": { x: ["INT64", [1], hexOf(BigInt64Array.of(9007199254740993n))] } },
  },
  {
    ...{ kind: "litserve", server: "litserve", over: "http", usual: "echo-nan", asks: /^POST \/echo$/ },
    words: () => ({ models: { echo: { signature: { inputs: [], outputs: [x("FP32", [1])] } } } }),
    echoes: { "echo-nan": "refused" },
  },
  {
    ...{ kind: "bentoml", server: "bentoml", over: "http", usual: "echo-nan", asks: /^POST \/echo$/ },
    words: () => ({ models: { echo: { signature: { inputs: [], outputs: [x("FP64", [1])] } } } }),
    echoes: { "echo-nan": "refused" },
  },
];

const ANY: Tensor = { name: "x", datatype: "INT64", shape: [1], data: new Uint8Array(8) };

describe.each(ROWS)("$kind: values of $server over $over", (given) => {
  const row: ExternalRow = { ...given, model: "echo", version: "1", inputs: [ANY], expected: () => [], faults: [] };
  let opened: ExternalBackend;
  beforeAll(async () => {
    opened = await openExternalRow(row);
  });
  afterEach(() => {
    opened.script.answer = undefined;
  });
  afterAll(() => opened?.close());

  async function read(answer: string): Promise<Readonly<Record<string, Bits>>> {
    opened.script.answer = answer;
    const call = aCall(5_000);
    try {
      const reply = await opened.endpoint.infer(requestOf(row), call);
      if (reply.kind !== "whole") throw new Error("expected a whole reply");
      const bits = ({ name, datatype, shape, data }: Tensor) =>
        [name, [datatype, shape, Buffer.from(data).toString("hex")]] as const;
      return Object.fromEntries(reply.outputs.map(bits));
    } finally {
      call.end();
    }
  }

  test.each(Object.entries(given.echoes))("%s", async (answer, wanted) => {
    if (wanted !== "refused") {
      expect(await read(answer)).toEqual(wanted);
      return;
    }
    const fault = await read(answer).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(InferError);
    expect(fault).toMatchObject({ code: "bad-backend", origin: "backend" });
  });
});

test("a reader that takes integers for doubles would be caught", () => {
  const { outputs } = recorded<{ readonly outputs: readonly { readonly data: readonly number[] }[] }>(
    "triton",
    "infer-echo-int64",
  );
  const rounded = BigInt64Array.from(outputs[0]!.data.map(BigInt));
  expect(["INT64", [1, 2], hexOf(rounded)]).not.toEqual(INT64);
});
