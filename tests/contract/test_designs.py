"""Designs over HTTP: in both formats, cached, refused with the range, and charged by their size."""

import numpy as np
import pytest
from support.documents import EYE, message, put
from support.routes import DESIGNS, answer
from support.service import ask, post, problem, read_tree

pytestmark = pytest.mark.live


def test_solutions_in_both_formats(service):
    found = answer(service, DESIGNS, message("design"))
    (solution,) = found["solutions"]
    assert solution["reached"] == pytest.approx(5.0, rel=1e-9)
    run = message("design")["base"]
    run = put(run, "network.lambda", solution["value"])
    assert ask(service, run)["quantities"]["loss"][-1] == pytest.approx(5.0, rel=1e-9)
    assert found["range"][0] < 5.0 < found["range"][1]


def test_it_is_cached_by_its_content(service):
    asked = message("design", tolerance=1e-4)
    first, second = (post(service, put(asked, "base.network.lambda", lam), path=DESIGNS) for lam in (0.3, 0.7))
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
    assert first.content == second.content


def test_what_is_not_reached(service):
    body = problem(post(service, put(message("design"), "target.value", 1e5), path=DESIGNS), 422, "unreachable")
    found = read_tree(post(service, message("design"), path=DESIGNS))["range"]
    assert all(f"{end:.10g}" in body["detail"] for end in found)
    assert [error["path"] for error in body["errors"]] == ["target.value"]


def test_seeds_that_are_omitted_are_drawn_and_returned(service):
    """Networks of some seeds do not meet the target."""
    asked = message("design")
    del asked["base"]["network"]["seed"]
    answers = (post(service, asked, path=DESIGNS) for _ in range(50))
    found = read_tree(next(answer for answer in answers if answer.status_code == 200))
    again = post(service, put(asked, "base.network.seed", found["seed"]), path=DESIGNS)
    assert read_tree(again) == found


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("vary.path", "network.temperature", "base.network.temperature"),
        ("vary.path", "weather.rain", "vary.path"),
        ("vary.bounds", [3.0, 1.0], "vary.bounds"),
        ("vary.bounds", [0.0, 1e300], "vary.bounds.1"),
        ("target.scalar", "weights", "target.scalar"),
        ("base.task", EYE[:1], "base.task.sigma_yx"),
    ],
)
def test_bad_input(service, path, value, where):
    body = problem(post(service, put(message("design"), path, value), path=DESIGNS), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [where]


def test_what_is_too_large_points_to_a_sweep(service):
    network = {"kind": "random", "dims": [300, 300, 300, 300], "scheme": "lecun", "seed": 1}
    asked = put(message("design"), "base.network", network)
    asked = put(asked, "base.task", {"kind": "spectrum", "singular_values": np.ones(300).tolist(), "seed": 1})
    asked["vary"] = {"path": "network.gain", "bounds": [0.1, 2.0]}
    body = problem(post(service, put(asked, "base.times", [500.0]), path=DESIGNS), 422, "too-large")
    assert "sweep over the parameter (POST /v1/sweeps)" in body["detail"]
