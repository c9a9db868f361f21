"""A LitServe server with the tests' models, one API path each, over JSON objects of nested lists by name.

Usage: python litserve_server.py PORT

`/digits`, `/digits_v1` and `/add_sub` are ONNX models; `/echo` answers the object it got, what is called like a
datatype through NumPy; `/faulty` takes `what` and misbehaves as
demo.py says, or raises the HTTPException whose number stands in `status`; `/batched` is `/faulty` in batches of up to 8
gathered for 5 ms; `/stream` counts to `count`, one JSON line each, and fails at `fail_at`.
"""

import json
import sys
import time

import litserve
import numpy as np
from demo import Onnx, misbehave, through_numpy
from fastapi import HTTPException

DTYPES = {"image": np.float32, "INPUT0": np.int32, "INPUT1": np.int32}


class OnnxApi(litserve.LitAPI):
    def __init__(self, name, version, path):
        super().__init__(api_path=path)
        self.of = (name, version)

    def setup(self, device):
        self.onnx = Onnx(*self.of)

    def decode_request(self, request):
        return {name: np.asarray(request[name], DTYPES[name]) for name in self.onnx.inputs}

    def predict(self, arrays):
        return self.onnx.run(arrays)

    def encode_response(self, answer):
        return {name: array.tolist() for name, array in answer.items()}


class Echo(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        return through_numpy(request)


class Faulty(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        if "status" in request:
            raise HTTPException(request["status"], "the API refuses this request")
        answer = misbehave(np.asarray(request["what"], np.int32))
        return {name: array.tolist() for name, array in answer.items()}


class Batched(Faulty):
    def batch(self, requests):
        return requests

    def predict(self, requests):
        return [super(Batched, self).predict(request) for request in requests]

    def unbatch(self, answers):
        return answers


class Stream(litserve.LitAPI):
    def setup(self, device):
        pass

    def predict(self, request):
        for i in range(request["count"]):
            if i == request.get("fail_at", -1):
                raise ValueError(f"the model fails at {i}")
            time.sleep(request.get("pause_ms", 0) / 1000)
            yield {"i": i}

    def encode_response(self, answers):
        for answer in answers:
            yield json.dumps(answer) + "\n"


if __name__ == "__main__":
    server = litserve.LitServer(
        [
            OnnxApi("digits", "2", "/digits"),
            OnnxApi("digits", "1", "/digits_v1"),
            OnnxApi("add_sub", "1", "/add_sub"),
            Echo(api_path="/echo"),
            Faulty(api_path="/faulty"),
            Batched(api_path="/batched", max_batch_size=8, batch_timeout=0.005),
            Stream(api_path="/stream", stream=True),
        ],
        accelerator="cpu",
        workers_per_device=1,
        timeout=5,
        max_payload_size=4_000_000,
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False)
