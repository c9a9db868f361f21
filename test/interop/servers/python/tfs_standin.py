# A stand-in for TensorFlow Serving, whose own server cannot be installed here.
#
# What is real: the messages and services (the generated code of tensorflow-serving-api), the SavedModels and their
# signatures, the session that runs them, and TensorFlow's own C++ that decodes the TensorProtos (ParseTensor). What is
# not: the statuses, texts and JSON, which are written here after the source of TensorFlow Serving (protocols 8 and 16.2
# name the files). Its JSON reader rounds doubles exactly, where TF Serving's RapidJSON may be one bit off.
#
#   python tfs_standin.py FOLDER REST_PORT GRPC_PORT
#
# FOLDER/<model>/<version>/ is a SavedModel, or a folder with a model.onnx, which ONNX Runtime runs: a graph of ours that
# TensorFlow cannot run stands behind the same protocol. FOLDER/<model>/labels.json maps labels to versions.

import base64
import json
import os
import re
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import meta_graph_pb2
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

v1 = tf.compat.v1
DEFAULT = "serving_default"
CODES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}


class Refused(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code = code
        self.text = text[:1024]


class Parser:
    """TensorFlow's own decoder of TensorProtos."""

    def __init__(self):
        self.sessions = {}
        self.lock = threading.Lock()

    def parse(self, name, proto):
        if proto.dtype == 0:
            raise Refused("INVALID_ARGUMENT", f"tensor parsing error: {name}")
        with self.lock:
            if proto.dtype not in self.sessions:
                with tf.Graph().as_default() as graph:
                    text = v1.placeholder(tf.string, [])
                    value = tf.raw_ops.ParseTensor(serialized=text, out_type=tf.as_dtype(proto.dtype))
                self.sessions[proto.dtype] = (v1.Session(graph=graph), text, value)
        session, text, value = self.sessions[proto.dtype]
        try:
            return session.run(value, {text: proto.SerializeToString()})
        except tf.errors.OpError as error:
            raise Refused("INVALID_ARGUMENT", f"tensor parsing error: {name}") from error


PARSER = Parser()


def fill_values(proto, array):
    """The typed form, which TF Serving answers in."""
    flat = array.reshape(-1)
    dtype = tf.as_dtype(proto.dtype)
    if dtype in (tf.float16, tf.bfloat16):
        proto.half_val.extend(flat.view(np.uint16).tolist())
    elif dtype == tf.float32:
        proto.float_val.extend(flat.tolist())
    elif dtype == tf.float64:
        proto.double_val.extend(flat.tolist())
    elif dtype == tf.string:
        proto.string_val.extend(text if isinstance(text, bytes) else text.encode() for text in flat.tolist())
    elif dtype == tf.int64:
        proto.int64_val.extend(flat.tolist())
    elif dtype == tf.uint32:
        proto.uint32_val.extend(flat.tolist())
    elif dtype == tf.uint64:
        proto.uint64_val.extend(flat.tolist())
    elif dtype == tf.bool:
        proto.bool_val.extend(flat.tolist())
    else:
        proto.int_val.extend(flat.tolist())


def proto_of(array, dtype):
    array = np.asarray(array)
    proto = tensor_pb2.TensorProto(dtype=dtype)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    fill_values(proto, array)
    return proto


class SavedModel:
    def __init__(self, path):
        self.graph = tf.Graph()
        self.session = v1.Session(graph=self.graph)
        with self.graph.as_default():
            meta = v1.saved_model.load(self.session, [tf.saved_model.SERVING], path)
        self.signatures = dict(meta.signature_def)

    def run(self, signature, inputs, outputs):
        try:
            feeds = {signature.inputs[name].name: value for name, value in inputs.items()}
            return self.session.run([signature.outputs[name].name for name in outputs], feeds)
        except tf.errors.OpError as error:
            code = {3: "INVALID_ARGUMENT", 9: "FAILED_PRECONDITION", 12: "UNIMPLEMENTED"}.get(error.error_code, "INTERNAL")
            raise Refused(code, error.message) from error
        except (ValueError, TypeError) as error:
            raise Refused("INVALID_ARGUMENT", str(error)) from error


class OnnxModel:
    TYPES = {
        "tensor(float)": tf.float32,
        "tensor(double)": tf.float64,
        "tensor(int64)": tf.int64,
        "tensor(int32)": tf.int32,
        "tensor(string)": tf.string,
        "tensor(bool)": tf.bool,
    }

    def __init__(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        signature = meta_graph_pb2.SignatureDef(method_name="tensorflow/serving/predict")
        for values, infos in ((self.session.get_inputs(), signature.inputs), (self.session.get_outputs(), signature.outputs)):
            for value in values:
                info = infos[value.name]
                info.name = f"{value.name}:0"
                info.dtype = self.TYPES[value.type].as_datatype_enum
                for size in value.shape:
                    info.tensor_shape.dim.add(size=size if isinstance(size, int) else -1)
        self.signatures = {DEFAULT: signature}

    def run(self, _signature, inputs, outputs):
        try:
            return self.session.run(list(outputs), inputs)
        except Exception as error:
            raise Refused("INVALID_ARGUMENT", str(error)) from error


class Models:
    def __init__(self, root):
        self.models = {}
        self.labels = {}
        for name in sorted(os.listdir(root)):
            versions = {}
            for entry in os.listdir(f"{root}/{name}"):
                path = f"{root}/{name}/{entry}"
                if entry.isdigit():
                    onnx = f"{path}/model.onnx"
                    versions[int(entry)] = OnnxModel(onnx) if os.path.exists(onnx) else SavedModel(path)
            self.models[name] = versions
            try:
                with open(f"{root}/{name}/labels.json", encoding="utf8") as file:
                    self.labels[name] = json.load(file)
            except FileNotFoundError:
                self.labels[name] = {}

    def find(self, name, version=None, label=None):
        if name == "":
            raise Refused("INVALID_ARGUMENT", "ModelSpec has no name specified.")
        if label is not None:
            if label not in self.labels.get(name, {}):
                raise Refused("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
            version = self.labels[name][label]
        versions = self.models.get(name, {})
        if version is None and versions:
            version = max(versions)
        if version not in versions:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused("NOT_FOUND", f"Servable not found for request: {wanted}")
        return version, versions[version]

    def of_spec(self, request):
        if not request.HasField("model_spec"):
            raise Refused("INVALID_ARGUMENT", "Missing ModelSpec")
        spec = request.model_spec
        kind = spec.WhichOneof("version_choice")
        version = spec.version.value if kind == "version" else None
        return self.find(spec.name, version, spec.version_label if kind == "version_label" else None)

    def status(self, name, version=None):
        versions = self.models.get(name)
        if versions is None:
            raise Refused("NOT_FOUND", f"Could not find any versions of model {name}")
        if version is not None and version not in versions:
            raise Refused("NOT_FOUND", f"Could not find version {version} of model {name}")
        answer = get_model_status_pb2.GetModelStatusResponse()
        for number in sorted(versions, reverse=True):
            if version is None or version == number:
                one = answer.model_version_status.add(version=number, state=30)
                one.status.SetInParent()
        return answer


def predict(model, signature, inputs, wanted=()):
    missing = sorted(set(signature.inputs) - set(inputs))
    extra = sorted(set(inputs) - set(signature.inputs))
    if missing or extra:
        sent, known = ",".join(sorted(inputs)), ",".join(sorted(signature.inputs))
        raise Refused(
            "INVALID_ARGUMENT",
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} len({{{sent}}}) != "
            f"len({{{known}}}). Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}.",
        )
    for name in wanted:
        if name not in signature.outputs:
            raise Refused(
                "INVALID_ARGUMENT",
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{','.join(sorted(signature.outputs))}}}.",
            )
    names = list(wanted) or list(signature.outputs)
    return dict(zip(names, model.run(signature, inputs, names)))


