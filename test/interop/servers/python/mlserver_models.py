"""MLServer's side of the tests' models: each is an MLModel whose settings name the class."""

import asyncio

from demo import Onnx, misbehave
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, ResponseOutput

DATATYPES = {"bool": "BOOL", "float16": "FP16", "float32": "FP32", "float64": "FP64"}


def output(name, array):
    """An array with its own shape; MLServer's codec would make [n] into [n, 1]."""
    datatype = DATATYPES.get(array.dtype.name, array.dtype.name.upper())
    return ResponseOutput(name=name, datatype=datatype, shape=list(array.shape), data=array.reshape(-1).tolist())


class Answering(MLModel):
    def respond(self, outputs):
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


class OnnxModel(Answering):
    async def load(self):
        self.onnx = Onnx(self.name, self.version)
        return True

    async def predict(self, payload):
        arrays = {tensor.name: NumpyCodec.decode_input(tensor) for tensor in payload.inputs}
        return self.respond([output(name, array) for name, array in self.onnx.run(arrays).items()])


class Echo(Answering):
    async def predict(self, payload):
        return self.respond(
            [ResponseOutput(name=t.name, datatype=t.datatype, shape=t.shape, data=t.data) for t in payload.inputs]
        )

    async def predict_stream(self, payloads):
        """Each message of the request three times."""
        async for payload in payloads:
            for _ in range(3):
                yield await self.predict(payload)


class Faulty(Answering):
    async def predict(self, payload):
        what = NumpyCodec.decode_input(payload.inputs[0])
        answer = await asyncio.to_thread(misbehave, what)
        return self.respond([output(name, array) for name, array in answer.items()])
