import { describe, expect, it } from "vitest";
import { faultOf } from "../../../../backends/onnx/faults.ts";

// texts of onnxruntime-node 1.30, as they were thrown
const BROADCAST = `Non-zero status code returned while running Sub node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:583 void onnxruntime::BroadcastIterator::Append(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 2 by 3
`;
const RESHAPE = `Non-zero status code returned while running Reshape node. Name:'' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:91 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) input_shape_size == requested_shape_size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{6}, requested shape:{4,2}
`;
const GATHER =
  "Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data bounds, idx=9 must be within the inclusive range [-4,3]";
const NORM =
  "Non-zero status code returned while running LpNormalization node. Name:'' Status Message: axis 1 is not in valid range [-1,0]";
const DIMENSIONS = `Got invalid dimensions for input: a for the following indices
 index: 1 Got: 2 Expected: 3
 Please fix either the inputs/outputs or the model.`;

describe("a text of ONNX Runtime", () => {
  it.each([
    [BROADCAST, "Sub: Attempting to broadcast an axis by a dimension other than 1. 2 by 3"],
    [
      RESHAPE,
      "Reshape: The input tensor cannot be reshaped to the requested shape. Input shape:{6}, requested shape:{4,2}",
    ],
    [GATHER, "Gather: indices element out of data bounds, idx=9 must be within the inclusive range [-4,3]"],
    [NORM, "LpNormalization: axis 1 is not in valid range [-1,0]"],
    [DIMENSIONS, "Got invalid dimensions for input: a for the following indices index: 1 Got: 2 Expected: 3"],
  ])("about the input is the client's fault, without ONNX Runtime's own sources: %#", (text, said) => {
    expect(faultOf(new Error(text))).toEqual({
      code: "invalid-argument",
      origin: "client",
      message: `the model refused its input: ${said}`,
      cause: text,
    });
  });

  it("about anything else is the backend's", () => {
    const text = "Non-zero status code returned while running Conv node. Name:'c' Status Message: bad allocation";
    expect(faultOf(new Error(text))).toMatchObject({
      code: "bad-backend",
      origin: "backend",
      message: "the model failed: Conv: bad allocation",
    });
  });
});
