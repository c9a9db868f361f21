"""Writes the same model, version 1 of `digits`, in the forms of TensorFlow Serving and of TorchServe's handler beside this file.

    pip install numpy==2.4.6 onnx==1.20.0 tensorflow-cpu==2.21.0
    python deploy/servers/make.py

The weights are those of models/digits/1/model.onnx, which Triton serves as it is. The SavedModel holds them as constants
and has names and a datatype of its own, which the gateway's config bridges: pixels, scores and label (INT32). Before
anything is kept, its answers and the handler's are compared with ONNX's own reference over random pictures.
"""

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.dont_write_bytecode = True

import numpy as np
import onnx
import tensorflow as tf
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = Path(__file__).resolve().parent
MODEL = HERE.parents[1] / "models/digits/1/model.onnx"
SAVED = HERE / "tf-serving/digits/1"
HANDLER = HERE / "torchserve/digits"
ROWS = 200


def save(weight: np.ndarray, bias: np.ndarray, white: np.ndarray) -> None:
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        pixels = v1.placeholder(tf.float32, [None, 1, 8, 8], "pixels")
        logits = tf.matmul(tf.reshape(pixels / white, [-1, 64]), tf.constant(weight)) + tf.constant(bias)
        scores = tf.nn.softmax(logits, name="scores")
        label = tf.argmax(scores, axis=1, output_type=tf.int32, name="label")
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def(
            {"pixels": info(pixels)}, {"scores": info(scores), "label": info(label)}, "tensorflow/serving/predict"
        )
        builder = v1.saved_model.Builder(str(SAVED))
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.SERVING], {"serving_default": signature}, strip_default_attrs=True
        )
        builder.save()


def by_tensorflow(image: np.ndarray) -> list[np.ndarray]:
    answer = tf.saved_model.load(str(SAVED)).signatures["serving_default"](pixels=tf.constant(image))
    return [answer["scores"].numpy(), answer["label"].numpy()]


def by_handler(image: np.ndarray) -> list[np.ndarray]:
    sys.path.insert(0, str(HANDLER))
    from digits import Handler

    handler = Handler()
    handler.initialize(SimpleNamespace(system_properties={"model_dir": str(HANDLER)}))
    [rows] = handler.handle([{"body": {"instances": image.tolist()}}], None)
    return [np.asarray([row[name] for row in rows]) for name in ("probabilities", "digit")]


def main() -> None:
    model = onnx.load(MODEL)
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    weight, bias, white = constants["weight"].T, constants["bias"], constants["white"]
    shutil.rmtree(SAVED, ignore_errors=True)
    save(weight, bias, white)
    # the picture's white is in the weights, the bias is their last row
    np.save(HANDLER / "weights.npy", np.vstack([weight / white, bias]).astype("<f4"))

    image = np.random.default_rng(0).integers(0, 17, (ROWS, 1, 8, 8)).astype(np.float32)
    probabilities, digit = ReferenceEvaluator(model).run(None, {"image": image})
    for name, (found, label) in {"TensorFlow": by_tensorflow(image), "handler": by_handler(image)}.items():
        np.testing.assert_allclose(found, probabilities, rtol=1e-4, atol=1e-5, err_msg=name)
        np.testing.assert_array_equal(label, digit, err_msg=name)
        print(f"{name}: equal digits, probabilities at most {np.abs(found - probabilities).max():.1e} apart")


if __name__ == "__main__":
    main()
