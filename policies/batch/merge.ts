// Requests of one bucket as one request, and one request as several smaller ones.

import { invalid } from "../../core/error.ts";
import type { InferRequest } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { rowsOf } from "./key.ts";
import { cutRows, joinRows } from "./tensors.ts";

/**
 * One request with the rows of all, in their order, and `padding` copies of the first row after them. Each input is copied
 * once, into one buffer.
 *
 * @param requests at least one, all of one bucket (see `bucketKey`)
 * @throws InferError invalid-argument when the requests have not the same inputs, or rows that do not agree
 */
export function* mergeRequests(requests: readonly InferRequest[], padding = 0): Generator<void, InferRequest, void> {
  const [first] = requests;
  if (first === undefined) throw invalid("expected requests to merge, got none");
  for (const request of requests) {
    if (rowsOf(request) === undefined) throw invalid("expected inputs of equally many rows");
    if (request.inputs.length !== first.inputs.length) throw invalid("expected the same inputs in each request");
  }
  const inputs: Tensor[] = [];
  for (const [i, { name }] of first.inputs.entries()) {
    const parts = requests.map((request) => inputOf(request, name, i));
    inputs.push(yield* joinRows(parts, padding));
  }
  return { ...first, inputs };
}

/** The request as several of so many rows each, as views into its inputs. */
export function* cutRequest(
  request: InferRequest,
  counts: readonly number[],
): Generator<void, readonly InferRequest[], void> {
  const inputs: (readonly Tensor[])[] = [];
  for (const input of request.inputs) inputs.push(yield* cutRows(input, counts));
  return counts.map((_, i) => ({ ...request, inputs: inputs.map((parts) => parts[i] as Tensor) }));
}

/** `rows` in parts of at most `most`, the last one with what is left. */
export function partsOf(rows: number, most: number): readonly number[] {
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => Math.min(most, rows - i * most));
}

function inputOf({ inputs }: InferRequest, name: string, at: number): Tensor {
  const usual = inputs[at];
  const found = usual?.name === name ? usual : inputs.find((input) => input.name === name);
  if (found === undefined) throw invalid(`expected an input "${name}" in each request`);
  return found;
}
