"""Signs requests to SageMaker with botocore's own signer at a fixed time, and frames events with botocore's own shapes.

Usage: python make_signatures.py > signatures.json      (pip install boto3)
"""

import datetime
import hashlib
import json
from importlib.metadata import version

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

NOW = datetime.datetime(2026, 11, 21, 14, 28, 16, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda remove_tzinfo=True: NOW.replace(tzinfo=None) if remove_tzinfo else NOW

KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = "https://runtime.sagemaker.eu-central-1.amazonaws.com"
REQUESTS = [
    (HOST + "/endpoints/fraud/invocations", "eu-central-1", None, b'{"instances":[[1.0,2.5]]}', {"content-type": "application/json"}),
    (HOST + "/endpoints/fraud/invocations", "eu-central-1", "TOKEN//==", b"", {"content-type": "text/csv", "accept": "text/csv"}),
    (
        HOST + "/endpoints/a-B-9/invocations-response-stream",
        "eu-central-1",
        None,
        bytes(range(256)) * 3,
        {
            "content-type": "application/octet-stream",
            "x-amzn-sagemaker-accept": "image/jpeg",
            "x-amzn-sagemaker-custom-attributes": "a=1,  b = two spaces ",
            "x-amzn-sagemaker-target-model": "dir/model v1.tar.gz",
        },
    ),
    ("http://127.0.0.1:8080/some/prefix/endpoints/m/invocations", "us-east-1", None, b"x", {"content-type": "text/plain"}),
]

cases = []
for url, region, token, body, headers in REQUESTS:
    digest = hashlib.sha256(body).hexdigest()
    request = AWSRequest("POST", url, headers={**headers, "x-amz-content-sha256": digest}, data=body)
    botocore.auth.SigV4Auth(Credentials(*KEY, token), "sagemaker", region).add_auth(request)
    cases.append(
        {
            "url": url,
            "region": region,
            "token": token,
            "body": body.hex(),
            "headers": headers,
            "signed": {name.lower(): value for name, value in request.headers.items()},
        }
    )

print(json.dumps({"botocore": version("botocore"), "time": NOW.isoformat(), "key": KEY, "cases": cases}, indent=2))
