"""Prints gateway/protocols/grpc-descriptors/NAME.ts: what reflection tells about a service, from the service's own Python package.

Usage: ~/.cache/sluice/venvs/tritonclient-grpc/bin/python make_descriptors.py oip | health | reflection
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


what, source, modules = {"oip": oip, "health": health, "reflection": reflection}[sys.argv[1]]()
print(f"// The FileDescriptorProtos of {what}, compressed, as test/interop/make_descriptors.py prints them.")
print()
print('import { inflated } from "./inflated.ts";')
print()
print(f"/** Source: {source}. */")
print("export const DESCRIPTORS = inflated([")
for module in modules:
    text = base64.b64encode(gzip.compress(module.DESCRIPTOR.serialized_pb, 9, mtime=0)).decode()
    print("  [")
    for at in range(0, len(text), 112):
        print(f'    "{text[at:at + 112]}",')
    print("  ],")
print("]);")
