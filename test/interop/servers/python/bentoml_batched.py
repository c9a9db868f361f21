"""A BentoML service with one ONNX model under /predict, in BentoML's own adaptive batches of up to 64.

The environment variable MODEL names the file.
"""

import os
import typing as t

import bentoml
import numpy as np
import onnxruntime as ort
from bentoml.validators import DType

Rows = t.Annotated[np.ndarray, DType("float32")]


@bentoml.service(name="sluice_batched", traffic={"timeout": 30}, workers=1)
class Batched:
    def __init__(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)
    def predict(self, x: Rows) -> Rows:
        return self.session.run(None, {self.input: x})[0]
