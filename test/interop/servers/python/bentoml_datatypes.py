"""A BentoML service with an API for each datatype, which takes `x` as an array of it and answers the same array; texts are lists."""

import typing as t

import bentoml
import numpy as np
from bentoml.validators import DType
from demo import DTYPES


def echo_of(name, kind):
    def echo(self, x):
        return x

    echo.__name__ = echo.__qualname__ = f"echo_{name}"
    echo.__annotations__ = {"x": kind, "return": kind}
    return bentoml.api(echo)


KINDS = {name.lower(): t.Annotated[np.ndarray, DType(np.dtype(dtype).name)] for name, dtype in DTYPES.items()}
KINDS["bytes"] = list[list[str]]

Datatypes = bentoml.service(name="sluice_datatypes", workers=1)(
    type("Datatypes", (), {f"echo_{name}": echo_of(name, kind) for name, kind in KINDS.items()})
)
