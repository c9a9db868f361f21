"""Prints the gRPC calls that are recorded from TorchServe, as JSON: name, path and encoded messages.

Usage: python torchserve_messages.py CASES, which are JSON: [{"name", "json"}, ...], elements to be answered by `echo`

The messages are made by Google's protobuf from the descriptors written here, after pytorch/serve,
frontend/server/src/main/resources/proto/inference.proto: TorchServe comes without stubs.
"""

import base64
import json
import sys

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "/org.pytorch.serve.grpc.inference.InferenceAPIsService/"
PACKAGE = "org.pytorch.serve.grpc.inference"

file = descriptor_pb2.FileDescriptorProto(name="inference.proto", package=PACKAGE, syntax="proto3")
request = file.message_type.add(name="PredictionsRequest")
entry = request.nested_type.add(name="InputEntry")
entry.options.map_entry = True
Field = descriptor_pb2.FieldDescriptorProto
entry.field.add(name="key", number=1, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
entry.field.add(name="value", number=2, type=Field.TYPE_BYTES, label=Field.LABEL_OPTIONAL)
request.field.add(name="model_name", number=1, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
request.field.add(name="model_version", number=2, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
request.field.add(
    name="input",
    number=3,
    type=Field.TYPE_MESSAGE,
    label=Field.LABEL_REPEATED,
    type_name=f".{PACKAGE}.PredictionsRequest.InputEntry",
)
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
PredictionsRequest = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.PredictionsRequest"))

calls = []


def call(name, method, message):
    calls.append({"name": f"grpc-{name}", "path": SERVICE + method, "messages": [base64.b64encode(message).decode()]})


def predict(name, model, body, version=""):
    message = PredictionsRequest(model_name=model, model_version=version, input={"body": body.encode()})
    call(name, "Predictions", message.SerializeToString(deterministic=True))


IMAGES = json.dumps({"instances": [[[[pixel] * 8] * 8] for pixel in (1, 2)]})
call("ping", "Ping", b"")
predict("infer", "digits", IMAGES)
predict("infer-unknown-model", "nobody", IMAGES)
predict("infer-unknown-version", "digits", IMAGES, "9.0")
predict("faulty-raises", "faulty", '{"what": [-1]}')
predict("faulty-empty", "faulty", '{"what": [-2]}')
predict("faulty-refuses", "faulty", '{"status": 418}')
predict("faulty-memory", "faulty", '{"memory": 1}')
for case in json.loads(sys.argv[1]):
    predict(f"datatype-{case['name']}", "echo", '{"instances":[[%s]]}' % case["json"])
print(json.dumps(calls))
