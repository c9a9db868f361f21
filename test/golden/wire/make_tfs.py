"""Writes tfs.json: messages of TensorFlow Serving as Google's protobuf writes them from the service's own stubs, tensors as
TensorFlow's make_tensor_proto and its ParseTensor have them, and floats as C's printf gives them to TF Serving's JSON.
Run by hand with tensorflow-cpu and tensorflow-serving-api: python make_tfs.py > tfs.json"""

import importlib.metadata as metadata
import json
import os
import random
import struct

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

messages = {}
tensors = []


def save(name, message):
    messages[name] = message.SerializeToString(deterministic=True).hex()


def canonical(array):
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(e)) + e for e in array.reshape(-1).tolist()).hex()
    return array.tobytes().hex()


def tensor(name, proto, datatype):
    """What TensorFlow itself reads out of the message."""
    serialized = proto if isinstance(proto, bytes) else proto.SerializeToString(deterministic=True)
    dtype = tensor_pb2.TensorProto.FromString(serialized).dtype
    value = tf.raw_ops.ParseTensor(serialized=serialized, out_type=tf.as_dtype(dtype)).numpy()
    array = np.asarray(value, dtype=object) if datatype == "BYTES" else np.asarray(value)
    tensors.append(
        {
            "name": name,
            "message": serialized.hex(),
            "datatype": datatype,
            "shape": list(array.shape),
            "data": canonical(array),
        }
    )


def shaped(dtype, shape, **fields):
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


DT = types_pb2
ALL = {
    "BOOL": [True, False, True, True],
    "UINT8": [0, 1, 254, 255],
    "UINT16": [0, 1, 65534, 65535],
    "UINT32": [0, 1, 2**32 - 2, 2**32 - 1],
    "UINT64": [0, 1, 2**53 + 1, 2**64 - 1],
    "INT8": [0, 1, -128, 127],
    "INT16": [0, -1, -32768, 32767],
    "INT32": [0, -1, -(2**31), 2**31 - 1],
    "INT64": [0, -1, -(2**63), 2**63 - 1],
    "FP16": [0.5, -0.0, 65504.0, float("inf")],
    "BF16": [0.5, -0.0, 1e30, float("-inf")],
    "FP32": [0.5, -0.0, 1e-45, 3.4028234663852886e38],
    "FP64": [0.1, -0.0, 5e-324, 1.7976931348623157e308],
    "BYTES": [b"", b"\x00\xff", b"abc", "\u00e9".encode()],
}
TF = {
    "FP16": tf.float16, "BF16": tf.bfloat16, "FP32": tf.float32, "FP64": tf.float64, "BYTES": tf.string,
    **{name: getattr(tf, name.lower()) for name in ALL if name.startswith(("INT", "UINT", "BOOL"))},
}
FIELD = {
    "BOOL": "bool_val", "UINT8": "int_val", "UINT16": "int_val", "UINT32": "uint32_val", "UINT64": "uint64_val",
    "INT8": "int_val", "INT16": "int_val", "INT32": "int_val", "INT64": "int64_val", "FP16": "half_val",
    "BF16": "half_val", "FP32": "float_val", "FP64": "double_val", "BYTES": "string_val",
}  # fmt: skip

for name, values in ALL.items():
    dtype = TF[name]
    array = np.array(values, dtype=object if name == "BYTES" else dtype.as_numpy_dtype).reshape(2, 2)
    if name != "BYTES":
        content = shaped(dtype.as_datatype_enum, [2, 2], tensor_content=array.tobytes())
        tensor(f"{name} as tensor_content", content, name)
    typed = values if name not in ("FP16", "BF16") else array.view(np.uint16).reshape(-1).tolist()
    tensor(f"{name} as values", shaped(dtype.as_datatype_enum, [2, 2], **{FIELD[name]: typed}), name)
    last = shaped(dtype.as_datatype_enum, [2, 3], **{FIELD[name]: typed[:2]})
    tensor(f"{name} whose last value repeats", last, name)
    tensor(f"{name} without a value", shaped(dtype.as_datatype_enum, [3]), name)
    tensor(f"{name} without elements", shaped(dtype.as_datatype_enum, [0, 3]), name)
    scalar = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, **{FIELD[name]: typed[1:2]})
    tensor(f"{name} without a shape", scalar, name)

# numbers that are not packed, one field each
loose = shaped(DT.DT_FLOAT, [2]).SerializeToString() + b"\x2d" + struct.pack("<f", 1.5) + b"\x2d" + struct.pack("<f", -2)
tensor("FP32 values that are not packed", loose, "FP32")
loose = shaped(DT.DT_INT32, [3]).SerializeToString() + b"\x38\x05\x3a\x02\x06\x07"
tensor("INT32 values packed and not", loose, "INT32")
wide = shaped(DT.DT_INT32, [1]).SerializeToString() + b"\x38" + b"\xff" * 9 + b"\x01"
tensor("INT32 of ten bytes", wide, "INT32")
both = shaped(DT.DT_FLOAT, [1], tensor_content=struct.pack("<f", 7), float_val=[8])
tensor("content wins over values", both, "FP32")
texts = shaped(DT.DT_STRING, [2], tensor_content=b"\x03\x00abc")
tensor("BYTES as tensor_content", texts, "BYTES")

