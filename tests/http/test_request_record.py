"""The method of an answer is found in either format, as the answer itself has it."""

import json

import numpy as np
import pytest

from lindyn.wire import npz
from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.http.request_record import method_of
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory

DOCUMENT = {
    "network": {"kind": "balanced", "dims": [3, 2, 3], "lambda": 1.0, "seed": 0},
    "task": np.eye(3).tolist(),
    "times": [0.0, 1.0],
}


@pytest.mark.parametrize("method", ["exact", "flow"])
@pytest.mark.parametrize("form", ["json", "npz"])
def test_method_of_an_answer(method, form):
    body = encode(trajectory(read(TrajectoryRequest, {**DOCUMENT, "method": method}), "0" * 64), form)
    document = json.loads(body) if form == "json" else npz.unpack(body, largest_bytes=10**6)[0]
    assert method_of(body) == document["method"] == method


@pytest.mark.parametrize("body", [b"", b"{}", b'{"method": 1}', b"\0" * 100_000])
def test_an_answer_that_names_none(body):
    assert method_of(body) == "none"
