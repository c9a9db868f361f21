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
for case in json.loads(sys.argv[1]):
    tensor = pb.ModelInferRequest.InferInputTensor(
        name=case["datatype"].lower(), datatype=case["datatype"], shape=case["shape"]
    )
    request = pb.ModelInferRequest(
        model_name="echo", inputs=[tensor], raw_input_contents=[bytes.fromhex(case["hex"])]
    )
    encoded = base64.b64encode(request.SerializeToString()).decode()
    name = f"grpc-datatype-{case['name']}"
    calls.append({"name": name, "path": "/inference.GRPCInferenceService/ModelInfer", "messages": [encoded]})
print(json.dumps(calls))
