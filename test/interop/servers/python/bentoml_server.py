"""A BentoML service with the tests' models, one API each.

`digits`, `digits_v1` and `add_sub` are ONNX models over typed arrays; `echo` answers the object it got under `value`; `size` tells the bytes of
a file; `faulty` misbehaves as demo.py says, or raises the BentoMLException or the 4xx that `status` names; `batched` is
`digits` in batches of up to 8; `stream` counts to `count`.
"""

import typing as t
from http import HTTPStatus
from pathlib import Path

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from demo import Onnx, misbehave

Images = t.Annotated[np.ndarray, DType("float32"), Shape((-1, 1, 8, 8))]
Rows = t.Annotated[np.ndarray, DType("int32"), Shape((-1, 16))]
Probabilities = t.Annotated[np.ndarray, DType("float32"), Shape((-1, 10))]


class Refused(bentoml.exceptions.BentoMLException):
    def __init__(self, status):
        super().__init__("the service refuses this request")
        self.error_code = HTTPStatus(status)


@bentoml.service(name="sluice_demo", traffic={"timeout": 5}, workers=1)
class Demo:
    def __init__(self):
        self.versions = {version: Onnx("digits", version) for version in ("1", "2")}
        self.add_sub_model = Onnx("add_sub")

    @bentoml.api
    def digits(self, image: Images) -> dict[str, t.Any]:
        return {name: array.tolist() for name, array in self.versions["2"].run({"image": image}).items()}

    @bentoml.api
    def digits_v1(self, image: Images) -> dict[str, t.Any]:
        return {name: array.tolist() for name, array in self.versions["1"].run({"image": image}).items()}

    @bentoml.api
    def probabilities(self, image: Images) -> Probabilities:
        return self.versions["2"].run({"image": image})["probabilities"]

    @bentoml.api
    def add_sub(self, INPUT0: Rows, INPUT1: Rows) -> dict[str, t.Any]:  # noqa: N803 the model's own names
        answer = self.add_sub_model.run({"INPUT0": INPUT0, "INPUT1": INPUT1})
        return {name: array.tolist() for name, array in answer.items()}

    @bentoml.api
    def echo(self, value: t.Any) -> t.Any:
        return value

    @bentoml.api
    def size(self, file: Path) -> int:
        return file.stat().st_size

    @bentoml.api
    def faulty(self, what: list[int] = [0], status: int = 0) -> dict[str, t.Any]:  # noqa: B006 never changed
        if status:
            raise Refused(status)
        return {name: array.tolist() for name, array in misbehave(np.asarray(what, np.int32)).items()}

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=2000)
    def batched(self, image: Images) -> Probabilities:
        return self.versions["2"].run({"image": image})["probabilities"]

    @bentoml.api
    def stream(self, count: int) -> t.Generator[str, None, None]:
        for i in range(count):
            yield f'{{"i": {i}}}\n'
