"""Writes oip-grpc.json: messages of GRPCInferenceService as Google's protobuf writes them, from tritonclient's own
stubs (`pip install "tritonclient[grpc]"`). Run by hand: python3 make_oip_grpc.py > oip-grpc.json"""

import importlib.metadata as metadata
import json

import google.protobuf
import numpy as np
import tritonclient.grpc as grpc
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.grpc._utils import _get_inference_request

messages = {}


def save(name, message):
    messages[name] = message.SerializeToString(deterministic=True).hex()


# what the client itself makes of arrays
x = grpc.InferInput("x", [2, 2], "FP32")
x.set_data_from_numpy(np.array([[0.5, -0.0], [np.nan, 1e30]], dtype=np.float32))
s = grpc.InferInput("s", [2], "BYTES")
s.set_data_from_numpy(np.array([b"a", b"\x00\xff"], dtype=np.object_))
y = grpc.InferRequestedOutput("y", class_count=3)
save(
    "request by tritonclient",
    _get_inference_request(
        model_name="digits",
        inputs=[x, s],
        model_version="3",
        request_id="7",
        outputs=[y, grpc.InferRequestedOutput("z")],
        sequence_id=9,
        sequence_start=True,
        sequence_end=False,
        priority=2,
        timeout=500,
        parameters={"flag": True, "half": 0.5, "text": "t", "whole": -4},
    ),
)

# every typed field, with the edges of each datatype
typed = service_pb2.ModelInferRequest(model_name="m")
for name, datatype, field, values in [
    ("bool", "BOOL", "bool_contents", [True, False]),
    ("i8", "INT8", "int_contents", [-128, 127]),
    ("i16", "INT16", "int_contents", [-32768, 32767]),
    ("i32", "INT32", "int_contents", [-(2**31), 2**31 - 1]),
    ("i64", "INT64", "int64_contents", [-(2**63), 2**63 - 1]),
    ("u8", "UINT8", "uint_contents", [0, 255]),
    ("u16", "UINT16", "uint_contents", [128, 65535]),
    ("u32", "UINT32", "uint_contents", [2**31, 2**32 - 1]),
    ("u64", "UINT64", "uint64_contents", [2**63, 2**64 - 1]),
    ("f32", "FP32", "fp32_contents", [0.1, float("-inf")]),
    ("f64", "FP64", "fp64_contents", [0.1, float("nan")]),
    ("bytes", "BYTES", "bytes_contents", [b"", "\u00e9".encode()]),
]:
    tensor = typed.inputs.add(name=name, datatype=datatype, shape=[2])
    getattr(tensor.contents, field).extend(values)
save("typed request", typed)

answer = service_pb2.ModelInferResponse(model_name="digits", model_version="3", id="7")
answer.parameters["triton_final_response"].bool_param = True
answer.parameters["big"].uint64_param = 2**64 - 1
answer.outputs.add(name="y", datatype="FP32", shape=[1, 2])
answer.outputs.add(name="none", datatype="INT64", shape=[0, 4])
answer.outputs.add(name="s", datatype="BYTES", shape=[1])
answer.raw_output_contents.extend([np.array([1, 2], dtype=np.float32).tobytes(), b"", b"\x01\x00\x00\x00a"])
save("answer", answer)
save("stream answer", service_pb2.ModelStreamInferResponse(infer_response=answer))
failed = service_pb2.ModelStreamInferResponse(error_message="no such thing")
failed.infer_response.id = "7"
save("stream error", failed)

save("name and version", service_pb2.ModelReadyRequest(name="digits", version="3"))
save("ready", service_pb2.ModelReadyResponse(ready=True))
save("server metadata", service_pb2.ServerMetadataResponse(name="triton", version="2.51.0", extensions=["a", "b"]))
model = service_pb2.ModelMetadataResponse(name="digits", versions=["1", "3"], platform="onnxruntime_onnx")
model.inputs.add(name="x", datatype="FP32", shape=[-1, 4])
model.outputs.add(name="y", datatype="INT64", shape=[-1])
save("model metadata", model)

config = model_config_pb2.ModelConfig(name="seq", platform="p", backend="python", max_batch_size=8)
config.version_policy.latest.num_versions = 1
config.input.add(name="x", data_type="TYPE_FP32", dims=[-1, 4], optional=True)
config.output.add(name="y", data_type="TYPE_STRING", dims=[1], label_filename="l.txt")
config.instance_group.add(name="g", kind="KIND_CPU", count=2, gpus=[0])
config.sequence_batching.oldest.max_candidate_sequences = 4
config.sequence_batching.oldest.preferred_batch_size.extend([2, 4])
config.sequence_batching.max_sequence_idle_microseconds = 5000000
config.sequence_batching.control_input.add(name="START").control.add(
    kind="CONTROL_SEQUENCE_START", fp32_false_true=[0, 1]
)
config.model_transaction_policy.decoupled = True
config.parameters["k"].string_value = "v"
config.optimization.cuda.graph_spec.add(batch_size=1).input["x"].dim.extend([1, 2])
config.response_cache.enable = False
save("model config", service_pb2.ModelConfigResponse(config=config))

statistics = service_pb2.ModelStatisticsResponse()
one = statistics.model_stats.add(name="m", version="1", last_inference=1700000000000, inference_count=6, execution_count=3)
one.inference_stats.success.count = 6
one.inference_stats.success.ns = 2**40
one.batch_stats.add(batch_size=2).compute_infer.count = 3
one.response_stats["0"].success.count = 6
save("statistics", statistics)

index = service_pb2.RepositoryIndexResponse()
index.models.add(name="m", version="1", state="READY")
index.models.add(name="gone", state="UNAVAILABLE", reason="unloaded")
save("index", index)
load = service_pb2.RepositoryModelLoadRequest(model_name="m")
load.parameters["config"].string_param = "{}"
load.parameters["file:1/model.onnx"].bytes_param = b"ab"
save("load", load)

trace = service_pb2.TraceSettingRequest(model_name="m")
trace.settings["trace_level"].value.extend(["TIMESTAMPS", "TENSORS"])
save("trace setting", trace)
log = service_pb2.LogSettingsRequest()
log.settings["log_info"].bool_param = False
log.settings["log_verbose_level"].uint32_param = 2
log.settings["log_file"].string_param = ""
save("log settings", log)
save("system register", service_pb2.SystemSharedMemoryRegisterRequest(name="r", key="/k", offset=8, byte_size=64))
status = service_pb2.SystemSharedMemoryStatusResponse()
status.regions["r"].name = "r"
status.regions["r"].byte_size = 64
save("system status", status)
save("cuda register", service_pb2.CudaSharedMemoryRegisterRequest(name="r", raw_handle=b"h", device_id=1, byte_size=4))

by = f"tritonclient {metadata.version('tritonclient')}, protobuf {google.protobuf.__version__}"
print(json.dumps({"by": by, "messages": messages}, indent=2))
