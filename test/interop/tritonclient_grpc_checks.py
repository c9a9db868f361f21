"""Asks a gateway with the demo models as tritonclient.grpc does; prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python tritonclient_grpc_checks.py HOST:PORT
"""

import asyncio
import json
import queue
import sys
import traceback

import grpc
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

URL = sys.argv[1]
client = triton.InferenceServerClient(URL)
ROW0 = np.arange(16, dtype=np.int32).reshape(1, 16)
ROW1 = np.full((1, 16), 7, dtype=np.int32)


def add_sub_inputs(rows=(ROW0, ROW1), module=triton):
    inputs = []
    for name, row in zip(("INPUT0", "INPUT1"), rows):
        tensor = module.InferInput(name, list(row.shape), "INT32")
        tensor.set_data_from_numpy(row)
        inputs.append(tensor)
    return inputs


def is_sum_and_difference(result, rows=(ROW0, ROW1)):
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), rows[0] + rows[1])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), rows[0] - rows[1])


def fails(code, text, act):
    try:
        act()
    except InferenceServerException as error:
        assert error.status() == f"StatusCode.{code}", error
        assert text in error.message(), error
        return
    raise AssertionError(f"expected {code}, got an answer")


def check_health():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "9") and not client.is_model_ready("nobody")


def check_metadata():
    server = client.get_server_metadata()
    assert server.name == "sluice", server
    model = client.get_model_metadata("digits", as_json=True)
    assert model["versions"] == ["1", "2"], model
    assert model["inputs"] == [{"name": "image", "datatype": "FP32", "shape": ["-1", "1", "8", "8"]}], model


def check_infer():
    result = client.infer("add_sub", add_sub_inputs(), request_id="mine")
    is_sum_and_difference(result)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("mine", "add_sub", "1"), response


def check_outputs_in_the_order_asked_for():
    outputs = [triton.InferRequestedOutput(name) for name in ("OUTPUT1", "OUTPUT0")]
    result = client.infer("add_sub", add_sub_inputs(), outputs=outputs)
    is_sum_and_difference(result)
    assert [output.name for output in result.get_response().outputs] == ["OUTPUT1", "OUTPUT0"]


def check_infer_with_a_callback():
    answers = queue.Queue()
    for _ in range(50):
        client.async_infer("add_sub", add_sub_inputs(), lambda result, error: answers.put((result, error)))
    for _ in range(50):
        result, error = answers.get(timeout=20)
        assert error is None, error
        is_sum_and_difference(result)


def check_options():
    result = client.infer(
        "add_sub",
        add_sub_inputs(),
        model_version="1",
        request_id="r",
        priority=2,
        timeout=10_000_000,
        client_timeout=20.0,
        headers={"x-request-id": "from-the-client"},
        parameters={"own": "thing", "number": 5, "yes": True},
    )
    is_sum_and_difference(result)


def check_compression():
    for algorithm in ("gzip", "deflate"):
        rows = (np.zeros((4096, 16), dtype=np.int32), np.ones((4096, 16), dtype=np.int32))
        is_sum_and_difference(
            client.infer("add_sub", add_sub_inputs(rows), compression_algorithm=algorithm), rows
        )


def check_bytes():
    texts = np.array(["Alle Menschen sind frei".encode(), "Everyone has the right".encode()], dtype=np.object_)
    tensor = triton.InferInput("text", [2], "BYTES")
    tensor.set_data_from_numpy(texts)
    labels = client.infer("language", [tensor]).as_numpy("label")
    assert labels.shape == (2,) and all(isinstance(label, bytes) for label in labels), labels


def check_large():
    rows = tuple(np.random.default_rng(1).integers(-9, 9, (100_000, 16), dtype=np.int32) for _ in range(2))
    is_sum_and_difference(client.infer("add_sub", add_sub_inputs(rows)), rows)


def check_no_rows():
    rows = (np.zeros((0, 16), dtype=np.int32),) * 2
    is_sum_and_difference(client.infer("add_sub", add_sub_inputs(rows)), rows)


def check_errors():
    fails("NOT_FOUND", "nobody", lambda: client.infer("nobody", add_sub_inputs()))
    fails("NOT_FOUND", "nobody", lambda: client.get_model_metadata("nobody"))
    fails("NOT_FOUND", "9", lambda: client.infer("add_sub", add_sub_inputs(), model_version="9"))
    fails("INVALID_ARGUMENT", "INPUT1", lambda: client.infer("add_sub", add_sub_inputs()[:1]))
    wrong = triton.InferInput("INPUT0", [1, 8], "INT32")
    wrong.set_data_from_numpy(np.zeros((1, 8), dtype=np.int32))
    fails("INVALID_ARGUMENT", "INPUT0", lambda: client.infer("add_sub", [wrong, add_sub_inputs()[1]]))


