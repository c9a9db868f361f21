"""Triton's Python backend, decoupled: counts from 0 to below `count`, with a pause of `pause_ms` before each.

Its last input, `fail_at`, makes that response an error. When it was cancelled it appends a line to SLUICE_CANCELLED.
"""

import os
import time

import numpy as np
import triton_python_backend_utils as pb_utils


def number(request, name, otherwise):
    tensor = pb_utils.get_input_tensor_by_name(request, name)
    return otherwise if tensor is None else int(tensor.as_numpy().reshape(-1)[0])


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            self.answer(request)
        return None

    def answer(self, request):
        sender = request.get_response_sender()
        fail_at = number(request, "fail_at", -1)
        for i in range(number(request, "count", 0)):
            time.sleep(number(request, "pause_ms", 0) / 1000)
            if sender.is_cancelled():
                with open(os.environ["SLUICE_CANCELLED"], "a", encoding="utf8") as file:
                    file.write(f"cancelled before {i}\n")
                break
            if i == fail_at:
                sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError(f"the model fails at {i}")))
            else:
                tensor = pb_utils.Tensor("i", np.array([i], np.int32))
                sender.send(pb_utils.InferenceResponse(output_tensors=[tensor]))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
