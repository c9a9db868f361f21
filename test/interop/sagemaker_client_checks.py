"""Asks a gateway with the demo models as boto3's sagemaker-runtime does; prints one JSON object: each check's name with "ok" or what went wrong.

Usage: python sagemaker_client_checks.py HOST:PORT
"""

import io
import json
import sys
import traceback

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client_of(secret="s3cret", retries=0):
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://{sys.argv[1]}",
        region_name="eu-central-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": retries + 1, "mode": "standard"}),
    )


client = client_of()
IRIS = [5.1, 3.5, 1.4, 0.2]


def invoke(body, **more):
    words = {"EndpointName": "iris-prod", "Body": body, **more}
    answer = client.invoke_endpoint(**words)
    return answer, answer["Body"].read().decode()


def refused(code, **words):
    try:
        invoke(**words)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error
    raise AssertionError(f"expected {code}")


def check_json():
    answer, body = invoke(json.dumps({"instances": [IRIS]}), ContentType="application/json")
    assert answer["ContentType"] == "application/json" and answer["InvokedProductionVariant"] == "1"
    assert json.loads(body)["predictions"][0]["label"] == 0
    assert answer["ResponseMetadata"]["RequestId"]


def check_csv():
    answer, body = invoke(",".join(map(str, IRIS)), ContentType="text/csv")
    assert answer["ContentType"] == "text/csv" and len(body.strip().split(",")) == 4, body


def check_json_lines():
    answer, body = invoke("\n".join(json.dumps(IRIS) for _ in range(3)), ContentType="application/jsonlines")
    assert answer["ContentType"] == "application/jsonlines" and len(body.strip().splitlines()) == 3


def check_accept():
    answer, body = invoke(",".join(map(str, IRIS)), ContentType="text/csv", Accept="application/json")
    assert answer["ContentType"] == "application/json" and "predictions" in json.loads(body)


def check_no_content_type():
    _, body = invoke(json.dumps({"instances": [IRIS]}))
    assert json.loads(body)["predictions"]


def check_file_body():
    _, body = invoke(io.BytesIO(json.dumps([IRIS] * 500).encode()), ContentType="application/json")
    assert len(json.loads(body)["label"]) == 500


def check_variant_and_target():
    zeros = json.dumps({"instances": [[[[0] * 8] * 8]]})
    for variant in ["1", "2"]:
        answer, _ = invoke(zeros, EndpointName="fleet", TargetModel="digits.tar.gz", TargetVariant=variant)
        assert answer["InvokedProductionVariant"] == variant


def check_stream():
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="iris-prod", Body=json.dumps({"instances": [IRIS] * 2000}), ContentType="application/json"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert answer["ContentType"] == "application/json" and len(json.loads(b"".join(parts))["predictions"]) == 2000


def check_errors():
    error = refused("ValidationError", body="{", ContentType="application/json")
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400 and "malformed" in str(error)
    refused("ValidationError", body="1", EndpointName="nope")
    try:
        client.invoke_endpoint_async(EndpointName="iris-prod", InputLocation="s3://b/k")
        raise AssertionError("expected a refusal")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationError" and "S3" in str(error)


def check_signature():
    try:
        client_of(secret="other").invoke_endpoint(EndpointName="iris-prod", Body=b"1")
        raise AssertionError("expected a refusal")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidSignatureException", error.response


report = {}
for name, check in [(name, check) for name, check in globals().items() if name.startswith("check_")]:
    try:
        check()
        report[name] = "ok"
    except Exception:
        report[name] = traceback.format_exc()
print(json.dumps(report))