predict = predict_pb2.PredictRequest(output_filter=["y", "z"])
predict.model_spec.name = "m"
predict.model_spec.version.value = 3
predict.model_spec.signature_name = "s"
predict.inputs["x"].CopyFrom(shaped(DT.DT_FLOAT, [2], tensor_content=struct.pack("<2f", 1, 2)))
predict.inputs["t"].CopyFrom(shaped(DT.DT_STRING, [1], string_val=[b"a"]))
save("predict request", predict)
newest = predict_pb2.PredictRequest()
newest.model_spec.name = "m"
newest.model_spec.version.value = 0
save("predict request of ovmsclient's version 0", newest)
labelled = predict_pb2.PredictRequest()
labelled.model_spec.name = "m"
labelled.model_spec.version_label = "stable"
save("predict request with a label", labelled)
answer = predict_pb2.PredictResponse()
answer.model_spec.name = "m"
answer.model_spec.version.value = 3
answer.model_spec.signature_name = "serving_default"
answer.outputs["y"].CopyFrom(shaped(DT.DT_INT64, [2], int64_val=[-1, 2**63 - 1]))
save("predict response", answer)


def example(**features):
    made = tf.train.Example()
    for key, value in features.items():
        target = made.features.feature[key]
        if isinstance(value[0], bytes):
            target.bytes_list.value.extend(value)
        elif isinstance(value[0], float):
            target.float_list.value.extend(value)
        else:
            target.int64_list.value.extend(value)
    return made


one = example(x=[1.5], n=[-7, 2**62], t=[b"a", b"\xff"])
save("example", one)
save("example of one float", example(x=[1.0]))
context = example(x=[9.0], c=[b"ctx"])
classify = classification_pb2.ClassificationRequest()
classify.model_spec.name = "m"
classify.input.example_list.examples.append(one)
save("classify request", classify)
shared = classification_pb2.ClassificationRequest()
shared.model_spec.name = "m"
shared.input.example_list_with_context.context.CopyFrom(context)
shared.input.example_list_with_context.examples.append(one)
save("classify request with a context", shared)
result = classification_pb2.ClassificationResponse()
first = result.result.classifications.add()
first.classes.add(label="a", score=0.25)
first.classes.add(label="b", score=0.75)
save("classify response", result)
values = regression_pb2.RegressionResponse()
values.result.regressions.add(value=2.5)
values.result.regressions.add(value=0)
save("regress response", values)
multi = inference_pb2.MultiInferenceRequest()
task = multi.tasks.add(method_name="tensorflow/serving/regress")
task.model_spec.name = "m"
multi.input.example_list.examples.append(one)
save("multi request", multi)
results = inference_pb2.MultiInferenceResponse()
results.results.add().regression_result.regressions.add(value=2.5)
results.results.add().classification_result.classifications.add().classes.add(label="a", score=1)
save("multi response", results)

asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
asked.model_spec.name = "m"
save("metadata request", asked)
told = get_model_metadata_pb2.GetModelMetadataResponse()
told.model_spec.name = "m"
told.model_spec.version.value = 123
signatures = get_model_metadata_pb2.SignatureDefMap()
signature = signatures.signature_def["serving_default"]
signature.method_name = "tensorflow/serving/predict"
signature.inputs["x"].name = "x:0"
signature.inputs["x"].dtype = DT.DT_FLOAT
signature.inputs["x"].tensor_shape.dim.add(size=-1)
signature.inputs["x"].tensor_shape.dim.add(size=4)
signature.outputs["y"].dtype = DT.DT_COMPLEX64
signature.outputs["y"].tensor_shape.unknown_rank = True
told.metadata["signature_def"].Pack(signatures)
save("metadata response", told)
status = get_model_status_pb2.GetModelStatusResponse()
version = status.model_version_status.add(version=2, state=30)
version.status.SetInParent()
old = status.model_version_status.add(version=1, state=50)
old.status.error_code = 13
old.status.error_message = "gone"
save("status response", status)


# --- floats, as json_tensor.cc's WriteDecimal has them: StrCat's six digits are those of %g ---
def decimal(value, kind):
    text = "%.6g" % float(value)
    if kind(text) != value:
        text = "%.*g" % (9 if kind is np.float32 else 17, float(value))
    return text if "." in text or "e" in text else text + ".0"


random.seed(8)
floats = [0.0, -0.0, 1, -3, 0.1, 0.2, 1 / 3, 1e5, 999999, 1e6, 1234567, 16777216, 1e9, 1e21, 1e-4, 1e-5, 0.00012345, 1e-45, 3.4028234663852886e38, 1048576.125, 1048576.375, 2.5, -2.5e-7]
floats += [struct.unpack("<f", struct.pack("<I", random.getrandbits(32)))[0] for _ in range(400)]
doubles = [0.1, 0.30000000000000004, 1e22, 5e-324, 1.7976931348623157e308, 123456789.125, 2**53, 1e-5]
doubles += [struct.unpack("<d", struct.pack("<Q", random.getrandbits(64)))[0] for _ in range(400)]


def table(values, kind, form):
    kept = [kind(v) for v in values if np.isfinite(kind(v))]
    return [[struct.pack(form, float(v)).hex(), decimal(v, kind)] for v in kept]


print(
    json.dumps(
        {
            "made with": {name: metadata.version(name) for name in ("tensorflow-cpu", "tensorflow-serving-api", "protobuf")},
            "messages": messages,
            "tensors": tensors,
            "floats": table(floats, np.float32, "<f"),
            "doubles": table(doubles, np.float64, "<d"),
        },
        indent=1,
    )
)
