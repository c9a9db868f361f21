"""TorchServe's handler of all the tests' models: what it does follows from the name and version in the archive's manifest.

`digits` (versions 1.0 and 2.0) takes {"instances": [image, ...]}, a bare list of images, a v2 request, or the images as little-endian float32:
as the whole body, or as the form part `image`. `echo` answers each body as it came, with its content type, but `instances`
as predictions, and a form as JSON of its parts' sizes. `faulty` misbehaves as demo.py says by `what`, or raises PredictionException with `status`, or MemoryError
for `memory`. `stream` counts to `count`, a chunk each, and raises at `fail_at`.
"""

import json
import time

import numpy as np
from demo import Onnx, misbehave
from ts.handler_utils.utils import send_intermediate_predict_response
from ts.utils.util import PredictionException

DATATYPES = {"float32": "FP32", "int64": "INT64"}
JSON = "application/json"


class Handler:
    def initialize(self, context):
        model = context.manifest["model"]
        self.name, version = model["modelName"], model["modelVersion"]
        self.onnx = Onnx("digits", version.split(".")[0]) if self.name == "digits" else None
        self.answer = getattr(self, self.name)

    def handle(self, rows, context):
        return [self.answer(row, i, context) for i, row in enumerate(rows)]

    def digits(self, row, i, context):
        body = row["body"] if "body" in row else row.get("image", row.get("data"))
        context.set_response_content_type(i, JSON)
        if isinstance(body, (bytes, bytearray)) and bytes(body).startswith(b'{"instances"'):
            body = json.loads(body)  # over gRPC nothing says that a body is JSON
        if isinstance(body, (bytes, bytearray)):
            answer = self.run(np.frombuffer(bytes(body), "<f4"))
            context.set_response_content_type(i, "application/octet-stream")
            return answer["probabilities"].astype("<f4").tobytes()
        if isinstance(body, dict) and "inputs" in body:
            tensor = body["inputs"][0]
            answer = self.run(np.asarray(tensor["data"], np.float32))
            outputs = [
                {"name": name, "datatype": DATATYPES[array.dtype.name], "shape": list(array.shape), "data": array.reshape(-1).tolist()}
                for name, array in answer.items()
            ]
            return {"id": body.get("id", ""), "model_name": self.name, "outputs": outputs}
        instances = body["instances"] if isinstance(body, dict) else body
        answer = self.run(np.asarray(instances, np.float32))
        predictions = [{name: array[j].tolist() for name, array in answer.items()} for j in range(len(instances))]
        return {"predictions": predictions} if isinstance(body, dict) else predictions

    def run(self, pixels):
        return self.onnx.run({"image": pixels.reshape(-1, 1, 8, 8)})

    def echo(self, row, i, context):
        if "body" not in row:
            context.set_response_content_type(i, JSON)
            return {name: len(part) for name, part in row.items()}
        kind = context.get_request_header(i, "Content-Type")
        if kind is not None:
            context.set_response_content_type(i, kind)
        body = row["body"]
        if isinstance(body, (bytes, bytearray)) and bytes(body).startswith(b'{"instances"'):
            body = json.loads(body)  # over gRPC, as above
        if isinstance(body, dict) and "instances" in body:
            return {"predictions": body["instances"]}
        return bytes(body) if isinstance(body, (bytes, bytearray)) else body

    def faulty(self, row, i, context):
        body = row.get("body", row)
        body = body if isinstance(body, dict) else json.loads(body)
        if "status" in body:
            raise PredictionException("the model refuses this input", body["status"])
        if "memory" in body:
            raise MemoryError("no memory for this input")
        context.set_response_content_type(i, JSON)
        answer = misbehave(np.asarray(body["what"], np.int32))
        return {name: array.tolist() for name, array in answer.items()}

    batched = faulty

    def stream(self, row, i, context):
        body = row.get("body", row)
        body = body if isinstance(body, dict) else json.loads(body)
        count = body["count"]
        for at in range(count - 1):
            if at == body.get("fail_at", -1):
                raise ValueError(f"the model fails at {at}")
            time.sleep(body.get("pause_ms", 0) / 1000)
            text = [json.dumps({"i": at}) + "\n"]
            send_intermediate_predict_response(text, context.request_ids, "Intermediate Prediction success", 200, context)
        return json.dumps({"i": count - 1}) + "\n"
