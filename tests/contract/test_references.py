"""The 90-digit references, over all formats of requests and answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.oracle import relative_error
from support.service import ask

pytestmark = pytest.mark.live

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "balanced_qqt.json").read_text())["cases"]


def test_there_are_52_references():
    assert len(REFERENCES) == 52


@pytest.mark.parametrize("accept", ["json", "npz"])
@pytest.mark.parametrize("body", ["json", "npz"])
def test_qqt_at_every_time(service, body, accept, measured):
    worst = 0.0
    # the second quantity gives each way a key of its own, so that its answer is computed and not converted
    second = {("json", "json"): [], ("json", "npz"): ["loss"], ("npz", "json"): ["output"], ("npz", "npz"): ["balance"]}
    for case in REFERENCES:
        document = {
            "network": {"kind": "weights", "weights": [case["w1"], case["w2"]]},
            "task": {"kind": "correlation", "sigma_yx": case["sigma_yx"]},
            "times": case["times"],
            "time_constant": case["time_constant"],
            "quantities": ["qqt", *second[body, accept]],
            "method": "exact",
        }
        answer = ask(service, document, body=body, accept=accept)
        assert answer["dims"] == case["dims"]
        assert np.isclose(answer["lambda"], case["lam"], rtol=1e-12, atol=1e-12 * np.max(np.abs(case["w1"])) ** 2)
        assert np.array_equal(answer["times"], case["times"])
        got = answer["quantities"]["qqt"]
        assert got.shape == np.shape(case["qqt"])
        worst = max(worst, *map(relative_error, got, np.array(case["qqt"])))
    measured("worst_relative_error", worst)
    assert worst <= 1e-12


def test_both_formats_of_the_request_are_the_same_request(service):
    case = REFERENCES[0]
    document = {
        "network": {"kind": "weights", "weights": [case["w1"], case["w2"]]},
        "task": case["sigma_yx"],
        "times": case["times"],
    }
    assert ask(service, document, body="json")["key"] == ask(service, document, body="npz")["key"]
