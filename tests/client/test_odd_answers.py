"""Invalid responses and invalid files raise the documented errors."""

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

import lindyn

JSON = "application/json"
NPZ = "application/x-npz"
REQUEST = {"network": lindyn.balanced([2, 2, 2], lam=0.5, seed=1), "task": np.eye(2), "times": [0.0, 1.0]}

DOCUMENTS: list[Any] = [
    *(
        [],
        {},
        None,
        7,
        "text",
        [[]],
        [{}],
        {"times": 7},
        {"times": [0], "quantities": []},
        {"times": {}, "quantities": 1},
    ),
    *({"times": [0], "quantities": {"loss": {"a": "b"}}}, {"experiments": 7}, {"jobs": [[]]}, {"id": []}),
    *({"weights": 3}, {"weights": [[["x"]]]}, {"dims": 7, "coordinates": 7}, {"converged": []}, {"predicted": 3}),
]
CALLS: dict[str, Callable[[lindyn.Client], Any]] = {
    "trajectory": lambda c: c.trajectory(**REQUEST),
    "stored": lambda c: c.stored("0" * 64),
    "initialization": lambda c: c.initialization(REQUEST["network"]),
    "balance": lambda c: c.balance([np.eye(2), np.eye(2)]),
    "statistics": lambda c: c.balance_statistics([2, 2, 2], "he"),
    "limits": lambda c: c.limits(network=REQUEST["network"], task=np.eye(2)),
    "continual": lambda c: c.continual(network=REQUEST["network"], tasks=[{"task": np.eye(2)}]),
    "ensemble": lambda c: c.ensemble(base=REQUEST, replicates=3),
    "sweep": lambda c: c.sweep(base=REQUEST, axes={"network.seed": [1]}),
    "experiments": lambda c: c.experiments(),
    "job": lambda c: c.job("0" * 32),
    "jobs": lambda c: c.jobs(),
}


def archive(**entries: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **entries)
    return buffer.getvalue()


def stored(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


BODIES = [
    *((JSON, json.dumps(document).encode()) for document in DOCUMENTS),
    *((JSON, body) for body in (b"", b"\xff\xfe", b"[" * 100_000, b'{"times": ' + b"9" * 5000 + b"}", b"nul")),
    *((NPZ, body) for body in (b"", b"PK\x03\x04", archive(a=np.eye(2)), archive(metadata=json.dumps([])))),
    *((NPZ, archive(metadata=json.dumps(document))) for document in DOCUMENTS),
    (NPZ, stored("metadata.npy", b"nothing")),
]


def answering(status: int, headers: dict[str, Any], body: bytes) -> lindyn.Client:
    answer = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))
    return lindyn.Client("http://here", transport=answer, patience_seconds=0)


def error_of(client: lindyn.Client, call: str) -> lindyn.LindynError | None:
    """The error that the client raises for a response, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lindyn.VersionWarning)
        try:
            CALLS[call](client)
        except lindyn.LindynError as error:
            return error
    return None


@pytest.mark.parametrize("call", CALLS)
def test_invalid_answers_have_an_error(call):
    for media, body in BODIES:
        with answering(200, {"Content-Type": media}, body) as client:
            error = error_of(client, call)
        assert error is None or (isinstance(error, lindyn.UnexpectedReplyError) and "cannot be read" in str(error))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"7", b"", b'{"status": []}', b"\xff"])
@pytest.mark.parametrize("status", [100, 204, 302, 400, 401, 404, 429, 500, 503, 599])
def test_invalid_problems_have_an_error(status, body):
    odd = ["Sat, 28 Nov 2026 10:00:00", "Sat, 28 Nov 2026 10:00:00 -0000", "x", "", "-1", "1e9", "9" * 5000, "\u00b2"]
    for value in odd:
        headers = {"Retry-After": value, "Content-Type": JSON, "Location": "http://[", "X-Lindyn-Version": value}
        with answering(status, {name: text.encode() for name, text in headers.items()}, body) as client:
            assert error_of(client, "trajectory") is not None


@pytest.mark.parametrize("suffix", [".npz", ".nc"])
def test_files_of_other_programs_have_an_error(tmp_path, suffix):
    path = tmp_path / f"odd{suffix}"
    for body in (b"", b"text", b"\x89HDF\r\n\x1a\n", *(body for _, body in BODIES)):
        path.write_bytes(body)
        with pytest.raises(ValueError, match=r"^odd\."):
            lindyn.load(path)
    with pytest.raises(FileNotFoundError):
        lindyn.load(tmp_path / f"none{suffix}")


@pytest.mark.parametrize("provenance", ["", "x", "[]", "7", "{}", '{"paths": 7}', '{"paths": {"a": "b"}}', 7, [1, 2]])
def test_netcdf_of_other_programs_has_an_error(tmp_path, provenance):
    xarray = pytest.importorskip("xarray")
    path = tmp_path / "odd.nc"
    xarray.Dataset({"loss": ("time", np.zeros(3))}, attrs={"lindyn": provenance}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match=r"^odd\.nc "):
        lindyn.load(path)
