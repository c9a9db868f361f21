"""Triton's Python backend: `total` is the sum of the `value`s of the sequence so far."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.total = 0

    def execute(self, requests):
        responses = []
        for request in requests:
            if pb_utils.get_input_tensor_by_name(request, "START").as_numpy().reshape(-1)[0]:
                self.total = 0
            value = pb_utils.get_input_tensor_by_name(request, "value").as_numpy()
            self.total += int(value.reshape(-1)[0])
            tensor = pb_utils.Tensor("total", np.full_like(value, self.total))
            responses.append(pb_utils.InferenceResponse(output_tensors=[tensor]))
        return responses
