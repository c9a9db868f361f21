"""Asks a gateway with the demo models as tritonclient.http does; prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python tritonclient_checks.py HOST:PORT
"""

import asyncio
import json
import sys
import traceback

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1], concurrency=8)
ROW0 = np.arange(16, dtype=np.int32).reshape(1, 16)
ROW1 = np.full((1, 16), 7, dtype=np.int32)


def add_sub_inputs(binary, rows=(ROW0, ROW1)):
    inputs = []
    for name, row in zip(("INPUT0", "INPUT1"), rows):
        tensor = triton.InferInput(name, list(row.shape), "INT32")
        tensor.set_data_from_numpy(row, binary_data=binary)
        inputs.append(tensor)
    return inputs


def is_sum_and_difference(result):
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), ROW0 + ROW1)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), ROW0 - ROW1)


def check_health():
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
    assert not client.is_model_ready("digits", "9") and not client.is_model_ready("nobody")


def check_server_metadata():
    metadata = client.get_server_metadata()
    assert metadata["name"] == "sluice" and "binary_tensor_data" in metadata["extensions"], metadata


def check_model_metadata():
    metadata = client.get_model_metadata("digits")
    assert metadata["versions"] == ["1", "2"], metadata
    assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}], metadata


def check_infer_binary_by_default():
    is_sum_and_difference(client.infer("add_sub", add_sub_inputs(True)))


def check_infer_json():
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in ("OUTPUT0", "OUTPUT1")]
    is_sum_and_difference(client.infer("add_sub", add_sub_inputs(False), outputs=outputs))


def check_infer_mixed():
    inputs = [add_sub_inputs(True)[0], add_sub_inputs(False)[1]]
    outputs = [
        triton.InferRequestedOutput("OUTPUT0", binary_data=False),
        triton.InferRequestedOutput("OUTPUT1", binary_data=True),
    ]
    is_sum_and_difference(client.infer("add_sub", inputs, outputs=outputs))


def check_infer_asynchronously():
    def rows(i):
        return np.full((1, 16), i, np.int32), ROW1

    pending = [client.async_infer("add_sub", add_sub_inputs(True, rows(i)), request_id=str(i)) for i in range(50)]
    for i, one in enumerate(pending):
        result = one.get_result()
        assert result.get_response()["id"] == str(i)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), np.full((1, 16), i + 7, np.int32))


def check_aio():
    async def ask():
        async with triton_aio.InferenceServerClient(sys.argv[1]) as own:
            assert await own.is_server_ready() and await own.is_model_ready("iris")
            assert not await own.is_model_ready("nobody")
            for binary in (True, False):
                pending = (own.infer("add_sub", add_sub_inputs(binary), request_id="7") for _ in range(50))
                for result in await asyncio.gather(*pending):
                    is_sum_and_difference(result)
                    assert result.get_response()["id"] == "7"
            try:
                await own.infer("nobody", add_sub_inputs(True))
            except InferenceServerException as error:
                assert error.status() == "404" and "nobody" in error.message(), (error.status(), error.message())
            else:
                raise AssertionError("expected an InferenceServerException")

    asyncio.run(ask())


def check_options():
    result = client.infer(
        "add_sub",
        add_sub_inputs(True),
        model_version="1",
        request_id="mine",
        query_params={"q": "1"},
        priority=1,
        timeout=5_000_000,
        parameters={"p": 1.5, "s": "t"},
        headers={"x-request-id": "from-python"},
    )
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("mine", "add_sub", "1"), response
    is_sum_and_difference(result)


def check_compression():
    for request in ("gzip", "deflate"):
        for response in ("gzip", "deflate"):
            rows = np.repeat(ROW0, 64, axis=0), np.repeat(ROW1, 64, axis=0)
            result = client.infer(
                "add_sub",
                add_sub_inputs(True, rows),
                request_compression_algorithm=request,
                response_compression_algorithm=response,
            )
            np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), rows[0] + rows[1])


def check_bytes():
    texts = np.array(["Everyone has the right to life, liberty and the security of person.".encode()], dtype=object)
    for binary in (True, False):
        tensor = triton.InferInput("text", [1], "BYTES")
        tensor.set_data_from_numpy(texts, binary_data=binary)
        outputs = [triton.InferRequestedOutput("label", binary_data=binary), triton.InferRequestedOutput("probabilities")]
        result = client.infer("language", [tensor], outputs=outputs)
        label = result.as_numpy("label")[0]
        assert label in (b"en", "en"), label
        assert result.as_numpy("probabilities").shape == (1, 24)


def check_not_a_number():
    measurements = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    for binary in (True, False):
        tensor = triton.InferInput("measurements", [1, 4], "FP32")
        tensor.set_data_from_numpy(measurements, binary_data=binary)
        outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary)]
        result = client.infer("iris", [tensor], outputs=outputs).as_numpy("probabilities")
        assert result.shape == (1, 3) and np.isnan(result).any(), result


def check_no_rows():
    none = np.zeros((0, 16), np.int32)
    result = client.infer("add_sub", add_sub_inputs(True, (none, none)))
    assert result.as_numpy("OUTPUT0").shape == (0, 16)


def check_errors():
    for call, status, words in (
        (lambda: client.infer("nobody", add_sub_inputs(True)), "404", "nobody"),
        (lambda: client.infer("add_sub", add_sub_inputs(True)[:1]), "400", "INPUT1"),
        (lambda: client.get_model_metadata("add_sub", "9"), "404", "9"),
    ):
        try:
            call()
        except InferenceServerException as error:
            assert error.status() == status and words in error.message(), (error.status(), error.message())
        else:
            raise AssertionError("expected an InferenceServerException")


def main():
    report = {}
    for name, check in sorted(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            report[name] = "ok"
        except Exception:  # noqa: BLE001 a report of whatever went wrong
            report[name] = traceback.format_exc(limit=3)
    client.close()
    print(json.dumps(report))


main()
