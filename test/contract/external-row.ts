// What a row of the external servers' contract is made of: its parts, and the two models that the rows ask.

import type { Code, Origin, Retryable } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../core/tensor.ts";
import { plain } from "../support/gateway-oip.ts";
import { answerBytes, type RecordedHttp, recordings } from "../support/recorded-format.ts";

/** An output: its name, datatype, shape and numbers. */
export type Shown = readonly [name: string, datatype: string, shape: readonly number[], numbers: readonly number[]];

/** A recorded answer and what a caller hears of it. */
export type RecordedFault = readonly [recording: string, code: Code, origin: Origin, retryable: Retryable];

export interface ExternalRow {
  /** The kind's word. */
  readonly kind: string;
  /** Whose recordings, and over what. */
  readonly server: string;
  readonly over: "http" | "grpc";
  /** Which of its ports, where it is not the usual one. */
  readonly port?: string;
  /** The words of the config beside `endpoints`; the port is that of the recorded `management` port. */
  readonly words: (management: number) => object;
  readonly inputs: readonly Tensor[];
  readonly model: string;
  /** Its version as Sluice shows it. */
  readonly version: string;
  readonly expected: () => readonly Shown[];
  /** The recording of that answer, and the questions that are such: by their path. */
  readonly usual: string;
  readonly asks: RegExp;
  /** The recording for a question that wants the last output only, where the server looks at that. */
  readonly oneOutput?: string;
  readonly faults: readonly RecordedFault[];
  /** What the kind does not keep to yet: the test of it must fail until it does. */
  readonly notYet?: readonly "content type"[];
  /** The server finishes what was asked when its caller has gone, so that it is not told. */
  readonly runsOn?: boolean;
  /** The server ends the connection after each answer. */
  readonly closes?: boolean;
}

const ROW = Array.from({ length: 16 }, (_, index) => index);

/** The model `add_sub` and its answer. */
export const ADD_SUB = {
  model: "add_sub",
  version: "1",
  inputs: ["INPUT0", "INPUT1"].map((name) => plain(name, "INT32", [1, 16], ROW)),
  expected: (): readonly Shown[] => [
    ["OUTPUT0", "INT32", [1, 16], ROW.map((x) => 2 * x)],
    ["OUTPUT1", "INT32", [1, 16], ROW.map(() => 0)],
  ],
} as const;

const int32 = (name: string) => ({ name, datatype: "INT32", shape: [-1, 16] });
/** Its signature, for servers that cannot tell it. */
export const ADD_SUB_SIGNATURE = {
  inputs: ["INPUT0", "INPUT1"].map(int32),
  outputs: ["OUTPUT0", "OUTPUT1"].map(int32),
};

const PIXELS = [1, 2].flatMap((pixel) => Array<number>(64).fill(pixel));
/** Two images, one grey and one a little lighter. */
export const IMAGES = [plain("image", "FP32", [2, 1, 8, 8], PIXELS)];
/** The signature of `digits`. */
export const DIGITS_SIGNATURE = {
  inputs: [{ name: "image", datatype: "FP32", shape: [-1, 1, 8, 8] }],
  outputs: [
    { name: "probabilities", datatype: "FP32", shape: [-1, 10] },
    { name: "digit", datatype: "INT64", shape: [-1] },
  ],
};

interface Prediction {
  readonly probabilities: readonly number[];
  readonly digit: number;
}

/** The JSON document in a recorded answer. */
export function recorded<T>(server: string, name: string): T {
  const recording = recordings(server).find((one) => one.name === name) as RecordedHttp;
  const text = `${answerBytes(recording)}`;
  return JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4)) as T;
}

/** What `digits` answered to the two images. */
export function digits(server: string, name: string): readonly Shown[] {
  const { predictions } = recorded<{ readonly predictions: readonly Prediction[] }>(server, name);
  return [
    ["probabilities", "FP32", [2, 10], predictions.flatMap((one) => one.probabilities)],
    ["digit", "INT64", [2], predictions.map((one) => one.digit)],
  ];
}

/** The row's question. */
export function requestOf(row: ExternalRow, more: Partial<InferRequest> = {}): InferRequest {
  return {
    model: { name: row.model, select: { by: "default" } },
    task: "infer",
    inputs: row.inputs,
    parameters: NO_PARAMETERS,
    stream: false,
    ...more,
  };
}