def check_deadline():
    rows = tuple(np.zeros((200_000, 16), dtype=np.int32) for _ in range(2))
    fails(
        "DEADLINE_EXCEEDED",
        "Deadline Exceeded",
        lambda: client.infer("add_sub", add_sub_inputs(rows), client_timeout=0.001),
    )


def check_index():
    models = client.get_model_repository_index(as_json=True)["models"]
    assert {"name": "digits", "version": "2", "state": "READY"} in models, models


def check_stream():
    answers = queue.Queue()
    with triton.InferenceServerClient(URL) as own:
        own.start_stream(lambda result, error: answers.put((result, error)))
        for i in range(100):
            rows = (ROW0 + i, ROW1)
            own.async_stream_infer("add_sub", add_sub_inputs(rows), request_id=str(i))
        own.async_stream_infer("nobody", add_sub_inputs(), request_id="lost")
        own.async_stream_infer("add_sub", add_sub_inputs(), request_id="last", enable_empty_final_response=True)
        for i in range(100):
            result, error = answers.get(timeout=20)
            assert error is None, error
            assert result.get_response().id == str(i), (result.get_response().id, i)
            is_sum_and_difference(result, (ROW0 + i, ROW1))
            assert result.get_response().parameters["triton_final_response"].bool_param
        result, error = answers.get(timeout=20)
        assert result is None or result.get_response().id == "lost", result
        assert error is not None and "nobody" in error.message(), error
        result, error = answers.get(timeout=20)
        assert error is None and result.get_response().id == "last", (result, error)
        own.stop_stream()


def check_stream_that_ends_with_a_status():
    answers = queue.Queue()
    with triton.InferenceServerClient(URL) as own:
        own.start_stream(
            lambda result, error: answers.put((result, error)), headers={"triton_grpc_error": "true"}
        )
        own.async_stream_infer("nobody", add_sub_inputs())
        result, error = answers.get(timeout=20)
        assert result is None and error.status() == "StatusCode.NOT_FOUND", error


def check_cancelled_stream():
    with triton.InferenceServerClient(URL) as own:
        own.start_stream(lambda result, error: None)
        own.async_stream_infer("add_sub", add_sub_inputs())
        own.stop_stream(cancel_requests=True)
    is_sum_and_difference(client.infer("add_sub", add_sub_inputs()))


def check_aio():
    async def ask():
        async with triton_aio.InferenceServerClient(URL) as own:
            assert await own.is_server_ready() and await own.is_model_ready("iris")
            results = await asyncio.gather(
                *(own.infer("add_sub", add_sub_inputs(module=triton_aio)) for _ in range(100))
            )
            for result in results:
                is_sum_and_difference(result)

            async def requests():
                for i in range(10):
                    yield {
                        "model_name": "add_sub",
                        "inputs": add_sub_inputs(module=triton_aio),
                        "request_id": str(i),
                    }

            ids = []
            async for result, error in own.stream_infer(requests()):
                assert error is None, error
                ids.append(result.get_response().id)
            assert ids == [str(i) for i in range(10)], ids

    asyncio.run(ask())


def check_health_service():
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(URL) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        for service in ("", "inference.GRPCInferenceService"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == serving
        try:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
            raise AssertionError("expected NOT_FOUND")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
        assert next(watch).status == serving
        watch.cancel()


def check_reflection():
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    with grpc.insecure_channel(URL) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        services = list(database.get_services())
        assert "inference.GRPCInferenceService" in services, services
        pool = DescriptorPool(database)
        infer = pool.FindServiceByName("inference.GRPCInferenceService").FindMethodByName("ModelInfer")
        assert infer.input_type.full_name == "inference.ModelInferRequest"
        theirs = triton.service_pb2.ModelInferRequest.DESCRIPTOR
        ours = {(field.name, field.number, field.type) for field in infer.input_type.fields}
        assert ours == {(field.name, field.number, field.type) for field in theirs.fields}, ours


def main():
    report = {}
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            report[name] = "ok"
        except Exception:
            report[name] = traceback.format_exc()
    print(json.dumps(report))


main()
