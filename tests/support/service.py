"""Asking a real service over HTTP, in both formats, and the one shape of what it refuses."""

import copy
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np

from support.processes import Service

NPZ = "application/x-npz"
TRAJECTORIES = "/v1/trajectories"


@contextmanager
def asking(**settings: object) -> Iterator[httpx.Client]:
    """Start a service of one worker, and connect to it."""
    with Service(**settings) as service, service.client() as client:
        yield client


def as_npz(document: dict[str, Any]) -> bytes:
    """The same request as an archive, with numpy's own writer, its arrays named by their paths."""
    metadata = copy.deepcopy(document)
    arrays = {f"network.weights.{i}": w for i, w in enumerate(metadata["network"].pop("weights", []))}
    if isinstance(metadata["task"], list):
        arrays["task"] = metadata.pop("task")
    for name in ("sigma_yx", "sigma_xx", "inputs", "targets", "singular_values"):
        if metadata.get("task", {}).get(name) is not None:
            arrays[f"task.{name}"] = metadata["task"].pop(name)
    if isinstance(metadata["times"], list):
        arrays["times"] = metadata.pop("times")
    buffer = io.BytesIO()
    np.savez(buffer, metadata=json.dumps(metadata), **arrays)
    return buffer.getvalue()


def post(client, document, *, body="json", accept="json", **headers) -> httpx.Response:
    """Post a request in one format and ask for the answer in another."""
    content = as_npz(document) if body == "npz" else json.dumps(document).encode()
    media = {"json": "application/json", "npz": NPZ}
    headers = {"Content-Type": media[body], "Accept": media[accept], **headers}
    return client.post(TRAJECTORIES, content=content, headers=headers)


def read(response: httpx.Response) -> dict[str, Any]:
    """An answer of either format as one tree, its times and quantities as arrays."""
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == NPZ:
        with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
            arrays = dict(archive)
        tree = json.loads(str(arrays.pop("metadata")))
        assert not {"times", "quantities"} & set(tree)
        times, quantities = arrays.pop("times"), {}
        for path, array in arrays.items():
            name, _, inner = path.partition(".")
            if inner:
                quantities.setdefault(name, {})[inner] = array
            else:
                quantities[name] = array
        return {**tree, "times": times, "quantities": quantities}
    assert response.headers["content-type"] == "application/json"
    tree = response.json()
    return {**tree, "times": np.array(tree["times"]), "quantities": _arrays(tree["quantities"])}


def _arrays(quantities):
    return {
        name: _arrays(value) if isinstance(value, dict) else np.array(value, dtype=np.float64)
        for name, value in quantities.items()
    }


def ask(client, document, **formats) -> dict[str, Any]:
    """Post a request that must be answered."""
    return read(post(client, document, **formats))


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, which has the one shape that all of them have (API.md, RFC 9457)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert set(body) == {"type", "code", "title", "status", "detail", "errors", "request_id"}
    assert (body["type"], body["code"], body["status"]) == (f"/problems/{code}", code, status)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in body["detail"]
    for error in body["errors"]:
        assert set(error) == {"path", "detail"}
        assert error["detail"]
    if status == 503:
        assert int(response.headers["retry-after"]) > 0
    return body
