"""Makes the small odd models that the tests of backends/onnx load.

Run with onnx 1.20.0: python test/support/make_onnx_models.py
It writes test/fixtures/onnx/*.onnx; the files are the same bytes on every run.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

OUT = Path(__file__).resolve().parent.parent / "fixtures" / "onnx"
OPSET = [helper.make_opsetid("", 17)]

TYPES = {
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "bool": TensorProto.BOOL,
    "bytes": TensorProto.STRING,
}


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def save(name, nodes, inputs, outputs, initializers=(), ir=8, check=True):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=ir, producer_name="sluice-tests")
    if check:
        onnx.checker.check_model(model)
    (OUT / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def identities():
    for word, kind in TYPES.items():
        nodes = [helper.make_node("Identity", ["x"], ["y"])]
        save(f"identity_{word}", nodes, [value("x", kind, ["n", "m"])], [value("y", kind, ["n", "m"])])
    kind = TensorProto.FLOAT
    # two inputs of their own kinds, which need not have equally many rows
    for one, other in (("fp32", "int64"), ("bytes", "fp32")):
        nodes = [helper.make_node("Identity", ["x"], ["u"]), helper.make_node("Identity", ["w"], ["v"])]
        inputs = [value("x", TYPES[one], ["n", "m"]), value("w", TYPES[other], ["k", "l"])]
        outputs = [value("u", TYPES[one], ["n", "m"]), value("v", TYPES[other], ["k", "l"])]
        save(f"identity_{one}_{other}", nodes, inputs, outputs)
    node = [helper.make_node("Identity", ["x"], ["y"])]
    save("scalar", node, [value("x", kind, [])], [value("y", kind, [])])
    # the checker wants a shape, ONNX Runtime does not
    save("any_rank", node, [value("x", kind, None)], [value("y", kind, None)], check=False)


def arithmetic():
    kind = TensorProto.FLOAT
    rows = ["batch", 3]
    # two inputs that share a symbolic dimension, an output the caller may leave out
    save(
        "add",
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        [value("a", kind, rows), value("b", kind, rows)],
        [value("sum", kind, rows), value("difference", kind, rows)],
    )
    # three inputs, one of each width, so that a body holds them at odd offsets
    save(
        "mixed",
        [
            helper.make_node("Cast", ["flag"], ["flag_f"], to=kind),
            helper.make_node("Cast", ["count"], ["count_f"], to=kind),
            helper.make_node("Add", ["flag_f", "count_f"], ["part"]),
            helper.make_node("Add", ["part", "x"], ["y"]),
        ],
        [value("flag", TensorProto.BOOL, ["n"]), value("count", TensorProto.INT64, ["n"]), value("x", kind, ["n"])],
        [value("y", kind, ["n"])],
    )
    # `scale` is an input with a default
    scale = numpy_helper.from_array(np.array([2.0], dtype=np.float32), "scale")
    nodes = [helper.make_node("Mul", ["x", "scale"], ["y"])]
    inputs = [value("x", kind, ["n"]), value("scale", kind, [1])]
    save("optional_input", nodes, inputs, [value("y", kind, ["n"])], [scale])
    # before IR version 4 every initialiser had to be listed as an input, and none could be overridden
    save("old_ir", nodes, inputs, [value("y", kind, ["n"])], [scale], ir=3)
    # versions of one model that tell which one answered
    for number in (1, 2, 3):
        by = numpy_helper.from_array(np.array(number, dtype=np.float32), "by")
        node = [helper.make_node("Mul", ["x", "by"], ["y"])]
        save(f"times_{number}", node, [value("x", kind, ["n"])], [value("y", kind, ["n"])], [by])
    # as times_2, with another name for its input
    by = numpy_helper.from_array(np.array(2, dtype=np.float32), "by")
    node = [helper.make_node("Mul", ["other", "by"], ["y"])]
    save("times_2_renamed", node, [value("other", kind, ["n"])], [value("y", kind, ["n"])], [by])


def random():
    """Noise on the input: by an operator of the graph, and by one of a graph inside a node."""
    kind = TensorProto.FLOAT
    noise = [helper.make_node("RandomNormalLike", ["x"], ["noise"]), helper.make_node("Add", ["x", "noise"], ["y"])]
    save("random", noise, [value("x", kind, ["n"])], [value("y", kind, ["n"])])
    inner = [helper.make_node("RandomNormalLike", ["x"], ["noise"]), helper.make_node("Add", ["x", "noise"], ["z"])]
    yes = helper.make_graph(inner, "yes", [], [value("z", kind, ["n"])])
    no = helper.make_graph([helper.make_node("Identity", ["x"], ["w"])], "no", [], [value("w", kind, ["n"])])
    save(
        "random_inside",
        [helper.make_node("If", ["dice"], ["y"], then_branch=yes, else_branch=no)],
        [value("x", kind, ["n"]), value("dice", TensorProto.BOOL, [])],
        [value("y", kind, ["n"])],
    )


def slow():
    """`trips` rounds of a 64 x 64 product: the run time is set by an input."""
    kind = TensorProto.FLOAT
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "weights"], ["next"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "round",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("state", kind, [64, 64])],
        [value("go_on", TensorProto.BOOL, []), value("next", kind, [64, 64])],
    )
    save(
        "slow",
        [
            helper.make_node("ConstantOfShape", ["side"], ["ones"], value=numpy_helper.from_array(np.ones(1, np.float32))),
            helper.make_node("EyeLike", ["ones"], ["weights"], dtype=kind),
            helper.make_node("Loop", ["trips", "yes", "ones"], ["last"], body=body),
            helper.make_node("ReduceSum", ["last"], ["y"], keepdims=0),
        ],
        [value("trips", TensorProto.INT64, [])],
        [value("y", kind, [])],
        [
            numpy_helper.from_array(np.array([64, 64], np.int64), "side"),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
    )


def failing():
    """Inputs of the right type and shape with which the run fails."""
    kind = TensorProto.FLOAT
    table = numpy_helper.from_array(np.arange(4, dtype=np.float32), "table")
    save(
        "gather",
        [helper.make_node("Gather", ["table", "index"], ["y"])],
        [value("index", TensorProto.INT64, ["n"])],
        [value("y", kind, ["n"])],
        [table],
    )
    save(
        "reshape",
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [value("x", kind, ["n"]), value("shape", TensorProto.INT64, [2])],
        [value("y", kind, ["a", "b"])],
    )
    save(
        "divide",
        [helper.make_node("Div", ["a", "b"], ["y"])],
        [value("a", TensorProto.INT32, ["n"]), value("b", TensorProto.INT32, ["n"])],
        [value("y", TensorProto.INT32, ["n"])],
    )


def texts():
    """Answers with bytes that are no text, which the binding cannot hand over unchanged."""
    for name, elements in (("nul_output", [b"a\0b"]), ("broken_output", [b"\xff\xfe"])):
        tensor = helper.make_tensor("y", TensorProto.STRING, [1], elements)
        nodes = [helper.make_node("Constant", [], ["said"], value=tensor), helper.make_node("Concat", ["x", "said"], ["y"], axis=0)]
        save(name, nodes, [value("x", TensorProto.STRING, ["n"])], [value("y", TensorProto.STRING, ["m"])])


def no_tensor():
    """An output that is a sequence, which no tensor protocol can carry."""
    kind = TensorProto.FLOAT
    save(
        "sequence_output",
        [helper.make_node("SequenceConstruct", ["x"], ["y"])],
        [value("x", kind, ["n"])],
        [helper.make_tensor_sequence_value_info("y", kind, None)],
    )


def external():
    """Weights in a file beside the model."""
    kind = TensorProto.FLOAT
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    tensor = numpy_helper.from_array(weights, "weights")
    (OUT / "external").mkdir(exist_ok=True)
    (OUT / "external" / "weights.bin").write_bytes(weights.tobytes())
    set_external_data(tensor, "weights.bin", offset=0, length=weights.nbytes)
    tensor.ClearField("raw_data")
    # Gather reads the weights in every run; a MatMul would pack them into memory of its own at the start
    graph = helper.make_graph(
        [helper.make_node("Gather", ["weights", "row"], ["y"])],
        "external",
        [value("row", TensorProto.INT64, ["n"])],
        [value("y", kind, ["n", 4])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=8, producer_name="sluice-tests")
    (OUT / "external" / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


def fraud():
    """The model of the example of the config language: thirty numbers a row, and one score, their mean."""
    kind = TensorProto.FLOAT
    nodes = [helper.make_node("ReduceMean", ["x"], ["score"], axes=[1], keepdims=1)]
    save("fraud", nodes, [value("x", kind, ["n", 30])], [value("score", kind, ["n", 1])])


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    identities()
    arithmetic()
    random()
    slow()
    failing()
    texts()
    no_tensor()
    external()
    fraud()
