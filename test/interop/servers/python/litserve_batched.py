"""A LitServe server with one ONNX model under /predict, in LitServe's own batches of up to 64 gathered for 5 ms.

Usage: python litserve_batched.py PORT MODEL.onnx
"""

import sys

import litserve
import numpy as np
import onnxruntime as ort


class Batched(litserve.LitAPI):
    def setup(self, device):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def decode_request(self, request):
        return np.asarray(request["x"], np.float32)

    def batch(self, rows):
        return np.stack(rows)

    def predict(self, rows):
        return self.session.run(None, {self.input: np.atleast_2d(rows)})[0]

    def unbatch(self, answers):
        return list(answers)

    def encode_response(self, answer):
        return {"y": answer.tolist()}


if __name__ == "__main__":
    api = Batched(api_path="/predict", max_batch_size=64, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=30)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