def task_signature(model, name, code):
    key = name or DEFAULT
    if key not in model.signatures:
        raise Refused(code, f'Serving signature key "{key}" not found.')
    return key, model.signatures[key]


def examples_of(source):
    if source.example_list.examples:
        return [example.SerializeToString() for example in source.example_list.examples]
    shared = source.example_list_with_context
    context = shared.context.SerializeToString()
    found = [context + example.SerializeToString() for example in shared.examples]
    if not found:
        raise Refused("INVALID_ARGUMENT", "Input is empty.")
    return found


def run_task(model, spec, examples, method):
    key = spec.signature_name or DEFAULT
    if key not in model.signatures:
        raise Refused("INVALID_ARGUMENT", f"No signature was found with the name: {key}")
    signature = model.signatures[key]
    if signature.method_name != method:
        raise Refused(
            "INVALID_ARGUMENT",
            f"Expected {method.rsplit('/')[-1]} signature method_name to be {method}. Was: {signature.method_name}",
        )
    outputs = predict(model, signature, {"inputs": np.array(examples, dtype=object)})
    return key, outputs


def classification(outputs):
    result = classification_pb2.ClassificationResult()
    for classes, scores in zip(outputs["classes"], outputs["scores"]):
        one = result.classifications.add()
        for label, score in zip(classes, scores):
            one.classes.add(label=label, score=score)
    return result


