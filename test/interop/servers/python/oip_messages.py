"""Prints the gRPC calls that are recorded from a server of the Open Inference Protocol, as JSON: name, path and encoded messages.

Usage: python oip_messages.py triton|plain

The messages are made by Google's protobuf with the stubs of whichever client or server is installed beside it.
"""

import base64
import json
import sys

import numpy as np

try:
    from tritonclient.grpc import service_pb2 as pb
except ImportError:
    try:
        from mlserver.grpc import dataplane_pb2 as pb
    except ImportError:
        from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

TRITON = sys.argv[1] == "triton"
SERVICE = "/inference.GRPCInferenceService/"
ROW = np.arange(16, dtype="<i4")
calls = []


def call(name, method, *messages):
    encoded = [base64.b64encode(message.SerializeToString()).decode() for message in messages]
    calls.append({"name": f"grpc-{name}", "path": SERVICE + method, "messages": encoded})


def tensor(name, datatype, shape, **contents):
    made = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    for field, values in contents.items():
        getattr(made.contents, field).extend(values)
    return made


def request(model, inputs, raw=(), **fields):
    return pb.ModelInferRequest(model_name=model, inputs=inputs, raw_input_contents=raw, **fields)


def add_sub(**fields):
    inputs = [tensor(name, "INT32", [1, 16]) for name in ("INPUT0", "INPUT1")]
    return request("add_sub", inputs, [ROW.tobytes()] * 2, **fields)


def typed():
    return request("add_sub", [tensor(n, "INT32", [1, 16], int_contents=ROW.tolist()) for n in ("INPUT0", "INPUT1")])


def faulty(what):
    return request("faulty", [tensor("what", "INT32", [1])], [np.array([what], "<i4").tobytes()])


call("live", "ServerLive", pb.ServerLiveRequest())
call("ready", "ServerReady", pb.ServerReadyRequest())
call("server", "ServerMetadata", pb.ServerMetadataRequest())
call("model-ready", "ModelReady", pb.ModelReadyRequest(name="add_sub"))
call("model-ready-unknown", "ModelReady", pb.ModelReadyRequest(name="nobody"))
call("model", "ModelMetadata", pb.ModelMetadataRequest(name="add_sub"))
call("model-versions", "ModelMetadata", pb.ModelMetadataRequest(name="digits"))
call("model-unknown", "ModelMetadata", pb.ModelMetadataRequest(name="nobody"))
call("infer", "ModelInfer", add_sub(id="a"))
call("infer-one-output", "ModelInfer", add_sub(outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="OUTPUT1")]))
call("infer-version", "ModelInfer", add_sub(model_version="1"))
call("infer-typed", "ModelInfer", typed())
call("infer-unknown-model", "ModelInfer", request("nobody", [tensor("x", "INT32", [1])], [b"\0\0\0\0"]))
call("infer-unknown-version", "ModelInfer", add_sub(model_version="9"))
call("infer-short", "ModelInfer", request("add_sub", [tensor(n, "INT32", [1, 16]) for n in ("INPUT0", "INPUT1")], [ROW.tobytes(), b"\0" * 10]))
call("infer-wrong-datatype", "ModelInfer", request("add_sub", [tensor(n, "FP32", [1, 16]) for n in ("INPUT0", "INPUT1")], [ROW.tobytes()] * 2))
call("infer-missing-input", "ModelInfer", request("add_sub", [tensor("INPUT0", "INT32", [1, 16])], [ROW.tobytes()]))
call("infer-no-inputs", "ModelInfer", request("add_sub", []))
call("infer-echo-bytes", "ModelInfer", request("echo", [tensor("bytes", "BYTES", [1, 2])], [b"\1\0\0\0a\2\0\0\0\xc3\xa9"]))
call("infer-echo-fp16", "ModelInfer", request("echo", [tensor("fp16", "FP16", [1, 2])], [np.array([1.5, -2], "<f2").tobytes()]))
call("faulty", "ModelInfer", faulty(0))
call("faulty-raises", "ModelInfer", faulty(-1))
call("faulty-empty", "ModelInfer", faulty(-2))
call("faulty-misnamed", "ModelInfer", faulty(-3))
call("faulty-mistyped", "ModelInfer", faulty(-4))
call("no-such-method", "NoSuchMethod", pb.ServerLiveRequest())

if hasattr(pb, "RepositoryIndexRequest"):
    call("index", "RepositoryIndex", pb.RepositoryIndexRequest())

if TRITON:

    def stream(count, fail_at=None, **parameters):
        inputs, raw = [tensor("count", "INT32", [1])], [np.array([count], "<i4").tobytes()]
        if fail_at is not None:
            inputs.append(tensor("fail_at", "INT32", [1]))
            raw.append(np.array([fail_at], "<i4").tobytes())
        made = request("stream", inputs, raw, id="s")
        for name, value in parameters.items():
            made.parameters[name].bool_param = value
        return made

    final = {"triton_enable_empty_final_response": True}
    call("config", "ModelConfig", pb.ModelConfigRequest(name="add_sub"))
    call("config-stream", "ModelConfig", pb.ModelConfigRequest(name="stream"))
    call("config-batched", "ModelConfig", pb.ModelConfigRequest(name="batched"))
    call("config-unknown", "ModelConfig", pb.ModelConfigRequest(name="nobody"))
    call("statistics", "ModelStatistics", pb.ModelStatisticsRequest(name="add_sub"))
    call("infer-decoupled", "ModelInfer", stream(2))
    call("stream", "ModelStreamInfer", stream(3))
    call("stream-final", "ModelStreamInfer", stream(3, **final))
    call("stream-empty", "ModelStreamInfer", stream(0, **final))
    call("stream-error", "ModelStreamInfer", stream(3, 1, **final))
    call("stream-two", "ModelStreamInfer", stream(1, **final), add_sub(id="b"))
    call("stream-unknown-model", "ModelStreamInfer", request("nobody", []))
    call("load-unknown", "RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="nobody"))

print(json.dumps(calls))
