"""Prints the gRPC calls that ask TensorFlow Serving's stand-in about each datatype, as tfs_messages.py prints its own.

Usage: python tfs_datatypes.py CASES, which are JSON: [{"name", "datatype", "shape", "hex"}, ...]
"""

import base64
import json
import os
import struct
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tfs_models import DTYPES


def texts(data):
    at, found = 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
SERVICE = "/tensorflow.serving.PredictionService/"
calls = []


def call(name, path, message):
    encoded = base64.b64encode(message.SerializeToString(deterministic=True)).decode()
    calls.append({"name": f"grpc-{name}", "path": path, "messages": [encoded]})


def named_echo(message):
    message.model_spec.name = "echo"
    return message


call("status-echo", STATUS, named_echo(get_model_status_pb2.GetModelStatusRequest()))
told = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
call("metadata-echo", f"{SERVICE}GetModelMetadata", named_echo(told))
for case in json.loads(sys.argv[1]):
    word, data = case["datatype"].lower(), bytes.fromhex(case["hex"])
    shape = tf.TensorShape(case["shape"]).as_proto()
    # of its two forms the one that has the bytes as they are
    values = {"string_val": texts(data)} if word == "bytes" else {"tensor_content": data}
    tensor = tensor_pb2.TensorProto(dtype=DTYPES[word].as_datatype_enum, tensor_shape=shape, **values)
    request = named_echo(predict_pb2.PredictRequest())
    request.model_spec.signature_name = word
    request.inputs["x"].CopyFrom(tensor)
    call(f"datatype-{case['name']}", f"{SERVICE}Predict", request)
print(json.dumps(calls))