def regression(outputs):
    result = regression_pb2.RegressionResult()
    for value in outputs["outputs"].reshape(-1):
        result.regressions.add(value=value)
    return result


CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self.models = models

    def answered(self, context, work):
        try:
            return work()
        except Refused as refused:
            context.abort(getattr(grpc.StatusCode, refused.code), refused.text)

    def Predict(self, request, context):
        return self.answered(context, lambda: self.predict(request))

    def predict(self, request):
        version, model = self.models.of_spec(request)
        key, signature = task_signature(model, request.model_spec.signature_name, "FAILED_PRECONDITION")
        inputs = {name: PARSER.parse(name, proto) for name, proto in request.inputs.items()}
        outputs = predict(model, signature, inputs, request.output_filter)
        answer = predict_pb2.PredictResponse()
        fill_spec(answer.model_spec, request.model_spec.name, version, key)
        for name, value in outputs.items():
            answer.outputs[name].CopyFrom(proto_of(value, signature.outputs[name].dtype))
        return answer

    def Classify(self, request, context):
        return self.answered(context, lambda: self.task(request, classification_pb2.ClassificationResponse(), CLASSIFY))

    def Regress(self, request, context):
        return self.answered(context, lambda: self.task(request, regression_pb2.RegressionResponse(), REGRESS))

    def task(self, request, answer, method):
        version, model = self.models.of_spec(request)
        key, outputs = run_task(model, request.model_spec, examples_of(request.input), method)
        answer.result.CopyFrom((classification if method == CLASSIFY else regression)(outputs))
        fill_spec(answer.model_spec, request.model_spec.name, version, key)
        return answer

    def MultiInference(self, request, context):
        return self.answered(context, lambda: self.multi(request))

    def multi(self, request):
        answer = inference_pb2.MultiInferenceResponse()
        for task in request.tasks:
            version, model = self.models.of_spec(task)
            key, outputs = run_task(model, task.model_spec, examples_of(request.input), task.method_name)
            one = answer.results.add()
            fill_spec(one.model_spec, task.model_spec.name, version, key)
            if task.method_name == CLASSIFY:
                one.classification_result.CopyFrom(classification(outputs))
            else:
                one.regression_result.CopyFrom(regression(outputs))
        return answer

    def GetModelMetadata(self, request, context):
        return self.answered(context, lambda: self.metadata(request))

    def metadata(self, request):
        if list(request.metadata_field) != ["signature_def"]:
            raise Refused("INVALID_ARGUMENT", "GetModelMetadataRequest must specify at least one metadata_field")
        version, model = self.models.of_spec(request)
        return metadata_of(request.model_spec.name, version, model)


def fill_spec(spec, name, version, signature):
    spec.name = name
    spec.version.value = version
    spec.signature_name = signature


def metadata_of(name, version, model):
    answer = get_model_metadata_pb2.GetModelMetadataResponse()
    fill_spec(answer.model_spec, name, version, "")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for key, signature in model.signatures.items():
        signatures.signature_def[key].CopyFrom(signature)
    answer.metadata["signature_def"].Pack(signatures)
    return answer


class Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self.models = models

    def GetModelStatus(self, request, context):
        try:
            if not request.HasField("model_spec"):
                raise Refused("INVALID_ARGUMENT", "Missing ModelSpec")
            if request.model_spec.name == "":
                raise Refused("INVALID_ARGUMENT", "ModelSpec has no name specified.")
            spec = request.model_spec
            return self.models.status(spec.name, spec.version.value if spec.HasField("version") else None)
        except Refused as refused:
            context.abort(getattr(grpc.StatusCode, refused.code), refused.text)


# --- REST, after http_rest_api_handler.cc and json_tensor.cc ---

