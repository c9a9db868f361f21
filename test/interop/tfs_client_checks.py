"""Asks a gateway as TensorFlow Serving's clients do: with the stubs of tensorflow-serving-api, with ovmsclient, and with plain HTTP.
Prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python tfs_client_checks.py HOST:PORT_OF_HTTP HOST:PORT_OF_GRPC onnx|tensorflow
"""

import json
import sys
import traceback
import urllib.error
import urllib.request

import grpc
import numpy as np
import tensorflow as tf
from ovmsclient import make_grpc_client, make_http_client
from ovmsclient.tfs_compat.base.errors import ModelNotFoundError
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

HTTP, GRPC, MODELS = sys.argv[1:4]
channel = grpc.insecure_channel(GRPC, options=[("grpc.max_receive_message_length", -1)])
prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
models = model_service_pb2_grpc.ModelServiceStub(channel)
ROW0 = np.arange(16, dtype=np.int32).reshape(1, 16)
ROW1 = np.full((1, 16), 7, dtype=np.int32)


def predict_request(name, inputs, signature="", version=None, label=None, outputs=()):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for key, value in inputs.items():
        tensor = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
        request.inputs[key].CopyFrom(tensor)
    request.output_filter.extend(outputs)
    return request


def fails(code, work):
    try:
        work()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error.details()
    raise AssertionError(f"expected {code}")


def rest(path, body=None):
    data = None if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{HTTP}{path}", data=data)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Onnx:
    def check_predict(self):
        for form in ("content", "typed"):
            inputs = {"INPUT0": ROW0, "INPUT1": ROW1}
            if form == "typed":
                inputs = {
                    key: TensorProto(
                        dtype=tf.int32.as_datatype_enum,
                        tensor_shape=tf.TensorShape([1, 16]).as_proto(),
                        int_val=row.flatten().tolist(),
                    )
                    for key, row in inputs.items()
                }
            answer = prediction.Predict(predict_request("add_sub", inputs))
            assert answer.model_spec.version.value == 1 and answer.model_spec.signature_name == "serving_default"
            np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["OUTPUT0"]), ROW0 + ROW1)
            np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["OUTPUT1"]), ROW0 - ROW1)

    def check_last_value_repeats(self):
        shape = tf.TensorShape([2, 16]).as_proto()
        same = TensorProto(dtype=tf.int32.as_datatype_enum, tensor_shape=shape, int_val=[3])
        answer = prediction.Predict(predict_request("add_sub", {"INPUT0": same, "INPUT1": same}, outputs=["OUTPUT0"]))
        assert list(answer.outputs) == ["OUTPUT0"]
        np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["OUTPUT0"]), np.full((2, 16), 6, np.int32))

    def check_strings(self):
        texts = np.array(["Alle Menschen sind frei", "人人生而自由"], dtype=object)
        answer = prediction.Predict(predict_request("language", {"text": texts}))
        found = tf.make_ndarray(answer.outputs["label"])
        status, told = rest("/v1/models/language:predict", {"inputs": list(texts)})
        assert status == 200, told
        assert [word.decode() for word in found.flatten()] == list(np.array(told["outputs"]["label"]).flatten())

    def check_versions(self):
        image = np.zeros((1, 1, 8, 8), np.float32)
        for version, expected in ((1, 1), (2, 2), (0, 2), (None, 2)):
            answer = prediction.Predict(predict_request("digits", {"image": image}, version=version))
            assert answer.model_spec.version.value == expected, version
        status = models.GetModelStatus(status_request("digits"))
        assert [(one.version, one.state) for one in status.model_version_status] == [(2, 30), (1, 30)]

    def check_errors(self):
        inputs = {"INPUT0": ROW0, "INPUT1": ROW1}
        ask = lambda request: lambda: prediction.Predict(request)
        code = grpc.StatusCode
        fails(code.INVALID_ARGUMENT, ask(predict_pb2.PredictRequest()))
        fails(code.NOT_FOUND, ask(predict_request("nobody", inputs)))
        fails(code.NOT_FOUND, ask(predict_request("add_sub", inputs, version=9)))
        fails(code.INVALID_ARGUMENT, ask(predict_request("add_sub", inputs, label="x")))
        fails(code.FAILED_PRECONDITION, ask(predict_request("add_sub", inputs, signature="x")))
        fails(code.INVALID_ARGUMENT, ask(predict_request("add_sub", {"INPUT0": ROW0})))
        fails(code.INVALID_ARGUMENT, ask(predict_request("add_sub", {"INPUT0": ROW0, "INPUT1": ROW1.astype(np.float32)})))
        fails(code.INVALID_ARGUMENT, ask(predict_request("add_sub", inputs, outputs=["x"])))

    def check_metadata(self):
        answer = prediction.GetModelMetadata(metadata_request("digits"))
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert answer.metadata["signature_def"].Unpack(signatures)
        (name, signature), = signatures.signature_def.items()
        assert (name, signature.method_name) == ("serving_default", "tensorflow/serving/predict")
        image = signature.inputs["image"]
        assert (image.dtype, [dim.size for dim in image.tensor_shape.dim]) == (1, [-1, 1, 8, 8])

    def check_deadline(self):
        image = np.zeros((1, 1, 8, 8), np.float32)
        fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: prediction.Predict(predict_request("digits", {"image": image}), timeout=1e-6))

    def check_large(self):
        rows = np.random.default_rng(1).integers(-1000, 1000, (50_000, 16), dtype=np.int32)
        answer = prediction.Predict(predict_request("add_sub", {"INPUT0": rows, "INPUT1": rows}))
        np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["OUTPUT0"]), rows + rows)

    def check_ovmsclient_grpc(self):
        client = make_grpc_client(GRPC)
        answer = client.predict({"INPUT0": ROW0, "INPUT1": ROW1}, "add_sub")
        np.testing.assert_array_equal(answer["OUTPUT1"], ROW0 - ROW1)
        answer = client.predict({"INPUT0": ROW0, "INPUT1": ROW1}, "add_sub", 1)
        np.testing.assert_array_equal(answer["OUTPUT0"], ROW0 + ROW1)
        metadata = client.get_model_metadata("add_sub")
        assert metadata["model_version"] == 1 and metadata["inputs"]["INPUT0"]["dtype"] == "DT_INT32", metadata
        assert client.get_model_status("digits")[2]["state"] == "AVAILABLE"
        ovms_finds_nobody(client)

    def check_ovmsclient_http(self):
        client = make_http_client(HTTP)
        answer = client.predict({"INPUT0": ROW0, "INPUT1": ROW1}, "add_sub")
        np.testing.assert_array_equal(answer["OUTPUT1"], ROW0 - ROW1)
        # it looks for the names of OpenVINO's server, and gives TensorFlow Serving's document as it came
        metadata = client.get_model_metadata("add_sub")
        assert metadata["model_spec"]["version"] == "1", metadata
        assert client.get_model_status("digits")[2]["state"] == "AVAILABLE"
        ovms_finds_nobody(client)

    def check_rest_rows(self):
        body = {"instances": [{"INPUT0": ROW0[0].tolist(), "INPUT1": ROW1[0].tolist()}]}
        status, answer = rest("/v1/models/add_sub:predict", body)
        assert status == 200, answer
        np.testing.assert_array_equal(answer["predictions"][0]["OUTPUT0"], (ROW0 + ROW1)[0])

    def check_rest_status(self):
        status, answer = rest("/v1/models/digits")
        versions = answer["model_version_status"]
        assert [one["version"] for one in versions] == ["2", "1"] and versions[0]["status"]["error_code"] == "OK"
        assert rest("/v1/models/nobody")[0] == 404


