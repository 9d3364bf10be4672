"""Cases in which rounding errors, residuals or late times decide, against values from arithmetic of many digits."""

import json
from pathlib import Path

import numpy as np
import orjson
import pytest

from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.translate.trajectory import trajectory

CASES = json.loads((Path(__file__).parents[1] / "reference" / "hard_cases.json").read_text())["cases"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["route"] == "/v1/trajectories"], ids=lambda c: c["name"]
)
def test_values_of_many_digits(case):
    answer = orjson.loads(trajectory(read(TrajectoryRequest, case["body"]), "0" * 64, "json"))
    (name,) = case["body"]["quantities"]
    for got, expected in zip(answer["quantities"][name], case["oracle"], strict=True):
        assert np.linalg.norm(np.subtract(got, expected)) <= case["tolerance"] * np.linalg.norm(expected)
    assert answer["diagnostics"]["errors"][name] <= 1e-9
