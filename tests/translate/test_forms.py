"""Answers have the same numbers in both formats."""

import io

import numpy as np
import orjson
import pytest

from lindyn.wire.document import read
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.translate.encode import encode
from lindyn_service.translate.trajectory import trajectory


@pytest.mark.parametrize(("dims", "lam"), [([3, 3, 3], 0.0), ([3, 2, 4], 2.0), ([4, 2, 2], -2.0)])
def test_json_and_npz_have_identical_numbers(dims, lam):
    request = {
        "network": {"kind": "balanced", "dims": dims, "lambda": lam, "seed": 1},
        "task": {"kind": "regression", "samples": 7, "seed": 2},
        "times": [0.0, 0.5, 3.0, 20.0],
        "quantities": list(QUANTITIES),
    }
    asked = read(TrajectoryRequest, request)
    document = orjson.loads(encode(trajectory(asked, "0" * 64), "json"))
    with np.load(io.BytesIO(encode(trajectory(asked, "0" * 64), "npz")), allow_pickle=False) as archive:
        named = dict(leaves("", document["quantities"]))
        assert set(named) == set(archive) - {"times", "metadata"}
        for name, values in named.items():
            assert np.array_equal(np.array(values, dtype=float), archive[name], equal_nan=True), name


def leaves(path, value):
    if path == "weights":
        value = {str(layer): array for layer, array in enumerate(value)}
    if not isinstance(value, dict):
        yield path, value
        return
    for name, part in value.items():
        yield from leaves(f"{path}.{name}".removeprefix("."), part)