PATH = re.compile(r"(?i)^/v1/models(?:/([^/:]+)(?:/(?:versions/(\d+)|labels/([^/:]+)))?)?(?:/(metadata)|:(\w+))?$")
FLOATS = {tf.float32: (6, 9), tf.float64: (6, 17)}
INTS = {
    tf.int8: (-(2**31), 2**31 - 1),
    tf.uint8: (-(2**31), 2**31 - 1),
    tf.int16: (-(2**31), 2**31 - 1),
    tf.int32: (-(2**31), 2**31 - 1),
    tf.int64: (-(2**63), 2**63 - 1),
    tf.uint32: (0, 2**32 - 1),
    tf.uint64: (0, 2**64 - 1),
}


def is_b64(value):
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def element(value, dtype):
    wrong = Refused(
        "INVALID_ARGUMENT", f"JSON Value: {json.dumps(value)} is not of expected type: {dtype.name.replace('32', '')}"
    )
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if dtype in FLOATS:
        if not is_number:
            raise wrong
        most = 2**24 - 1 if dtype == tf.float32 else 2**53 - 1
        if isinstance(value, int) and abs(value) > most:
            raise Refused(
                "INVALID_ARGUMENT", f"Cannot convert JSON value: {value} to {dtype.name} without loss of precision."
            )
        return value
    if dtype in INTS:
        least, most = INTS[dtype]
        if not is_number or isinstance(value, float) or not least <= value <= most:
            raise wrong
        # 8 and 16 bits wrap, as TensorFlow's own decoding does
        return value if dtype.size >= 4 else int(np.int64(value).astype(dtype.as_numpy_dtype))
    if dtype == tf.bool:
        if not isinstance(value, bool):
            raise wrong
        return value
    if dtype == tf.string:
        if isinstance(value, str):
            return value.encode()
        if is_b64(value):
            return base64.b64decode(value["b64"])
        raise wrong
    raise Refused("UNIMPLEMENTED", f"Conversion of JSON Value: {json.dumps(value)} to type: {dtype.name}")


def shape_of(value):
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def fill(value, shape, level, dtype, into):
    if not isinstance(value, list):
        if level != len(shape):
            raise Refused(
                "INVALID_ARGUMENT",
                f"JSON Value: {json.dumps(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                f"level: {len(shape)}",
            )
        into.append(element(value, dtype))
        return
    if level >= len(shape):
        raise Refused("INVALID_ARGUMENT", f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise Refused(
            "INVALID_ARGUMENT",
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}",
        )
    for one in value:
        fill(one, shape, level + 1, dtype, into)


def array_of(values, shape, dtype):
    kind = object if dtype == tf.string else dtype.as_numpy_dtype
    with np.errstate(over="ignore"):
        array = np.empty(len(values), dtype=kind)
        for index, value in enumerate(values):
            array[index] = value
    return array.reshape(shape)


def tensor_of(value, dtype):
    shape, values = shape_of(value), []
    fill(value, shape, 0, dtype, values)
    return array_of(values, shape, dtype)


