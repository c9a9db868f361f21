# Writes the SavedModels that the tests of tf-serving ask: real ones, with real signatures, built by TensorFlow itself.
#
#   python tfs_models.py FOLDER

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf

v1 = tf.compat.v1
DTYPES = {
    "bool": tf.bool,
    "uint8": tf.uint8,
    "uint16": tf.uint16,
    "uint32": tf.uint32,
    "uint64": tf.uint64,
    "int8": tf.int8,
    "int16": tf.int16,
    "int32": tf.int32,
    "int64": tf.int64,
    "fp16": tf.float16,
    "bf16": tf.bfloat16,
    "fp32": tf.float32,
    "fp64": tf.float64,
    "bytes": tf.string,
}
PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


def infos(tensors):
    return {name: v1.saved_model.build_tensor_info(tensor) for name, tensor in tensors.items()}


def save(path, signatures_of):
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        signatures = {
            name: v1.saved_model.build_signature_def(infos(inputs), infos(outputs), method)
            for name, (inputs, outputs, method) in signatures_of().items()
        }
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], signature_def_map=signatures)
        builder.save()


def echo():
    signatures = {}
    for name, dtype in DTYPES.items():
        x = v1.placeholder(dtype, [None, None], f"x_{name}")
        signatures[name] = ({"x": x}, {"y": tf.identity(x)}, PREDICT)
        scalar = v1.placeholder(dtype, [], f"scalar_{name}")
        signatures[f"{name}_scalar"] = ({"x": scalar}, {"y": tf.identity(scalar)}, PREDICT)
    signatures["serving_default"] = signatures["fp32"]
    anything = v1.placeholder(tf.float32, None, "anything")
    signatures["any_rank"] = ({"x": anything}, {"y": tf.identity(anything)}, PREDICT)
    signatures["complex"] = (
        {"x": v1.placeholder(tf.complex64, [None], "c")},
        {"y": tf.constant([1.0])},
        PREDICT,
    )
    return signatures


def twin():
    a = v1.placeholder(tf.float32, [None, 2], "a")
    b = v1.placeholder(tf.int64, [None], "b")
    text = v1.placeholder(tf.string, [None], "text")
    outputs = {
        "sum": tf.reduce_sum(a, axis=1) + tf.cast(b, tf.float32),
        "next": b + 1,
        "text_bytes": tf.strings.join([text, "\x00\xff"]),
    }
    return {"serving_default": ({"a": a, "b": b, "text": text}, outputs, PREDICT)}


def half_plus(offset):
    def build():
        x = v1.placeholder(tf.float32, [None], "x")
        examples = v1.placeholder(tf.string, [None], "examples")
        features = v1.parse_example(
            examples,
            {
                "x": v1.FixedLenFeature([1], tf.float32),
                "n": v1.FixedLenFeature([1], tf.int64, default_value=[0]),
                "label": v1.FixedLenFeature([1], tf.string, default_value=[b"none"]),
            },
        )
        y = 0.5 * features["x"] + offset
        scores = tf.concat([y, tf.cast(features["n"], tf.float32)], axis=1)
        classes = tf.concat([features["label"], tf.fill(tf.shape(features["label"]), b"other")], axis=1)
        return {
            "serving_default": ({"x": x}, {"y": 0.5 * x + offset}, PREDICT),
            "classify_x": ({"inputs": examples}, {"classes": classes, "scores": scores}, CLASSIFY),
            "regress_x": ({"inputs": examples}, {"outputs": y}, REGRESS),
        }

    return build


def faulty():
    x = v1.placeholder(tf.int32, [None], "x")
    with tf.control_dependencies([v1.assert_greater_equal(x, 0, message="x is below zero")]):
        y = 100 // x
    return {"serving_default": ({"x": x}, {"y": y}, PREDICT)}


if __name__ == "__main__":
    root = sys.argv[1]
    save(f"{root}/echo/1", echo)
    save(f"{root}/twin/1", twin)
    save(f"{root}/faulty/1", faulty)
    save(f"{root}/half_plus/1", half_plus(2.0))
    save(f"{root}/half_plus/2", half_plus(3.0))
