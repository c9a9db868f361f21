"""A KServe model server with the tests' models, over its v1 and v2 protocols and gRPC, on the loopback interface.

Usage: python kserve_server.py HTTP_PORT GRPC_PORT

KServe binds every interface and cannot be told otherwise, so both of its listeners are changed before it starts.
A v1 instance is the model's input itself where it has one, else an object of its inputs; a prediction is an object of its
outputs. `echo` takes and answers anything, also under `:explain`; `slow` becomes ready when `POST /v2/repository/models/slow/load` asks for it.
"""

import sys

import grpc
import kserve
import numpy as np
import uvicorn
from demo import DTYPES, Onnx, misbehave, through_numpy
from kserve.protocol.infer_type import InferOutput, InferRequest, InferResponse
from kserve.utils.utils import generate_uuid

HTTP_PORT, GRPC_PORT = int(sys.argv[1]), int(sys.argv[2])
LOOPBACK = "127.0.0.1"

uvicorn_init = uvicorn.Config.__init__
GrpcServer = type(grpc.aio.server())  # grpc.aio.Server is only its interface
add_port = GrpcServer.add_insecure_port


def init(self, *args, **options):
    uvicorn_init(self, *args, **{**options, "host": LOOPBACK})


uvicorn.Config.__init__ = init
GrpcServer.add_insecure_port = lambda self, address: add_port(self, f"{LOOPBACK}:{address.rsplit(':', 1)[1]}")

DATATYPES = {np.dtype(dtype).name: datatype for datatype, dtype in DTYPES.items()}
V1_DTYPES = {"image": np.float32}


def output(name, array):
    made = InferOutput(name=name, shape=list(array.shape), datatype=DATATYPES[array.dtype.name])
    made.data = array
    return made


def respond(model, request, outputs):
    """Raw in gives raw out over gRPC, and over REST what the request asks for."""
    raw = any(tensor._raw_data is not None for tensor in request.inputs)
    if request.from_grpc:
        # KServe asks an array left in `data` whether it is true, which fails for more than one element
        for each in outputs:
            each.set_data_from_numpy(each.data, binary_data=raw)
    return InferResponse(
        response_id=request.id or generate_uuid(),
        model_name=model.name,
        infer_outputs=outputs,
        use_binary_outputs=raw if request.from_grpc else request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )


class Ready(kserve.Model):
    def __init__(self, name):
        super().__init__(name)
        self.ready = True


def tensor(name, datatype, shape):
    return {"name": name, "datatype": datatype, "shape": shape}


class OnnxModel(Ready):
    def __init__(self, name, of, version, signature):
        super().__init__(name)
        self.onnx = Onnx(of, version)
        self.signature = signature

    async def get_input_types(self):
        return self.signature[0]

    async def get_output_types(self):
        return self.signature[1]

    def predict(self, payload, headers=None):
        if isinstance(payload, InferRequest):
            answer = self.onnx.run({each.name: each.as_numpy() for each in payload.inputs})
            return respond(self, payload, [output(name, array) for name, array in answer.items()])
        rows = payload["instances"]
        names = self.onnx.inputs
        if len(names) == 1:
            rows = [row if isinstance(row, dict) else {names[0]: row} for row in rows]
        dtype = {name: V1_DTYPES.get(name, np.int32) for name in names}
        answer = self.onnx.run({name: np.asarray([row[name] for row in rows], dtype[name]) for name in names})
        return {"predictions": [{name: array[i].tolist() for name, array in answer.items()} for i in range(len(rows))]}


class Echo(Ready):
    def predict(self, payload, headers=None):
        if not isinstance(payload, InferRequest):
            rows = payload["instances"]
            return {"predictions": [through_numpy(row) if isinstance(row, dict) else row for row in rows]}
        outputs = []
        for each in payload.inputs:
            made = InferOutput(name=each.name, shape=each.shape, datatype=each.datatype)
            made.data = each.as_numpy()
            outputs.append(made)
        return respond(self, payload, outputs)

    def explain(self, payload, headers=None):
        return {"explanations": payload["instances"]}


class Faulty(Ready):
    def predict(self, payload, headers=None):
        if not isinstance(payload, InferRequest):
            answer = misbehave(np.asarray(payload["instances"], np.int32))
            return {"predictions": answer["said"].tolist()} if "said" in answer else {}
        answer = misbehave(payload.inputs[0].as_numpy())
        return respond(self, payload, [output(name, array) for name, array in answer.items()])


class Slow(kserve.Model):
    def load(self):
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None):
        return {"predictions": payload["instances"]}


DIGITS = (
    [tensor("image", "FP32", [-1, 1, 8, 8])],
    [tensor("probabilities", "FP32", [-1, 10]), tensor("digit", "INT64", [-1])],
)
ADD_SUB = (
    [tensor(name, "INT32", [-1, 16]) for name in ("INPUT0", "INPUT1")],
    [tensor(name, "INT32", [-1, 16]) for name in ("OUTPUT0", "OUTPUT1")],
)

kserve.ModelServer(
    http_port=HTTP_PORT, grpc_port=GRPC_PORT, workers=1, enable_grpc=True, enable_latency_logging=False, grace_period=1
).start(
    [
        OnnxModel("digits", "digits", "2", DIGITS),
        OnnxModel("digits_v1", "digits", "1", DIGITS),
        OnnxModel("add_sub", "add_sub", "1", ADD_SUB),
        Echo("echo"),
        Faulty("faulty"),
        Slow("slow"),
    ]
)