def inputs_of(document, signature):
    infos = {name: tf.as_dtype(info.dtype) for name, info in signature.inputs.items()}
    if "instances" in document:
        if "inputs" in document:
            raise Refused("INVALID_ARGUMENT", "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
        return "row", rows_of(document["instances"], infos)
    if "inputs" not in document:
        raise Refused("INVALID_ARGUMENT", "Missing 'inputs' or 'instances' key")
    value = document["inputs"]
    if not isinstance(value, dict) or is_b64(value):
        if len(infos) > 1:
            raise Refused(
                "INVALID_ARGUMENT",
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map",
            )
        name, dtype = next(iter(infos.items()))
        return "column", {name: tensor_of(value, dtype)}
    for name in infos:
        if name not in value:
            raise Refused("INVALID_ARGUMENT", f"Missing named input: {name} in 'inputs' object.")
    return "column", {name: tensor_of(value[name], dtype) for name, dtype in infos.items()}


def rows_of(instances, infos):
    if not isinstance(instances, list):
        raise Refused("INVALID_ARGUMENT", "Excepting 'instances' to be an list/array")
    if not instances:
        raise Refused("INVALID_ARGUMENT", "No values in 'instances' array")
    named = isinstance(instances[0], dict) and not is_b64(instances[0])
    if not isinstance(instances[0], dict) and len(infos) > 1:
        raise Refused(
            "INVALID_ARGUMENT",
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map",
        )
    columns = {}
    for index, row in enumerate(instances):
        if (isinstance(row, dict) and not is_b64(row)) != named:
            raise Refused("INVALID_ARGUMENT", f"Expecting {'object' if named else 'value/list'} at item {index} of input list")
        items = row if named else {next(iter(infos)): row}
        for name, value in items.items():
            if name not in infos:
                raise Refused("INVALID_ARGUMENT", f"JSON object: does not have named input: {name}")
            shape, values = shape_of(value), []
            try:
                fill(value, shape, 0, infos[name], values)
            except Refused as refused:
                # rows wrap the error of each item
                raise Refused("INVALID_ARGUMENT", f"Failed to process element: {index} of 'instances' list. Error: {refused.text}") from refused
            first, all_values = columns.setdefault(name, (shape, []))
            if shape != first:
                raise Refused("INVALID_ARGUMENT", f"Expecting shape {first} but got: {shape}")
            all_values.extend(values)
        if set(items) != set(infos):
            raise Refused("INVALID_ARGUMENT", f"Failed to process element: {index} of 'instances' list. keys must be equal to: {','.join(sorted(infos))}")
    return {name: array_of(values, [len(instances), *shape], infos[name]) for name, (shape, values) in columns.items()}


def decimal(value, dtype):
    short, full = FLOATS[dtype]
    number = float(value)
    if number != number:
        return "NaN"
    if number in (float("inf"), float("-inf")):
        return "Infinity" if number > 0 else "-Infinity"
    text = "%.*g" % (short, number)
    if dtype.as_numpy_dtype(float(text)) != value:
        text = "%.*g" % (full, number)
    return text if "." in text or "e" in text else text + ".0"


def text_of(array, dtype, as_bytes):
    if array.ndim > 0:
        return "[" + ", ".join(text_of(object_array(one), dtype, as_bytes) for one in array) + "]"
    value = array[()] if dtype == tf.string else array.item()
    if dtype in FLOATS:
        return decimal(array[()], dtype)
    if dtype == tf.bool:
        return "true" if value else "false"
    if dtype == tf.string:
        data = value if isinstance(value, bytes) else str(value).encode()
        if as_bytes:
            return json.dumps({"b64": base64.b64encode(data).decode()})
        return json.dumps(data.decode("utf8", "surrogateescape"), ensure_ascii=False)
    if dtype in INTS:
        return str(value)
    raise Refused("INVALID_ARGUMENT", f"Failed to write JSON value for tensor type: {dtype.name}")


def predictions(form, outputs, signature):
    arrays = {name: object_array(value) for name, value in sorted(outputs.items())}
    dtypes = {name: tf.as_dtype(signature.outputs[name].dtype) for name in arrays}

    def text(name, value):
        return text_of(value, dtypes[name], dtypes[name] == tf.string and name.endswith("_bytes"))

    if form == "column":
        if len(arrays) == 1:
            [(name, value)] = arrays.items()
            return '{\n    "outputs": ' + text(name, value) + "\n}"
        inner = ",\n".join(f"        {json.dumps(name)}: {text(name, value)}" for name, value in arrays.items())
        return '{\n    "outputs": {\n' + inner + "\n    }\n}"
    sizes = {}
    for name, value in arrays.items():
        if value.ndim == 0:
            raise Refused("INVALID_ARGUMENT", f"Tensor name: {name} has no shape information ")
        sizes[name] = len(value)
    if len(set(sizes.values())) > 1:
        raise Refused("INVALID_ARGUMENT", f"Tensor name: {name} has inconsistent batch size: {sizes[name]}")
    rows = []
    for index in range(next(iter(sizes.values()))):
        if len(arrays) == 1:
            [(name, value)] = arrays.items()
            rows.append(text(name, object_array(value[index])))
        else:
            inner = ", ".join(f"{json.dumps(name)}: {text(name, object_array(value[index]))}" for name, value in arrays.items())
            rows.append("{" + inner + "}")
    return '{\n    "predictions": [' + ", ".join(rows) + "]\n}"


def object_array(value):
    if isinstance(value, (bytes, str)):
        array = np.empty((), dtype=object)
        array[()] = value
        return array
    return np.asarray(value)


def feature_of(value, name):
    feature = tf.train.Feature()
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, (bool, int)):
            feature.int64_list.value.append(int(one))
        elif isinstance(one, float):
            feature.float_list.value.append(one)
        elif isinstance(one, str):
            feature.bytes_list.value.append(one.encode())
        elif is_b64(one):
            feature.bytes_list.value.append(base64.b64decode(one["b64"]))
        else:
            raise Refused("INVALID_ARGUMENT", f"Feature: {name} has element with unexpected JSON type: {type(one).__name__}")
    return feature


