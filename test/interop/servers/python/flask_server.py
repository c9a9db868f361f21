"""A plain Flask service over the tests' models, as people write them: JSON in, JSON out, and SageMaker's container contract.

Usage: python flask_server.py PORT
"""

import sys
import time

import numpy as np
from demo import Onnx, dtype_of, misbehave, through_numpy
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
digits = {version: Onnx("digits", version) for version in ("1", "2")}
add_sub = Onnx("add_sub")


def classify(rows, version):
    answer = digits[version].run({"image": np.asarray(rows, np.float32).reshape(-1, 1, 8, 8)})
    return {name: array.tolist() for name, array in answer.items()}


@app.get("/health")
def health():
    return jsonify(status="ok")


@app.post("/predict/digits")
def predict_digits():
    return jsonify(result=classify(request.get_json()["image"], request.args.get("version", "2")))


@app.post("/predict/add_sub")
def predict_add_sub():
    body = request.get_json()
    answer = add_sub.run({name: np.asarray(body[name], np.int32) for name in ("INPUT0", "INPUT1")})
    return jsonify(sum=answer["OUTPUT0"].tolist(), difference=answer["OUTPUT1"].tolist())


@app.post("/predict/echo")
def predict_echo():
    return jsonify(through_numpy(request.get_json()))


@app.post("/echo")
def echo():
    """The body as it came, with its content type, and what the headers that start with x- were."""
    headers = {name: value for name, value in request.headers.items() if name.lower().startswith("x-")}
    return Response(request.get_data(), headers=headers, content_type=request.content_type)


@app.post("/faulty")
def faulty():
    """`what` misbehaves as demo.py says; `status` answers with that status; `body` is answered as it stands, in `type`."""
    body = request.get_json()
    if "status" in body:
        return jsonify(error="the service refuses this request"), body["status"]
    if "body" in body:
        return Response(body["body"], content_type=body.get("type", "application/json"))
    return jsonify({name: array.tolist() for name, array in misbehave(np.asarray(body["what"], np.int32)).items()})


@app.get("/stream")
@app.post("/stream")
def stream():
    """Counts to `count`, a line each, `pause_ms` apart."""
    count, pause_ms = int(request.args.get("count", 3)), int(request.args.get("pause_ms", 0))

    def lines():
        for i in range(count):
            time.sleep(pause_ms / 1000)
            yield f'{{"i": {i}}}\n'

    return Response(lines(), content_type="application/jsonlines")


# SageMaker's container contract: one model at /invocations, several at /models.


@app.get("/ping")
def ping():
    return ""


def invoke(version):
    kind = (request.content_type or "").split(";")[0]
    if kind == "application/json":
        return jsonify(predictions=classify(request.get_json()["instances"], version)["probabilities"])
    if kind == "text/csv":
        rows = [[float(value) for value in line.split(",")] for line in request.get_data(as_text=True).split()]
        lines = [",".join(map(repr, row)) for row in classify(rows, version)["probabilities"]]
        return Response("\n".join(lines) + "\n", content_type="text/csv")
    return jsonify(error=f"unsupported content type {kind}"), 415


@app.post("/invocations")
def invocations():
    answer = app.make_response(invoke("2"))
    if attributes := request.headers.get("X-Amzn-SageMaker-Custom-Attributes"):
        answer.headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
    return answer


@app.get("/models")
def models():
    return jsonify(models=[{"modelName": f"digits-{version}", "modelUrl": f"/opt/ml/{version}"} for version in digits])


@app.get("/models/<name>")
def model(name):
    if name.startswith("echo-"):
        return jsonify([{"modelName": name, "modelUrl": "/opt/ml/echo"}])
    version = name.removeprefix("digits-")
    if version not in digits:
        return jsonify(code=404, type="ModelNotFoundException", message=f"Model not found: {name}"), 404
    return jsonify([{"modelName": name, "modelUrl": f"/opt/ml/{version}"}])


@app.post("/models/<name>/invoke")
def invoke_model(name):
    if name.startswith("echo-"):  # and the datatype
        rows = request.get_json()["instances"]
        dtype = dtype_of(name.removeprefix("echo-"))
        return jsonify(predictions=np.asarray(rows, dtype).tolist() if dtype else rows)
    version = name.removeprefix("digits-")
    if version not in digits:
        return jsonify(code=404, type="ModelNotFoundException", message=f"Model not found: {name}"), 404
    return invoke(version)


app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
