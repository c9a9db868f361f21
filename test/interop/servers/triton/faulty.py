"""Triton's Python backend: misbehaves as demo.py says; several requests at once only as several instances."""

import triton_python_backend_utils as pb_utils
from demo import misbehave


class TritonPythonModel:
    def execute(self, requests):
        # whatever is raised here is Triton's to report
        answers = [misbehave(pb_utils.get_input_tensor_by_name(request, "what").as_numpy()) for request in requests]
        return [
            pb_utils.InferenceResponse(output_tensors=[pb_utils.Tensor(name, value) for name, value in answer.items()])
            for answer in answers
        ]
