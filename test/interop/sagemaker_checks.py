"""Reads what Sluice wrote with botocore's own parsers: event-stream frames in hexadecimal digits, one JSON array on stdin."""

import json
import sys

from botocore.eventstream import EventStreamBuffer

for frames in json.load(sys.stdin):
    buffer = EventStreamBuffer()
    buffer.add_data(bytes.fromhex(frames))
    print(json.dumps([[dict(event.headers), event.payload.hex()] for event in buffer]))
