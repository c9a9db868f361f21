"""The models that every real server of the tests serves, without a word about any server: ONNX files, and one that fails when told to.

SLUICE_MODELS in the environment is the folder of the repository's demo models.
"""

import os
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

DTYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def through_numpy(values):
    """An object of nested lists by input name; those that are called like a datatype in lower case go through its array."""
    return {name: np.asarray(value, dtype_of(name)).tolist() if dtype_of(name) else value for name, value in values.items()}


def dtype_of(name):
    return DTYPES.get(name.upper())


class Onnx:
    """One version of one demo model, run as the gateway's own workers run it: one thread, on the processor."""

    def __init__(self, name, version="1"):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        path = Path(os.environ["SLUICE_MODELS"]) / name / str(version) / "model.onnx"
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def run(self, arrays):
        """Arrays by input name to arrays by output name."""
        return dict(zip(self.outputs, self.session.run(None, arrays)))


RAISES, EMPTY, MISNAMED, MISTYPED, DIES = -1, -2, -3, -4, -5


def misbehave(what):
    """What the model `faulty` answers to the INT32 array `what`, by its first value.

    0 and above: waits so many milliseconds, then answers `said`, equal to `what`. -1: raises. -2: no outputs.
    -3: an output of another name. -4: an output of another datatype. -5: the process that runs the model ends at once.
    """
    first = int(np.asarray(what).reshape(-1)[0])
    if first == RAISES:
        raise ValueError("the model refuses this input")
    if first == EMPTY:
        return {}
    if first == MISNAMED:
        return {"something_else": what}
    if first == MISTYPED:
        return {"said": what.astype(np.float64)}
    if first == DIES:
        os._exit(1)
    time.sleep(max(first, 0) / 1000)
    return {"said": what}
