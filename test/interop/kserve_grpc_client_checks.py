"""Asks a gateway with the demo models as KServe's InferenceGRPCClient does; prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python kserve_grpc_client_checks.py HOST:PORT
"""

import asyncio
import json
import sys
import traceback

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest

URL = sys.argv[1]
ROW0 = np.arange(16, dtype=np.int32).reshape(1, 16)
ROW1 = np.full((1, 16), 7, dtype=np.int32)


def add_sub_inputs(typed):
    inputs = []
    for name, row in (("INPUT0", ROW0), ("INPUT1", ROW1)):
        if typed:
            inputs.append(InferInput(name, [1, 16], "INT32", data=row.flatten().tolist()))
        else:
            tensor = InferInput(name, [1, 16], "INT32")
            tensor.set_data_from_numpy(row, binary_data=True)
            inputs.append(tensor)
    return inputs


def is_sum_and_difference(response):
    sums, differences = (output.as_numpy().reshape(1, 16) for output in response.outputs)
    np.testing.assert_array_equal(sums, ROW0 + ROW1)
    np.testing.assert_array_equal(differences, ROW0 - ROW1)


async def check_health(client):
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready("digits") and await client.is_model_ready("add_sub")


async def check_infer_typed(client):
    response = await client.infer(InferRequest("add_sub", add_sub_inputs(True), request_id="mine"))
    assert (response.id, response.model_name) == ("mine", "add_sub"), response
    is_sum_and_difference(response)


async def check_infer_raw(client):
    is_sum_and_difference(await client.infer(InferRequest("add_sub", add_sub_inputs(False))))


async def check_bytes(client):
    texts = InferInput("text", [2], "BYTES")
    texts.set_data_from_numpy(np.array([b"Alle Menschen sind frei", b"Everyone has the right"], dtype=object), binary_data=True)
    response = await client.infer(InferRequest("language", [texts]))
    assert response.outputs[0].as_numpy().shape == (2,), response


async def check_many(client):
    responses = await asyncio.gather(
        *(client.infer(InferRequest("add_sub", add_sub_inputs(i % 2 == 0))) for i in range(100))
    )
    for response in responses:
        is_sum_and_difference(response)


async def check_metadata(client):
    response = await client.infer(
        InferRequest("add_sub", add_sub_inputs(False)), headers=(("x-request-id", "from-the-client"),)
    )
    is_sum_and_difference(response)


async def check_errors(client):
    for request, code in (
        (InferRequest("nobody", add_sub_inputs(False)), grpc.StatusCode.NOT_FOUND),
        (InferRequest("add_sub", add_sub_inputs(False)[:1]), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        try:
            await client.infer(request)
        except grpc.RpcError as error:
            assert error.code() == code, error
            continue
        raise AssertionError(f"expected {code}, got an answer")


async def main():
    report = {}
    async with InferenceGRPCClient(url=URL, timeout=20) as client:
        for name, check in list(globals().items()):
            if not name.startswith("check_"):
                continue
            try:
                await check(client)
                report[name] = "ok"
            except Exception:
                report[name] = traceback.format_exc()
    print(json.dumps(report))


asyncio.run(main())
