"""Prints the gRPC calls of the Open Inference Protocol that ask `echo` about each datatype, as oip_messages.py prints its own.

Usage: python oip_datatypes.py CASES, which are JSON: [{"name", "datatype", "shape", "hex"}, ...]
"""

import base64
import json
import sys

try:
    from tritonclient.grpc import service_pb2 as pb
except ImportError:
    try:
        from mlserver.grpc import dataplane_pb2 as pb
    except ImportError:
        from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

calls = []


def call(name, method, message):
    encoded = base64.b64encode(message.SerializeToString()).decode()
    calls.append({"name": f"grpc-{name}", "path": f"/inference.GRPCInferenceService/{method}", "messages": [encoded]})


call("echo-model", "ModelMetadata", pb.ModelMetadataRequest(name="echo"))
call("echo-ready", "ModelReady", pb.ModelReadyRequest(name="echo"))
for case in json.loads(sys.argv[1]):
    name, datatype = case["datatype"].lower(), case["datatype"]
    tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=case["shape"])
    raw = [bytes.fromhex(case["hex"])]
    call(f"datatype-{case['name']}", "ModelInfer", pb.ModelInferRequest(model_name="echo", inputs=[tensor], raw_input_contents=raw))
print(json.dumps(calls))
