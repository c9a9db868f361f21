"""TorchServe's handler of version 1 of `digits`: {"instances": pictures} in, a list of {"probabilities", "digit"} out; numpy alone."""

from pathlib import Path

import numpy as np


class Handler:
    def initialize(self, context):
        table = np.load(Path(context.system_properties["model_dir"]) / "weights.npy")
        self.weight, self.bias = table[:64], table[64]

    def handle(self, requests, context):
        return [self.answer(request["body"]["instances"]) for request in requests]

    def answer(self, pictures):
        pixels = np.asarray(pictures, np.float32).reshape(-1, 64)
        logits = pixels @ self.weight + self.bias
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = raised / raised.sum(axis=1, keepdims=True)
        digits = probabilities.argmax(axis=1)
        return [
            {"probabilities": row.tolist(), "digit": digit}
            for row, digit in zip(probabilities, digits.tolist(), strict=True)
        ]
