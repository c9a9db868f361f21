"""Triton's Python backend: a demo model over ONNX Runtime, by the name and version under which Triton loads it, or by the name in its parameter `demo`."""

import json

import triton_python_backend_utils as pb_utils
from demo import Onnx


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"]).get("parameters", {})
        name = parameters.get("demo", {}).get("string_value", args["model_name"])
        self.model = Onnx(name, args["model_version"])

    def execute(self, requests):
        responses = []
        for request in requests:
            arrays = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.model.inputs}
            try:
                answer = self.model.run(arrays)
            except Exception as error:  # noqa: BLE001 whatever ONNX Runtime has to say
                responses.append(pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error))))
                continue
            wanted = set(request.requested_output_names())
            tensors = [pb_utils.Tensor(name, value) for name, value in answer.items() if name in wanted]
            responses.append(pb_utils.InferenceResponse(output_tensors=tensors))
        return responses
