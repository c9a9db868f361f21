// What ONNX Runtime's error texts mean: the binding hands over no status code, so the text is all there is.

import type { Code, Origin } from "../../core/error.ts";

/** A run's failure in the words of the house. */
export interface Fault {
  readonly code: Code;
  readonly origin: Extract<Origin, "client" | "backend">;
  readonly message: string;
  /** ONNX Runtime's own text: for the log, never sent. */
  readonly cause: string;
}

/** Texts that say the input's shape or values do not suit the model. Seen with onnxruntime-node 1.30. */
const CLIENT_TEXTS: readonly RegExp[] = [
  /Invalid rank for input/i,
  /Got invalid dimensions for input/i,
  /Unexpected input data type/i,
  // Add, Mul ... of two inputs whose symbolic dimensions disagree
  /Attempting to broadcast an axis/i,
  /Attempting to broadcast.* incompatible/i,
  // MatMul, Gemm
  /MatMul dimension mismatch/i,
  /GEMM: Dimension mismatch/i,
  // Gather, GatherND, GatherElements, Slice
  /indices element out of data bounds/i,
  /invalid index found/i,
  // Reshape, Concat, Conv
  /cannot be reshaped to the requested shape/i,
  /dimension with value zero exceeds the dimension size/i,
  /Non concat axis dimensions must match/i,
  /input tensors? .*(dimension|rank|shape)/i,
  /(dimension|dim|shape|rank)s? (mismatch|do(es)? not match|must match)/i,
  /Input channels C is not equal/i,
  /out of (range|bounds)/i,
  // LpNormalization and its like behind a TfIdfVectorizer: texts of no rows have lost a dimension there
  /\baxis:? -?\d+ is not in valid range/i,
  // Div, Mod of integers
  /division by zero/i,
];

/** The fault behind an error that `run` threw. */
export function faultOf(error: unknown): Fault {
  const cause = error instanceof Error ? error.message : String(error);
  const said = firstLines(cause);
  if (CLIENT_TEXTS.some((text) => text.test(cause))) {
    return { code: "invalid-argument", origin: "client", message: `the model refused its input: ${said}`, cause };
  }
  return { code: "bad-backend", origin: "backend", message: `the model failed: ${said}`, cause };
}

// the text without what belongs to ONNX Runtime's own sources: file, line, function and the condition that was false
function firstLines(text: string): string {
  const node =
    /^Non-zero status code returned while running (\w+) node\. Name:'([^']*)' Status Message: ([\s\S]*)$/.exec(text);
  const message = (node?.[3] ?? text)
    .replace(/^\/\S+:\d+ .*? was false\. /s, "")
    .replace(/^\/\S+:\d+ \S+ [^\n]*?\) /, "")
    .replace(/ Please fix either the inputs\/outputs or the model\.?/, "")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 300);
  return node === null ? message : `${node[1]}: ${message}`;
}
