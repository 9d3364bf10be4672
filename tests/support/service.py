"""Requests to a real service over HTTP, in both formats, and checks of its problem documents."""

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

ARRAYS = ("sigma_yx", "sigma_xx", "inputs", "targets", "singular_values", "times", "task")


@contextmanager
def asking(**settings: object) -> Iterator[httpx.Client]:
    """Start a service of one worker, and connect to it."""
    with Service(**settings) as service, service.client() as client:
        yield client


def as_npz(document: dict[str, Any]) -> bytes:
    """Encode a request as an archive by numpy, with arrays named by their paths."""
    arrays: dict[str, Any] = {}
    metadata = _without_arrays(document, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, metadata=json.dumps(metadata), **arrays)
    return buffer.getvalue()


def _without_arrays(node, path, arrays):
    kept = {}
    for name, value in node.items():
        here = f"{path}{name}"
        if name == "weights" and isinstance(value, list):
            arrays |= {f"{here}.{i}": w for i, w in enumerate(value)}
        elif name in ARRAYS and isinstance(value, list):
            arrays[here] = value
        elif isinstance(value, dict):
            kept[name] = _without_arrays(value, f"{here}.", arrays)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            kept[name] = [_without_arrays(item, f"{here}.{i}.", arrays) for i, item in enumerate(value)]
        else:
            kept[name] = value
    return kept


def post(client, document, *, path=TRAJECTORIES, body="json", accept="json", **headers) -> httpx.Response:
    """Post a request in one format and accept the response in another."""
    content = as_npz(document) if body == "npz" else json.dumps(document).encode()
    media = {"json": "application/json", "npz": NPZ}
    headers = {"Content-Type": media[body], "Accept": media[accept], **headers}
    return client.post(path, content=content, headers=headers)


def tag(key: str, accept: str) -> str:
    """ETag of the response with a key in one format."""
    return f'"{key}"' if accept == "json" else f'"{key}-npz"'


def read(response: httpx.Response) -> dict[str, Any]:
    """Decode a trajectory of either format to a tree, with arrays for times and quantities; `weights` is a list."""
    assert response.status_code == 200, response.text
    if response.headers["content-type"] == NPZ:
        tree, arrays = _unpacked(response.content)
        assert not {"times", "quantities"} & set(tree)
        times, quantities = arrays.pop("times"), {}
        for path, array in arrays.items():
            name, _, inner = path.partition(".")
            if inner.isdecimal():
                assert int(inner) == len(quantities.setdefault(name, []))
                quantities[name].append(array)
            elif inner:
                quantities.setdefault(name, {})[inner] = array
            else:
                quantities[name] = array
        return {**tree, "times": times, "quantities": quantities}
    assert response.headers["content-type"] == "application/json"
    tree = response.json()
    return {**tree, "times": np.array(tree["times"]), "quantities": _arrays(tree["quantities"])}


def read_tree(response: httpx.Response) -> dict[str, Any]:
    """Decode a response of either format to a tree of lists as in JSON, with None for NaN."""
    assert response.status_code == 200, response.text
    if response.headers["content-type"] != NPZ:
        assert response.headers["content-type"] == "application/json"
        return response.json()
    tree, arrays = _unpacked(response.content)
    if "replicates" in tree:  # an ensemble, whose arrays are named by quantity
        tree["quantities"] = {}
    for path, array in arrays.items():
        *parents, last = path.split(".")
        node = tree["quantities"] if "quantities" in tree and parents and parents[0] != "wide" else tree
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = np.where(np.isnan(array), None, array).tolist()
    return _with_lists(tree)


def _with_lists(node):
    """Replace mappings whose keys are consecutive numbers by lists."""
    if not isinstance(node, dict):
        return node
    parts = {name: _with_lists(value) for name, value in node.items()}
    return list(parts.values()) if parts and list(parts) == [str(i) for i in range(len(parts))] else parts


def _unpacked(content):
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = dict(archive)
    return json.loads(str(arrays.pop("metadata"))), arrays


def _arrays(quantities):
    return {
        name: _arrays(value)
        if isinstance(value, dict)
        else [np.array(layer, dtype=np.float64) for layer in value]
        if name == "weights"
        else np.array(value, dtype=np.float64)
        for name, value in quantities.items()
    }


def ask(client, document, **formats) -> dict[str, Any]:
    """Post a request that must be answered."""
    return read(post(client, document, **formats))


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the format of a problem document (API.md, RFC 9457), and return it."""
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
        assert error["detail"] not in body["detail"]
        assert "Input should" not in error["detail"]
    if status == 503:
        assert int(response.headers["retry-after"]) > 0
    return body


def said(body: dict[str, Any]) -> str:
    """Text of a problem: its detail and the errors of fields."""
    return " ".join([body["detail"], *(error["detail"] for error in body["errors"])])
