// answer: a fixed default answer in place of a model's, as the last resort of a fallback; the answer says that it is one.

import { z } from "zod";
import { InferError, invalid } from "../core/error.ts";
import { type FixedWords, fixedTensor } from "../core/fixed.ts";
import type { Signature, TensorSpec } from "../core/model.ts";
import type { RouteKind } from "../core/policy.ts";
import type { InferRequest } from "../core/request.ts";
import type { Placed } from "../core/route.ts";
import { datatypeWord } from "../core/signature.ts";
import { NO_PARAMETERS, type Tensor } from "../core/tensor.ts";

export interface AnswerOptions {
  readonly outputs: readonly FixedWords[];
}

/** The version that a default answer names: no version of the model's has given it. */
const VERSION = "default-answer";

/** Rows that one default answer may be repeated for. */
const MAX_ROWS = 65_536;

const output = z
  .strictObject({
    datatype: datatypeWord(),
    shape: z.array(z.int().min(-1)).describe("Its shape; -1 in front: as many rows as the request has, all the same."),
    data: z.json().describe("The values, flat or nested; of one row where the shape begins with -1."),
  })
  .superRefine((words, context) => {
    if (words.shape.slice(1).includes(-1)) {
      context.addIssue({ code: "custom", path: ["shape"], message: "expected -1 in front only" });
      return;
    }
    try {
      fixedTensor({ name: "", ...words, shape: oneRow(words.shape) });
    } catch (error) {
      context.addIssue({ code: "custom", path: ["data"], message: (error as Error).message });
    }
  });

export const answer: RouteKind<AnswerOptions> = {
  place: "route",
  word: "answer",
  options: () =>
    z
      .record(z.string().min(1), output)
      .refine((outputs) => Object.keys(outputs).length > 0, { error: "expected at least one output, got none" })
      .transform((outputs) => ({ outputs: Object.entries(outputs).map(([name, words]) => ({ name, ...words })) }))
      .describe("A fixed answer, by output; no model is asked."),
  branches: () => [],
  check: ({ outputs }, signature) => checkAnswer(outputs, signature),
  build({ outputs }, { model }) {
    const rows = outputs.map((words) => ({ words, tensor: fixedTensor({ ...words, shape: oneRow(words.shape) }) }));
    return async (request, call) => {
      call.trace.decide("answer", "default answer");
      if (call.purpose === "explain") {
        return { kind: "whole", model: { name: model, version: VERSION }, outputs: [], parameters: NO_PARAMETERS };
      }
      call.trace.learn({ fallback: "default answer", version: VERSION });
      const all = rows.map(({ words, tensor }) => (words.shape[0] === -1 ? repeat(tensor, request) : tensor));
      return {
        kind: "whole",
        model: { name: model, version: VERSION },
        outputs: asked(all, request),
        parameters: NO_PARAMETERS,
      };
    };
  },
};

function oneRow(shape: readonly number[]): readonly number[] {
  return shape[0] === -1 ? [1, ...shape.slice(1)] : shape;
}

function repeat(row: Tensor, request: InferRequest): Tensor {
  const rows = request.inputs[0]?.shape[0] ?? 1;
  if (rows > MAX_ROWS)
    throw new InferError("unavailable", `a default answer has at most ${MAX_ROWS} rows, ${rows} were asked`);
  const data = new Uint8Array(rows * row.data.byteLength);
  for (let i = 0; i < rows; i += 1) data.set(row.data, i * row.data.byteLength);
  return { ...row, shape: [rows, ...row.shape.slice(1)], data };
}

function asked(outputs: readonly Tensor[], request: InferRequest): readonly Tensor[] {
  return (
    request.outputs?.map(({ name }) => {
      const output = outputs.find((one) => one.name === name);
      if (output !== undefined) return output;
      throw invalid(
        `unexpected output "${name}": the default answer has ${outputs.map((one) => `"${one.name}"`).join(", ")}`,
      );
    }) ?? outputs
  );
}

function checkAnswer(outputs: readonly FixedWords[], signature: Signature): readonly Placed<string>[] {
  const known = signature.outputs.map(({ name }) => name);
  const missing = signature.outputs.filter(({ name }) => !outputs.some((one) => one.name === name));
  return [
    ...missing.map(({ name }) => ({
      path: [],
      it: `expected every output of the model, got none for ${JSON.stringify(name)}`,
    })),
    ...outputs.flatMap((words): readonly Placed<string>[] => {
      const spec = signature.outputs.find(({ name }) => name === words.name);
      if (spec === undefined)
        return [{ path: [words.name], it: `expected one of the model's outputs (${known.join(", ")})` }];
      if (words.datatype !== spec.datatype) {
        return [
          {
            path: [words.name, "datatype"],
            it: `expected ${spec.datatype}, as the model has it, got ${words.datatype}`,
          },
        ];
      }
      if (fits(words.shape, spec)) return [];
      const shapes = `expected a shape that fits the model's [${spec.shape.join(",")}], got [${words.shape.join(",")}]`;
      return [{ path: [words.name, "shape"], it: shapes }];
    }),
  ];
}

function fits(shape: readonly number[], spec: TensorSpec): boolean {
  return shape.length === spec.shape.length && shape.every((size, i) => spec.shape[i] === -1 || spec.shape[i] === size);
}
