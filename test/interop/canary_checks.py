"""Asks a canary as tritonclient does over HTTP and gRPC and as callers of TensorFlow Serving's REST do; prints which version answered each user.

Usage: python canary_checks.py HTTP_HOST:PORT GRPC_HOST:PORT USERS

The versions are told apart by their answers alone: both are asked by name first.
"""

import hashlib
import json
import sys

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
import urllib3

HTTP, GRPC, USERS = sys.argv[1], sys.argv[2], int(sys.argv[3])
PICTURE = ((np.arange(64, dtype=np.float32) * 7) % 17).reshape(1, 1, 8, 8)
pool = urllib3.PoolManager()
clients = {"http": over_http.InferenceServerClient(HTTP), "grpc": over_grpc.InferenceServerClient(GRPC)}
modules = {"http": over_http, "grpc": over_grpc}


def by_triton(way):
    def ask(headers, version=""):
        image = modules[way].InferInput("image", [1, 1, 8, 8], "FP32")
        image.set_data_from_numpy(PICTURE)
        result = clients[way].infer("digits", [image], model_version=version, headers=headers)
        return result.as_numpy("probabilities")[0]

    return ask


def by_tf_serving(headers, version="", label=""):
    at = f"/versions/{version}" if version else f"/labels/{label}" if label else ""
    answer = pool.request(
        "POST",
        f"http://{HTTP}/v1/models/digits{at}:predict",
        headers=headers,
        body=json.dumps({"instances": PICTURE.tolist()}),
    )
    assert answer.status == 200, answer.data
    return np.array(json.loads(answer.data)["predictions"][0]["probabilities"], np.float32)


WAYS = {"http": by_triton("http"), "grpc": by_triton("grpc"), "tf-serving": by_tf_serving}
known = {version: WAYS["http"]({}, version) for version in ("1", "2")}
assert np.abs(known["1"] - known["2"]).max() > 1e-3, "the versions cannot be told apart"


def version_of(probabilities):
    fits = [version for version, expected in known.items() if np.allclose(probabilities, expected, rtol=1e-5, atol=1e-6)]
    assert len(fits) == 1, probabilities
    return fits[0]


def bucket(user):
    # docs/routing.md
    return int.from_bytes(hashlib.sha256(b"digits/next\0" + user.encode()).digest()[:6], "big") % 10_000


def asked(ask):
    users = [f"user-{i}" for i in range(USERS)]
    return {
        "users": [int(version_of(ask({"x-user-id": user}))) for user in users],
        "forced": version_of(ask({"x-user-id": "user-0", "x-variant": "next"})),
        "named": [version_of(ask({"x-user-id": "user-0"}, version)) for version in ("1", "2")],
    }


report = {way: asked(ask) for way, ask in WAYS.items()}
report["labels"] = [version_of(by_tf_serving({}, label=label)) for label in ("stable", "next")]
report["buckets"] = [bucket(f"user-{i}") for i in range(USERS)]
print(json.dumps(report))
