"""Losses on other data over HTTP: in both formats, from the caches too, with seeds that are drawn."""

import numpy as np
import pytest
from support.documents import document
from support.service import TRAJECTORIES, ask, post, problem

pytestmark = pytest.mark.live

OTHER = {"kind": "data", "inputs": [[1.0, 1.0], [2.0, 0.5]], "targets": [[1.0, 0.5], [0.5, 1.0]], "whiten": False}


def whole(**changes):
    return document(task="data", evaluate=[OTHER, {"kind": "spectrum", "singular_values": [2.0], "seed": 3}], **changes)


def losses(answer, accept):
    """Of a decoded answer: the archive has the losses as an array by its path."""
    return np.array((answer["quantities"] if accept == "npz" else answer)["evaluation"]["loss"])


@pytest.mark.parametrize("body", ["json", "npz"])
def test_both_formats_have_the_same(service, body):
    """The second format is converted from the first, which is in the cache."""
    read = {accept: ask(service, whole(time_constant=1.25), body=body, accept=accept) for accept in ("json", "npz")}
    first, second = (losses(read[accept], accept) for accept in ("json", "npz"))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (2, 3)
    best, other = (read[accept]["evaluation"]["best"] for accept in ("json", "npz"))
    assert best == other
    assert len(best) == 2
    assert read["npz"]["evaluation"]["seeds"] == read["json"]["evaluation"]["seeds"] == [None, 3]
    key = read["json"]["key"]
    stored = {accept: service.get(f"{TRAJECTORIES}/{key}", headers={"Accept": accept}) for accept in (
        "application/json", "application/x-npz")}  # fmt: skip
    assert stored["application/json"].json()["evaluation"]["loss"] == first.tolist()


@pytest.mark.parametrize("first", ["json", "npz"])
def test_converted_bytes_are_those_of_an_encoded_answer(service, first):
    """Whichever format is computed, the other has the same bytes."""
    second = "npz" if first == "json" else "json"
    asked = whole(time_constant={"json": 1.3, "npz": 1.4}[first])
    one = post(service, asked, accept=first)
    other = post(service, asked, accept=second)
    assert (one.headers["x-cache"], other.headers["x-cache"]) == ("miss", "hit")
    alone = post(service, {**asked, "time_constant": asked["time_constant"] + 1e-15}, accept=second)
    if second == "json":
        kept, fresh = other.json(), alone.json()
        assert list(kept) == list(fresh)
        assert list(kept["evaluation"]) == list(fresh["evaluation"])


def test_drawn_seeds_are_returned(service):
    asked = whole()
    asked["evaluate"][1] = {"kind": "spectrum", "singular_values": [2.0]}
    answers = [ask(service, asked) for _ in range(2)]
    seeds = [answer["evaluation"]["seeds"][1] for answer in answers]
    assert seeds[0] != seeds[1]
    asked["evaluate"][1]["seed"] = seeds[0]
    again = ask(service, asked)
    assert again["key"] == answers[0]["key"]
    assert again["evaluation"] == answers[0]["evaluation"]


def test_a_request_without_has_the_same_key(service):
    plain, null = ask(service, document()), ask(service, document(evaluate=None))
    assert plain["key"] == null["key"]
    assert "evaluation" not in plain


@pytest.mark.parametrize(
    ("task", "path"),
    [
        ({**OTHER, "inputs": [[1.0, float("nan")], [0.0, 1.0]]}, "evaluate.0.inputs"),
        ({**OTHER, "targets": [[1.0, 1.0]]}, "evaluate.0.targets"),
        ({**OTHER, "inputs": [[1.0], [2.0]]}, "evaluate.0.inputs"),
        ({"kind": "correlation", "sigma_yx": [[1, 0], [0, 1]], "sigma_yy_trace": 0.5}, "evaluate.0.sigma_yy_trace"),
        ({"kind": "weather"}, "evaluate.0.kind"),
    ],
)
def test_bad_input(service, task, path):
    body = problem(post(service, document(evaluate=[task])), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