class TensorFlow:
    def check_signatures(self):
        x = np.array([[1.5, -2]], np.float64)
        answer = prediction.Predict(predict_request("echo", {"x": x}, signature="fp64"))
        np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["y"]), x)
        assert answer.model_spec.signature_name == "fp64"
        fails(grpc.StatusCode.FAILED_PRECONDITION, lambda: prediction.Predict(predict_request("echo", {"x": x}, signature="nope")))

    def check_every_datatype(self):
        for name in ("fp16", "fp32", "fp64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
            kind = np.dtype(name.replace("fp", "float"))
            x = np.array([[0, 1, 100]], kind)
            answer = prediction.Predict(predict_request("echo", {"x": x}, signature=name))
            y = tf.make_ndarray(answer.outputs["y"])
            assert y.dtype == kind, (name, y.dtype)
            np.testing.assert_array_equal(y, x)

    def check_labels(self):
        for label, expected in (("stable", 2.5), ("canary", 3.5)):
            answer = prediction.Predict(predict_request("half_plus", {"x": np.array([1], np.float32)}, label=label))
            assert list(answer.outputs["y"].float_val) == [expected], (label, answer)

    def check_tasks(self):
        request = classification_pb2.ClassificationRequest()
        request.model_spec.name = "half_plus"
        request.model_spec.signature_name = "classify_x"
        request.input.example_list.examples.extend([example(4), example(6)])
        classes = prediction.Classify(request).result.classifications
        assert [each.classes[0].score for each in classes] == [5, 6], classes
        regression = regression_pb2.RegressionRequest()
        regression.model_spec.CopyFrom(request.model_spec)
        regression.model_spec.signature_name = "regress_x"
        regression.input.CopyFrom(request.input)
        assert [one.value for one in prediction.Regress(regression).result.regressions] == [5, 6]
        multi = inference_pb2.MultiInferenceRequest()
        for signature, method in (("regress_x", "regress"), ("classify_x", "classify")):
            task = multi.tasks.add(method_name=f"tensorflow/serving/{method}")
            task.model_spec.name = "half_plus"
            task.model_spec.signature_name = signature
        multi.input.CopyFrom(request.input)
        first, second = prediction.MultiInference(multi).results
        assert [one.value for one in first.regression_result.regressions] == [5, 6]
        assert len(second.classification_result.classifications) == 2

    def check_rest_tasks(self):
        body = {"signature_name": "regress_x", "examples": [{"x": 4.0}, {"x": 6.0}]}
        assert rest("/v1/models/half_plus:regress", body) == (200, {"results": [5.0, 6.0]})
        body["signature_name"] = "classify_x"
        status, answer = rest("/v1/models/half_plus:classify", body)
        assert (status, answer["results"][0][0]) == (200, ["none", 5.0]), answer

    def check_rest_bytes(self):
        body = {"instances": [{"a": [1, 2], "b": 3, "text": {"b64": "YQ=="}}]}
        status, answer = rest("/v1/models/twin:predict", body)
        assert status == 200, answer
        assert answer == {"predictions": [{"next": 4, "sum": 6.0, "text_bytes": {"b64": "YQDDvw=="}}]}, answer


def example(x):
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[x]))
    return tf.train.Example(features=tf.train.Features(feature={"x": feature}))


def metadata_request(name):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = name
    return request


def status_request(name):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    return request


def ovms_finds_nobody(client):
    try:
        client.predict({"x": [1.0]}, "nobody")
    except ModelNotFoundError:
        return
    raise AssertionError("expected ModelNotFoundError")


def outcome(check):
    try:
        check()
        return "ok"
    except Exception:
        return traceback.format_exc(limit=4)


suite = {"onnx": Onnx, "tensorflow": TensorFlow}[MODELS]()
print(json.dumps({name: outcome(getattr(suite, name)) for name in dir(suite) if name.startswith("check_")}))
