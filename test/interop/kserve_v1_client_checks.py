"""Asks a gateway as KServe's InferenceRESTClient does with its V1 protocol; prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python kserve_v1_client_checks.py HOST:PORT
"""

import asyncio
import json
import sys
import traceback

import httpx
import numpy as np
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http
from kserve import InferenceRESTClient, RESTConfig

BASE = f"http://{sys.argv[1]}"
ROW0 = np.arange(16)
ROW1 = np.full(16, 7)
ROWS = {"instances": [{"INPUT0": ROW0.tolist(), "INPUT1": ROW1.tolist()}]}


def is_sum_and_difference(answer):
    (row,) = answer["predictions"]
    np.testing.assert_array_equal(row["OUTPUT0"], ROW0 + ROW1)
    np.testing.assert_array_equal(row["OUTPUT1"], ROW0 - ROW1)


async def fails(status, work):
    try:
        await work
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        return error.response.json()["error"]
    raise AssertionError(f"expected status {status}")


async def check_health(client):
    assert await client.is_server_live(BASE)
    assert await client.is_model_ready(BASE, "digits") is True
    assert "nobody" in await fails(404, client.is_model_ready(BASE, "nobody"))


async def check_list(_client):
    async with httpx.AsyncClient() as http:
        assert sorted((await http.get(f"{BASE}/v1/models")).json()["models"]) == ["add_sub", "digits", "iris", "language"]


async def check_predict(client):
    is_sum_and_difference(await client.infer(BASE, ROWS, model_name="add_sub"))


async def check_bare_rows(client):
    rows = {"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}
    answer = await client.infer(BASE, rows, model_name="iris")
    assert len(answer["predictions"]) == 2, answer


async def check_strings(client):
    answer = await client.infer(BASE, {"instances": ["Alle Menschen sind frei"]}, model_name="language")
    assert "de" in json.dumps(answer), answer


async def check_errors(client):
    assert await fails(404, client.infer(BASE, ROWS, model_name="nobody")) == "Servable not found for request: Latest(nobody)"
    await fails(400, client.infer(BASE, {"instances": [{"INPUT0": [1]}]}, model_name="add_sub"))
    await fails(400, client.infer(BASE, {"other": 1}, model_name="add_sub"))
    await fails(400, client.explain(BASE, "add_sub", ROWS))


async def sent(event, how):
    headers, body = how(event)
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{BASE}/v1/models/add_sub:predict", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return from_http(dict(answer.headers), answer.content)


async def check_cloud_events(_client):
    for how in (to_binary, to_structured):
        event = CloudEvent({"type": "com.example.rows", "source": "https://example.com/rows"}, ROWS)
        answer = await sent(event, how)
        assert answer["type"] == "io.kserve.inference.response" and answer["source"] == "io.kserve.inference.add_sub"
        data = answer.data
        is_sum_and_difference(json.loads(data) if isinstance(data, (bytes, str)) else data)


async def outcome(check):
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    try:
        await check(client)
        return "ok"
    except Exception:
        return traceback.format_exc(limit=4)
    finally:
        await client.close()


async def main():
    checks = {name: check for name, check in globals().items() if name.startswith("check_")}
    return {name: await outcome(check) for name, check in checks.items()}


print(json.dumps(asyncio.run(main())))
