// TensorFlow's tensors as messages, and what TensorFlow Serving tells of its models: what is refused, and both forms of it.

import { describe, expect, test } from "vitest";
import { InferError } from "../../../core/error.ts";
import { openPace, runNow } from "../../../wire/sliced.ts";
import * as documents from "../../../wire/tfs-json-documents.ts";
import * as grpcDocuments from "../../../wire/tfs-proto-documents.ts";
import { MAX_REPEATED_BYTES, readTensorProto } from "../../../wire/tfs-proto-tensor.ts";
import { signatureOf, statusOf, type TfsMetadata, tfsSignatureOf, tfsStatusOf } from "../../../wire/tfs-signatures.ts";

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InferError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error("expected a refusal");
}

describe("a TensorProto", () => {
  const of = (hexText: string) =>
    refused(() =>
      runNow(readTensorProto(Buffer.from(hexText, "hex"), { name: "x", label: 'input "x"', pace: openPace({}) })),
    );
  const SHAPE_1 = "12 04 12 02 08 01".replace(/ /g, "");

  test.each([
    // dtype 0; 18 is DT_COMPLEX128
    [SHAPE_1, 'invalid-argument: input "x": expected a datatype, got none'],
    [`0812${SHAPE_1}`, 'unsupported: input "x": DT_COMPLEX128 is not supported'],
    // int_val for a float, which TensorFlow reads as zero; two float_val for one element, of which it drops one
    [`0801${SHAPE_1}3a0105`, 'input "x": FP32 goes in float_val, got int_val'],
    [`0801${SHAPE_1}2a080000803f00000040`, "shape [1] needs 1 elements, got 2"],
    // 300 as an INT8, which TensorFlow wraps
    [`0806${SHAPE_1}3a02ac02`, "element 0 is 300, beyond INT8's range"],
    [`0801${SHAPE_1}2203000000`, "needs 4 bytes of tensor_content, got 3"],
    ["0801120d120b08ffffffffffffffffff01", "expected dimensions of at least 0, got -1"],
    [`0807${SHAPE_1}2205036161`, "malformed protobuf message"],
    [`0807${SHAPE_1}2203036161`, "expected 3 bytes of strings in tensor_content, got 2"],
  ])("%s is refused", (message, words) => {
    expect(of(message)).toContain(words);
  });

  test("whose one value would stand for too many bytes is refused before they are made", () => {
    // FP32 of 64 MiB and an element
    const size = Buffer.from([0x81, 0x80, 0x80, 0x08]);
    expect(of(`080112071205 08${size.toString("hex")}`.replace(" ", ""))).toBe(
      `too-large: input "x": expected at most ${MAX_REPEATED_BYTES} bytes of repeated values, got ${MAX_REPEATED_BYTES + 4}`,
    );
  });
});

describe("signatures and states", () => {
  const metadata: TfsMetadata = {
    name: "m",
    version: "12",
    signatures: new Map([
      ["serving_default", tfsSignatureOf({ inputs: [{ name: "x", datatype: "BYTES", shape: [-1, 2] }], outputs: [] })],
      [
        "odd",
        {
          inputs: [],
          outputs: [{ name: "y", datatype: undefined, dtype: "DT_INVALID", shape: undefined }],
          method: "m",
        },
      ],
    ]),
  };

  test("are the same over REST and over gRPC, written and read", () => {
    const body = Buffer.from(JSON.stringify(documents.encodeMetadata(metadata)));
    expect(documents.decodeMetadata(body)).toEqual(metadata);
    expect(grpcDocuments.decodeMetadata(grpcDocuments.encodeMetadata(metadata))).toEqual(metadata);
    const states = [
      tfsStatusOf({ name: "m", version: "2", state: "ready" }),
      tfsStatusOf({ name: "m", version: "1", state: "loading", reason: "soon" }),
    ];
    const text = Buffer.from(JSON.stringify(documents.encodeStatus(states)));
    expect(documents.decodeStatus(text)).toEqual(states);
    expect(grpcDocuments.decodeStatus(grpcDocuments.encodeStatus(states))).toEqual(states);
    expect(states.map((state) => statusOf("m", state))).toEqual([
      { name: "m", version: "2", state: "ready" },
      { name: "m", version: "1", state: "loading", reason: "soon" },
    ]);
  });

  // tensorflow_serving/servables/tensorflow/testdata/saved_model_half_plus_two_2_versions_metadata.json, cut
  test("of half_plus_two are read as TF Serving tells them", () => {
    const told = {
      model_spec: { name: "half_plus_two", signature_name: "", version: "123" },
      metadata: {
        signature_def: {
          signature_def: {
            serving_default: {
              inputs: {
                x: {
                  dtype: "DT_FLOAT",
                  tensor_shape: {
                    dim: [
                      { size: "-1", name: "" },
                      { size: "1", name: "" },
                    ],
                    unknown_rank: false,
                  },
                  name: "x:0",
                },
              },
              outputs: {
                y: {
                  dtype: "DT_FLOAT",
                  tensor_shape: {
                    dim: [
                      { size: "-1", name: "" },
                      { size: "1", name: "" },
                    ],
                    unknown_rank: false,
                  },
                  name: "y:0",
                },
              },
              method_name: "tensorflow/serving/predict",
            },
          },
        },
      },
    };
    const { name, version, signatures } = documents.decodeMetadata(Buffer.from(JSON.stringify(told)));
    expect([name, version]).toEqual(["half_plus_two", "123"]);
    expect(signatureOf(signatures.get("serving_default")!)).toEqual({
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
      batchDim: 0,
    });
    expect(refused(() => signatureOf(metadata.signatures.get("odd")!))).toContain(
      'output "y": DT_INVALID is not supported',
    );
    expect(refused(() => documents.decodeMetadata(Buffer.from("[]")))).toMatch(/^bad-backend: /);
    expect(refused(() => documents.decodeStatus(Buffer.from('{"model_version_status": 1}')))).toMatch(/^bad-backend: /);
  });
});
