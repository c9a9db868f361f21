// A body that is nothing but the bytes of a model's one input.

import { invalid } from "../core/error.ts";
import type { ModelMetadata, TensorSpec } from "../core/model.ts";
import { ELEMENT_BYTES, joinBytesElements, NO_PARAMETERS } from "../core/tensor.ts";
import type { OipRequest } from "./oip-binary.ts";

/**
 * Reads a raw binary request: the body is the bytes of the model's one input, one row of it, and all outputs go binary.
 * At most one dimension beside the rows may vary: it follows from the size. BYTES take the body as their one element.
 *
 * Source: Triton, docs/protocol/extension_binary_data.md, raw binary request.
 *
 * @throws InferError invalid-argument for a model that cannot be asked so, or a size that is not its input's
 */
export function decodeRawRequest(body: Uint8Array, metadata: ModelMetadata): OipRequest {
  const [spec, ...others] = metadata.inputs;
  if (spec === undefined || others.length > 0) {
    throw invalid(
      `model "${metadata.name}" has ${metadata.inputs.length} inputs, a raw binary request needs a model with 1`,
    );
  }
  const { name, datatype } = spec;
  const shape = rawShape(body.byteLength, spec, metadata.batchDim);
  const data = datatype === "BYTES" ? joinBytesElements([body]) : body;
  return {
    inputs: [{ name, datatype, shape, data }],
    parameters: NO_PARAMETERS,
    hints: { sluice: NO_PARAMETERS },
    form: { binaryByDefault: true, binary: new Map() },
  };
}

function rawShape(bytes: number, spec: TensorSpec, batchDim: 0 | undefined): readonly number[] {
  const label = `input "${spec.name}"`;
  const said = `${spec.datatype} of shape [${spec.shape.join(",")}]`;
  const shape = spec.shape.map((size, i) => (i === batchDim ? 1 : size));
  const varying = shape.filter((size) => size < 0).length;
  if (varying > 1) {
    throw invalid(
      `${label}: a raw binary request needs a shape with at most 1 variable dimension beside the rows, got ${said}`,
    );
  }
  const fixed = shape.reduce((product, size) => (size < 0 ? product : product * size), 1);
  if (spec.datatype === "BYTES") {
    if (fixed === 1) return shape.map(() => 1);
    throw invalid(`${label}: a raw binary request carries 1 BYTES element, the model takes ${said}`);
  }
  const unit = fixed * ELEMENT_BYTES[spec.datatype];
  const rest = unit === 0 ? 0 : bytes / unit;
  if (varying === 0 ? bytes === unit : Number.isInteger(rest)) return shape.map((size) => (size < 0 ? rest : size));
  throw invalid(`${label}: ${said} needs ${varying === 0 ? "" : "a multiple of "}${unit} bytes, got ${bytes}`);
}
