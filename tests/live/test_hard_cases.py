"""Cases in which rounding errors, residuals or late times decide, against values from arithmetic of many digits."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.jobs import finished, result, submit
from support.processes import Service
from support.service import ask, post

CASES = json.loads((Path(__file__).parents[1] / "reference" / "hard_cases.json").read_text())["cases"]


@pytest.fixture(scope="module")
def client(redis_server):
    with Service(redis_url=redis_server.url, job_workers=1) as service, service.client() as client:
        yield client


def of(route):
    return pytest.mark.parametrize("case", [c for c in CASES if c["route"] == route], ids=lambda case: case["name"])


@of("/v1/trajectories")
def test_trajectories_agree_with_many_digits(client, case):
    answer = ask(client, case["body"])
    (name,) = case["body"]["quantities"]
    for got, expected in zip(answer["quantities"][name], case["oracle"], strict=True):
        assert np.linalg.norm(np.subtract(got, expected)) <= case["tolerance"] * np.linalg.norm(expected)
    assert answer["diagnostics"]["errors"][name] <= 1e-9


@of("/v1/sweeps")
def test_sweeps_agree_with_many_digits(client, case):
    job = submit(client, case["body"])
    finished(client, job)
    document = result(client, job)
    for name, expected in zip(case["quantity"], case["oracle"], strict=True):
        (got,) = document["data"][name]["values"]
        assert abs(got - expected) <= case["tolerance"] * abs(expected)


@of("/v1/continual")
def test_continual_learning_agrees_with_many_digits(client, case):
    answer = post(client, case["body"], path=case["route"]).json()
    for name, expected in zip(case["quantity"], case["oracle"], strict=True):
        field, index, part = name.split(".")
        got = answer[field][int(index)][part]
        assert abs(got - expected) <= case["tolerance"] * abs(expected)
