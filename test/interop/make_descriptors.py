"""Prints gateway/protocols/grpc-descriptors/NAME.ts: what reflection tells about a service, from the service's own Python package.

Usage: ~/.cache/sluice/venvs/tritonclient-grpc/bin/python make_descriptors.py oip | health | reflection
       ~/.cache/sluice/venvs/tf-serving/bin/python make_descriptors.py tfs
       ~/.cache/sluice/venvs/kserve/bin/python make_descriptors.py torchserve
"""

import base64
import gzip
import sys


def oip():
    from tritonclient.grpc import model_config_pb2, service_pb2

    # whoever asks is to find the names that the files have in Triton's own repository
    return (
        "GRPCInferenceService and what it imports",
        "triton-inference-server/common, protobuf/grpc_service.proto and model_config.proto (BSD-3-Clause)",
        [service_pb2, model_config_pb2],
    )


def health():
    from grpc_health.v1 import health_pb2

    return "gRPC's health service", "grpc/grpc-proto, grpc/health/v1/health.proto (Apache-2.0)", [health_pb2]


def reflection():
    from grpc_reflection.v1alpha import reflection_pb2

    return (
        "gRPC's reflection service, in its first version",
        "grpc/grpc-proto, grpc/reflection/v1alpha/reflection.proto (Apache-2.0)",
        [reflection_pb2],
    )


def tfs():
    from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

    return (
        "TensorFlow Serving's PredictionService and ModelService and what they import",
        "tensorflow/serving, tensorflow_serving/apis, and tensorflow/tensorflow, tensorflow/core (Apache-2.0)",
        [prediction_service_pb2, model_service_pb2],
    )


class Written:
    """A file that no package has."""

    def __init__(self, proto):
        self.DESCRIPTOR = Written.Descriptor(proto)

    class Descriptor:
        def __init__(self, proto):
            self.name = proto.name
            self.serialized_pb = proto.SerializeToString()
            self.dependencies = []


def torchserve():
    from google.protobuf import any_pb2, empty_pb2
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    text, octets, number, inner = Field.TYPE_STRING, Field.TYPE_BYTES, Field.TYPE_INT32, Field.TYPE_MESSAGE

    def message(file, name, *fields):
        made = file.add(name=name)
        for number_, (field, kind, of, label) in enumerate(fields, 1):
            one = made.field.add(name=field, number=number_, type=kind, label=label, json_name=field)
            if of:
                one.type_name = of
        return made

    one, many = Field.LABEL_OPTIONAL, Field.LABEL_REPEATED
    status = FileDescriptorProto(
        name="google/rpc/status.proto", package="google.rpc", syntax="proto3", dependency=["google/protobuf/any.proto"]
    )
    message(
        status.message_type,
        "Status",
        ("code", number, "", one),
        ("message", text, "", one),
        ("details", inner, ".google.protobuf.Any", many),
    )
    package = "org.pytorch.serve.grpc.inference"
    file = FileDescriptorProto(
        name="inference.proto",
        package=package,
        syntax="proto3",
        dependency=["google/protobuf/empty.proto", "google/rpc/status.proto"],
    )
    request = message(
        file.message_type,
        "PredictionsRequest",
        ("model_name", text, "", one),
        ("model_version", text, "", one),
        ("input", inner, f".{package}.PredictionsRequest.InputEntry", many),
        ("sequenceId", text, "", one),
    )
    entry = message(request.nested_type, "InputEntry", ("key", text, "", one), ("value", octets, "", one))
    entry.options.map_entry = True
    answer = message(
        file.message_type,
        "PredictionResponse",
        ("prediction", octets, "", one),
        ("sequenceId", text, "", one),
        ("status", inner, ".google.rpc.Status", one),
    )
    for made, fields in (request, ["sequenceId"]), (answer, ["sequenceId", "status"]):
        for field in fields:
            found = next(one for one in made.field if one.name == field)
            found.proto3_optional = True
            found.oneof_index = len(made.oneof_decl)
            made.oneof_decl.add(name=f"_{field}")
    message(file.message_type, "TorchServeHealthResponse", ("health", text, "", one))
    service = file.service.add(name="InferenceAPIsService")
    ask, tell = f".{package}.PredictionsRequest", f".{package}.PredictionResponse"
    service.method.add(
        name="Ping", input_type=".google.protobuf.Empty", output_type=f".{package}.TorchServeHealthResponse"
    )
    service.method.add(name="Predictions", input_type=ask, output_type=tell)
    service.method.add(name="StreamPredictions", input_type=ask, output_type=tell, server_streaming=True)
    service.method.add(
        name="StreamPredictions2", input_type=ask, output_type=tell, client_streaming=True, server_streaming=True
    )
    return (
        "TorchServe's InferenceAPIsService and what it imports",
        "pytorch/serve, frontend/server/src/main/resources/proto/inference.proto (Apache-2.0)",
        [Written(file), Written(status), empty_pb2, any_pb2],
    )


def with_imports(modules):
    """The files and all that they import, each once."""
    found = {}

    def take(file):
        if file.name not in found:
            found[file.name] = file.serialized_pb
            for imported in file.dependencies:
                take(imported)

    for module in modules:
        take(module.DESCRIPTOR)
    return found.values()


MAKERS = {"oip": oip, "health": health, "reflection": reflection, "tfs": tfs, "torchserve": torchserve}
what, source, modules = MAKERS[sys.argv[1]]()
print(f"// The FileDescriptorProtos of {what}, compressed, as test/interop/make_descriptors.py prints them.")
print()
print('import { inflated } from "./inflated.ts";')
print()
print(f"/** Source: {source}. */")
print("export const DESCRIPTORS = inflated([")
for file in with_imports(modules):
    text = base64.b64encode(gzip.compress(file, 9, mtime=0)).decode()
    print("  [")
    for at in range(0, len(text), 113):
        print(f'    "{text[at:at + 113]}",')
    print("  ],")
print("]);")
