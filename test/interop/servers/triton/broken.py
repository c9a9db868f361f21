"""Triton's Python backend: a model that cannot be loaded."""


class TritonPythonModel:
    def initialize(self, args):
        raise ValueError("the model cannot be loaded")
