// The binary half of the Open Inference Protocol's bodies: blobs behind the JSON, in the order of their tensors.

import { invalid } from "../core/error.ts";
import { ELEMENT_BYTES, readU32, type Tensor } from "../core/tensor.ts";
import { type ReadRegion, readPart } from "./oip-regions.ts";
import { countOf, type ReadTensor } from "./oip-tensors.ts";
import { isDue, openPace, type Pace, type Sliced, type SliceOptions } from "./sliced.ts";

export interface BlobOptions extends SliceOptions {
  /** How errors name a tensor: `input` or `output`. */
  readonly word: "input" | "output";
  /** The message had a header that tells where its JSON ends. */
  readonly hasHeader: boolean;
  /** Reads what lies in shared memory; refused when absent. */
  readonly shared?: ReadRegion;
}

/**
 * Gives each tensor that has no elements yet its blob, as a view.
 *
 * @throws InferError invalid-argument for a size that is not the shape's, for bytes missing or left over, and for BYTES
 * whose length prefixes do not add up
 */
export function* takeBlobs(
  read: readonly ReadTensor[],
  blobs: Uint8Array,
  options: BlobOptions,
): Sliced<readonly Tensor[]> {
  const { word } = options;
  const pace = openPace(options);
  const tensors: Tensor[] = [];
  let at = 0;
  for (const item of read) {
    if (item.form === "json") {
      tensors.push(item.tensor);
      continue;
    }
    const label = `${word} "${item.tensor.name}"`;
    if (item.form === "region") {
      const tensor = { ...item.tensor, data: yield* readPart(item.part, label, options.shared) };
      yield* checkBlob(tensor, label, pace);
      tensors.push(tensor);
      continue;
    }
    if (item.bytes > 0 && !options.hasHeader) {
      throw invalid(`${label}: binary_data_size needs the header Inference-Header-Content-Length, got none`);
    }
    if (item.bytes > blobs.byteLength - at) {
      throw invalid(`${label}: needs ${item.bytes} bytes behind the JSON, got ${blobs.byteLength - at}`);
    }
    const tensor = { ...item.tensor, data: blobs.subarray(at, at + item.bytes) };
    yield* checkBlob(tensor, label, pace);
    tensors.push(tensor);
    at += item.bytes;
  }
  if (at < blobs.byteLength) {
    throw invalid(`the ${word}s take ${at} bytes behind the JSON, got ${blobs.byteLength}`);
  }
  return tensors;
}

function* checkBlob(tensor: Tensor, label: string, pace: Pace): Sliced<void> {
  const { datatype, shape, data } = tensor;
  const count = countOf(shape, label);
  if (datatype === "BYTES") {
    const seen = yield* countElements(data, label, pace);
    if (seen !== count)
      throw invalid(`${label}: shape [${shape.join(",")}] needs ${count} BYTES elements, got ${seen}`);
    return;
  }
  const needed = count * ELEMENT_BYTES[datatype];
  if (data.byteLength === needed) return;
  throw invalid(
    `${label}: ${datatype} of shape [${shape.join(",")}] needs ${needed} bytes, binary_data_size says ${data.byteLength}`,
  );
}

/** The elements of BYTES in their canonical form. @throws InferError invalid-argument when the length prefixes do not add up */
export function* countElements(data: Uint8Array, label: string, pace: Pace): Sliced<number> {
  let at = 0;
  let seen = 0;
  while (at < data.byteLength) {
    const left = data.byteLength - at - 4;
    if (left < 0) throw invalid(`${label}: element ${seen} ends inside its length prefix`);
    const length = readU32(data, at);
    if (length > left) throw invalid(`${label}: element ${seen} says ${length} bytes, ${left} bytes are left`);
    at += 4 + length;
    seen += 1;
    if (isDue(pace, 4)) yield;
  }
  return seen;
}
