"""Asks both sides in turns, in the environment of the local cloud.

``python invoke_worker.py URL ENDPOINT ARCHIVE IMAGE REQUESTS ROUNDS`` prints, for each round, the
microseconds at the 50th and 99th percentile of both sides as JSON.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_BODY = b"1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0\n"
_SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sagemaker/aws4_request, Signature=0"
_WARM_UP = 200


def _percentiles(port: int, path: str, requests: int) -> list[float]:
    headers = {"Content-Type": "text/csv", "Accept": "text/csv", "Authorization": _SIGNED}
    took = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        for number in range(requests + _WARM_UP):
            began = time.perf_counter()
            connection.request("POST", path, _BODY, headers)
            response = connection.getresponse()
            answer = response.read()
            if number >= _WARM_UP:
                took.append((time.perf_counter() - began) * 1_000_000)
            if response.status != http.client.OK or answer != _BODY:
                sys.exit(f"{path} answered {response.status}: {answer!r}")
    took.sort()
    return [took[len(took) // 2], took[len(took) * 99 // 100]]


def _model(archive: Path, image: str, folder: Path) -> Any:
    ports: Any = importlib.import_module("localcloud.compute.ports")
    serving: Any = importlib.import_module("localcloud.serving")
    objects = ports.FolderObjects(folder / "s3")
    objects.put("bench", archive.name, archive.read_bytes())
    container = {
        "Image": image,
        "ModelDataUrl": f"s3://bench/{archive.name}",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        },
    }
    return serving.ModelProcess(container, objects, folder / "model")


def main() -> None:
    """Measure, and print."""
    url, endpoint, archive, image, requests, rounds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        model = _model(Path(archive), image, Path(folder))
        model.start()
        try:
            sides = {
                "cloud": (urlsplit(url).port or 80, f"/endpoints/{endpoint}/invocations"),
                "direct": (model.port, "/invocations"),
            }
            found = [
                {side: _percentiles(*where, int(requests)) for side, where in sides.items()}
                for _ in range(int(rounds) + 1)
            ]
        finally:
            model.stop()
    # The first round warms the caches.
    print(json.dumps(found[1:]))


if __name__ == "__main__":
    main()
