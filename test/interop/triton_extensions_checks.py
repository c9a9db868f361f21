"""Asks a gateway with the demo models for Triton's extensions, as tritonclient does over HTTP or gRPC; prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python triton_extensions_checks.py http|grpc HOST:PORT
"""

import json
import sys
import time
import traceback

import numpy as np
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException

PROTOCOL = sys.argv[1]
if PROTOCOL == "http":
    import tritonclient.http as triton
else:
    import tritonclient.grpc as triton

client = triton.InferenceServerClient(sys.argv[2])
ROW0 = np.arange(16, dtype=np.int32).reshape(1, 16)
ROW1 = np.full((1, 16), 7, dtype=np.int32)
IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]], dtype=np.float32)
JSON = {} if PROTOCOL == "http" else {"as_json": True}


def tensor(name, array, datatype):
    given = triton.InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return given


def add_sub():
    return [tensor("INPUT0", ROW0, "INT32"), tensor("INPUT1", ROW1, "INT32")]


def check_extensions():
    extensions = client.get_server_metadata(**JSON)["extensions"]
    for word in ("statistics", "model_repository", "classification", "system_shared_memory", "sequence"):
        assert word in extensions, extensions
    assert "cuda_shared_memory" not in extensions, extensions


def check_config():
    config = client.get_model_config("iris", **JSON)
    config = config.get("config", config)
    assert config["name"] == "iris" and int(config["max_batch_size"]) > 0, config
    assert config["input"][0]["name"] == "measurements" and config["input"][0]["data_type"] == "TYPE_FP32", config
    assert [int(size) for size in config["input"][0]["dims"]] == [4], config


def check_statistics():
    def count():
        stats = client.get_inference_statistics("add_sub", **JSON)["model_stats"]
        assert len(stats) == 1, stats
        return int(stats[0].get("inference_count", 0)), int(stats[0]["inference_stats"]["success"].get("count", 0))

    before = count()
    client.infer("add_sub", add_sub())
    assert count() == (before[0] + 1, before[1] + 1), (before, count())
    assert len(client.get_inference_statistics(**JSON)["model_stats"]) == 5


def check_repository():
    index = client.get_model_repository_index(**JSON)
    index = index if PROTOCOL == "http" else index["models"]
    assert {"name": "iris", "version": "1", "state": "READY"}.items() <= [m for m in index if m["name"] == "iris"][0].items()
    client.unload_model("language")
    for _ in range(50):
        if not client.is_model_ready("language"):
            break
        time.sleep(0.05)
    assert not client.is_model_ready("language")
    client.load_model("language")
    assert client.is_model_ready("language")
    try:
        client.load_model("nobody")
        raise AssertionError("an unknown model was loaded")
    except InferenceServerException as error:
        assert "failed to load 'nobody'" in str(error), error


def check_classification():
    scores = [o["name"] for o in client.get_model_metadata("iris", **JSON)["outputs"] if o["datatype"] == "FP32"][0]
    wanted = triton.InferRequestedOutput(scores, class_count=2)
    answer = client.infer("iris", [tensor("measurements", IRIS, "FP32")], outputs=[wanted]).as_numpy(scores)
    assert answer.shape == (2, 2), answer
    plain = client.infer("iris", [tensor("measurements", IRIS, "FP32")]).as_numpy(scores)
    for row, texts in zip(plain, answer):
        assert [int(text.decode().split(":")[1]) for text in texts] == list(np.argsort(-row)[:2]), (plain, answer)


def check_log_settings():
    settings = client.get_log_settings(**JSON)
    assert "settings" in settings or "log_info" in settings, settings
    client.update_log_settings({"log_error": True})
    client.update_log_settings({"log_error": False})


def check_trace_settings():
    changed = client.update_trace_settings(model_name="iris", settings={"trace_level": ["TIMESTAMPS"], "trace_rate": "1"}, **JSON)
    assert "TIMESTAMPS" in json.dumps(changed), changed
    assert "TIMESTAMPS" not in json.dumps(client.get_trace_settings(**JSON))
    cleared = client.update_trace_settings(model_name="iris", settings={"trace_level": None, "trace_rate": None}, **JSON)
    assert "OFF" in json.dumps(cleared), cleared


def check_sequence():
    for row in range(3):
        client.infer("add_sub", add_sub(), sequence_id=7, sequence_start=row == 0, sequence_end=row == 2)


def check_shared_memory():
    client.unregister_system_shared_memory()
    client.unregister_cuda_shared_memory()
    name = f"/sluice-{PROTOCOL}"
    inputs = shm.create_shared_memory_region("in", f"{name}-in", 128)
    outputs = shm.create_shared_memory_region("out", f"{name}-out", 128)
    try:
        shm.set_shared_memory_region(inputs, [ROW0, ROW1])
        client.register_system_shared_memory("in", f"{name}-in", 128)
        client.register_system_shared_memory("out", f"{name}-out", 128)
        assert "out" in json.dumps(client.get_system_shared_memory_status(**JSON))
        asked = [triton.InferInput(word, [1, 16], "INT32") for word in ("INPUT0", "INPUT1")]
        asked[0].set_shared_memory("in", 64)
        asked[1].set_shared_memory("in", 64, offset=64)
        wanted = [triton.InferRequestedOutput(word) for word in ("OUTPUT0", "OUTPUT1")]
        wanted[0].set_shared_memory("out", 64)
        result = client.infer("add_sub", asked, outputs=wanted)
        np.testing.assert_array_equal(shm.get_contents_as_numpy(outputs, np.int32, [1, 16]), ROW0 + ROW1)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), ROW0 - ROW1)
        client.unregister_system_shared_memory("in")
        client.unregister_system_shared_memory()
    finally:
        shm.destroy_shared_memory_region(inputs)
        shm.destroy_shared_memory_region(outputs)


report = {}
for name, check in list(globals().items()):
    if not name.startswith("check_"):
        continue
    try:
        check()
        report[name] = "ok"
    except Exception:
        report[name] = traceback.format_exc(limit=3)
print(json.dumps(report))