def example_of(features):
    if not isinstance(features, dict):
        raise Refused("INVALID_ARGUMENT", "Example must be JSON object")
    example = tf.train.Example()
    for name, value in features.items():
        example.features.feature[name].CopyFrom(feature_of(value, name))
    return example.SerializeToString()


class Rest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models = None

    def log_message(self, *_args):
        pass

    def send(self, status, text):
        body = text.encode("utf8", "surrogateescape")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.serve("GET", b"")

    def do_POST(self):
        self.serve("POST", self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def serve(self, method, body):
        if not self.path.lower().startswith("/v1"):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        try:
            self.send(200, self.answer(method, body))
        except Refused as refused:
            self.send(CODES[refused.code], json.dumps({"error": refused.text}, indent=4))
        except Exception as error:
            # a fault of this stand-in, which no test may take for an answer
            self.send(599, json.dumps({"error": repr(error)}))

    def answer(self, method, body):
        match = PATH.match(self.path)
        verb = match and match.group(5)
        if not match or (method == "POST") != bool(verb) or (verb and verb not in ("predict", "classify", "regress")):
            raise Refused("INVALID_ARGUMENT", f"Malformed request: {method} {self.path}")
        if match.group(1) is None:
            raise Refused("INVALID_ARGUMENT", "Missing model name in request.")
        name, label = unquote(match.group(1)), match.group(3) and unquote(match.group(3))
        version = int(match.group(2)) if match.group(2) else None
        if verb is None and match.group(4) is None:
            return json_format.MessageToJson(self.models.status(name, version), preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        if verb is None:
            found, model = self.models.find(name, version, label)
            return self.metadata(name, found, model)
        document = self.parse(body)
        _, model = self.models.find(name, version, label)
        return self.predict(model, document) if verb == "predict" else self.task(model, document, verb)

    def parse(self, body):
        if not body:
            raise Refused("INVALID_ARGUMENT", "JSON Parse error: The document is empty")
        try:
            document = json.loads(body)
        except ValueError as error:
            raise Refused("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error
        if not isinstance(document, dict):
            raise Refused("INVALID_ARGUMENT", "JSON Value: Is not object")
        if not isinstance(document.get("signature_name", ""), str):
            raise Refused("INVALID_ARGUMENT", "JSON Value: not formatted correctly. 'signature_name' key must be a string value.")
        return document

    def metadata(self, name, version, model):
        answer = metadata_of(name, version, model)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(signatures)
        inner = json_format.MessageToDict(signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        spec = {"name": name, "signature_name": "", "version": str(version)}
        return json.dumps({"model_spec": spec, "metadata": {"signature_def": inner}}, indent=1)

    def predict(self, model, document):
        key = document.get("signature_name", "") or DEFAULT
        if key not in model.signatures:
            raise Refused("INVALID_ARGUMENT", f'Serving signature name: "{key}" not found in signature def')
        signature = model.signatures[key]
        form, inputs = inputs_of(document, signature)
        return predictions(form, predict(model, signature, inputs), signature)

    def task(self, model, document, verb):
        if not isinstance(document.get("examples"), list) or not document["examples"]:
            raise Refused("INVALID_ARGUMENT", "JSON Value: When method is classify, key 'examples' is expected and was not found")
        context = example_of(document["context"]) if "context" in document else b""
        examples = [context + example_of(features) for features in document["examples"]]
        spec = predict_pb2.PredictRequest().model_spec
        spec.signature_name = document.get("signature_name", "")
        _, outputs = run_task(model, spec, examples, f"tensorflow/serving/{verb}")
        if verb == "regress":
            values = ", ".join(decimal(value, tf.float32) for value in outputs["outputs"].reshape(-1))
            return '{\n    "results": [' + values + "]\n}"
        rows = [
            "[" + ", ".join(f"[{json.dumps(label.decode())}, {decimal(score, tf.float32)}]" for label, score in zip(labels, scores)) + "]"
            for labels, scores in zip(outputs["classes"], outputs["scores"])
        ]
        return '{\n    "results": [' + ", ".join(rows) + "]\n}"


def main():
    root, rest_port, grpc_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    Rest.models = Models(root)
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=unlimited)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(Rest.models), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Status(Rest.models), server)
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    ThreadingHTTPServer.request_queue_size = 128
    ThreadingHTTPServer(("127.0.0.1", rest_port), Rest).serve_forever()


if __name__ == "__main__":
    main()
