"""Prints the gRPC calls that are recorded from TensorFlow Serving's stand-in, as JSON: name, path and encoded messages.

The messages are made by Google's protobuf with the stubs of tensorflow-serving-api.
"""

import base64
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
    regression_pb2,
)

PREDICTION = "/tensorflow.serving.PredictionService/"
ROW = np.arange(16, dtype=np.int32).reshape(1, 16)
calls = []


def call(name, path, message):
    encoded = base64.b64encode(message.SerializeToString(deterministic=True)).decode()
    calls.append({"name": f"grpc-{name}", "path": path, "messages": [encoded]})


def spec_of(message, model, version=None, label=None, signature=""):
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    if version is not None:
        message.model_spec.version.value = version
    if label is not None:
        message.model_spec.version_label = label
    return message


def predict(name, model, inputs, wanted=(), **spec):
    message = spec_of(predict_pb2.PredictRequest(output_filter=wanted), model, **spec)
    for key, value in inputs.items():
        message.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    call(name, f"{PREDICTION}Predict", message)


def examples(name, kind, method, **spec):
    message = spec_of(kind(), "half_plus", **spec)
    example = message.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(1.0)
    example.features.feature["label"].bytes_list.value.append(b"a")
    call(name, PREDICTION + method, message)


x = np.array([1, 2, -4], dtype=np.float32)
both = {"INPUT0": ROW, "INPUT1": ROW}
call("status-no-model", "/tensorflow.serving.ModelService/GetModelStatus", get_model_status_pb2.GetModelStatusRequest())
for model in ("add_sub", "half_plus", "nobody"):
    asked = spec_of(get_model_status_pb2.GetModelStatusRequest(), model)
    call(f"status-{model}", "/tensorflow.serving.ModelService/GetModelStatus", asked)
    told = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    call(f"metadata-{model}", f"{PREDICTION}GetModelMetadata", spec_of(told, model))
predict("predict", "add_sub", both)
predict("predict-version", "add_sub", both, version=1)
predict("predict-some", "add_sub", both, wanted=["OUTPUT1"])
predict("predict-label", "half_plus", {"x": x}, label="stable")
predict("predict-unknown", "nobody", both)
predict("predict-unknown-version", "add_sub", both, version=9)
predict("predict-unknown-label", "half_plus", {"x": x}, label="nobody")
predict("predict-unknown-signature", "half_plus", {"x": x}, signature="nobody")
predict("predict-missing-input", "add_sub", {"INPUT0": ROW})
predict("predict-unknown-output", "add_sub", both, wanted=["nothing"])
predict("predict-fails", "faulty", {"x": np.array([-1], dtype=np.int32)})
examples("classify", classification_pb2.ClassificationRequest, "Classify", signature="classify_x")
examples("regress", regression_pb2.RegressionRequest, "Regress", signature="regress_x")
examples("classify-wrong", classification_pb2.ClassificationRequest, "Classify", signature="regress_x")
print(json.dumps(calls))
