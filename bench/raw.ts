// What the raw arm is told, and what it answers.

/** The session to make; its options are those of backends/onnx/worker.ts with the backend's defaults. */
export interface RawSetup {
  readonly type: "setup";
  readonly path: string;
  readonly input: string;
  readonly output: string;
  readonly shape: readonly number[];
  /** Run one after the other, over and over. */
  readonly inputs: readonly Float32Array<ArrayBuffer>[];
}

export type RawJob =
  /** Answered by the bytes of the output for each input. */
  | { readonly type: "answers" }
  /** Answered by RawFacts. */
  | { readonly type: "measure"; readonly warmMs: number; readonly measureMs: number };

/** A run on these values, answered by the bytes of its output; its setup's own inputs are not used. */
export interface RawOne {
  readonly type: "one";
  readonly values: Float32Array<ArrayBuffer>;
}

export interface RawFacts {
  readonly completed: number;
  /** Between the first and the last run that ended in the measured span. */
  readonly perSecond: number;
}
