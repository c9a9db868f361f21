"""Triton's Python backend: its input times the number in the file beside it, as it was when the model was loaded."""

import os

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        path = os.path.join(args["model_repository"], args["model_version"], "factor.txt")
        with open(path) as file:
            self.factor = int(file.read())

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [
            pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor("y", (x * self.factor).astype(x.dtype))])
            for x in inputs
        ]
