"""Ensembles over HTTP: equal to the trajectories of the same seeds, in both formats, within limits and deadlines."""

import io
import json

import httpx
import numpy as np
import pytest
from support.documents import EYE, document, message, put
from support.holding import suspended
from support.processes import eventually
from support.routes import ENSEMBLES
from support.service import NPZ, TRAJECTORIES, ask, post, problem, read_tree

from lindyn.wire.tree import flatten

pytestmark = pytest.mark.live

BALANCED = {"kind": "balanced", "dims": [4, 3, 5], "lambda": 0.7, "scale": 0.4}
TASK = {"kind": "spectrum", "singular_values": [3.0, 2.0, 1.0], "seed": 5}
RANDOM = {"kind": "random", "dims": [4, 9, 5], "scheme": "he"}
BASE = {"network": BALANCED, "task": TASK, "times": {"stop": 8, "num": 9}}


def whole(quantities=("loss", "singular_values", "task_specificity"), replicates=12, **changes):
    return {"base": {**BASE, "quantities": list(quantities)}, "replicates": replicates, "first_seed": 3, **changes}


def values(answer, path):
    for name in path.split("."):
        answer = answer[name]
    return np.array(answer, dtype=float)


@pytest.mark.parametrize("network", [BALANCED, {"kind": "random", "dims": [4, 3, 5], "scheme": "he"}], ids=str)
@pytest.mark.parametrize("vary", [["network.seed"], ["task.seed"], ["network.seed", "task.seed"]], ids=str)
def test_statistics_are_those_of_the_trajectories(service, network, vary):
    asked = put(whole(replicates=6, vary=vary), "base.network", {**network, "seed": 8})
    found = read_tree(post(service, asked, path=ENSEMBLES))
    runs = []
    for seed in range(3, 9):
        own = asked["base"]
        for path in vary:
            own = put(own, path, seed)
        runs.append(flatten(ask(service, own)["quantities"]))
    assert found["seeds"] == list(range(3, 9))
    assert found["seed"] == (None if "network.seed" in vary else 8)
    assert found["task_seed"] == (None if "task.seed" in vary else 5)
    for path in runs[0]:
        arrays = np.array([run[path] for run in runs])
        tolerance = 1e-13 * max(1.0, np.max(np.abs(arrays)))
        statistics = found["quantities"]
        for name, expected in {
            "mean": np.mean(arrays, axis=0),
            "std": np.std(arrays, axis=0, ddof=1),
            "quantiles": np.quantile(arrays, [0.1, 0.5, 0.9], axis=0),
            "standard_error": np.std(arrays, axis=0, ddof=1) / np.sqrt(6),
        }.items():
            np.testing.assert_allclose(values(statistics, f"{path}.{name}"), expected, rtol=0, atol=tolerance)


def test_arrays_of_an_archive_are_named_by_their_paths(service):
    response = post(service, whole(), path=ENSEMBLES, accept="npz")
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        assert archive["loss.mean"].shape == (9,)
        assert archive["singular_values.quantiles"].shape == (3, 9, 4)
        assert archive["task_specificity.input.standard_error"].shape == (9,)
        assert json.loads(str(archive["metadata"]))["seeds"] == list(range(3, 15))


def test_weights_are_a_list_over_layers(service):
    asked = whole(["weights"], replicates=2)
    layers = read_tree(post(service, asked, path=ENSEMBLES))["quantities"]["weights"]
    assert [np.shape(layer["mean"]) for layer in layers] == [(9, 3, 4), (9, 5, 3)]
    assert read_tree(post(service, asked, path=ENSEMBLES, accept="npz"))["quantities"]["weights"] == layers


def test_one_replicate_has_no_deviation(service):
    asked = whole(["loss"], replicates=1)
    loss = read_tree(post(service, asked, path=ENSEMBLES))["quantities"]["loss"]
    assert loss["std"] == loss["standard_error"] == [None] * 9
    own = put(put(asked["base"], "network.seed", 3), "quantities", ["loss"])
    np.testing.assert_allclose(loss["mean"], ask(service, own)["quantities"]["loss"], rtol=1e-13)


def test_omitted_seeds_that_are_not_varied_are_drawn_and_returned(service):
    asked = whole(["loss"], replicates=2)
    asked["base"]["task"] = {"kind": "spectrum", "singular_values": [3.0]}
    one, two = (read_tree(post(service, asked, path=ENSEMBLES)) for _ in range(2))
    assert one["key"] != two["key"]
    again = post(service, put(asked, "base.task.seed", one["task_seed"]), path=ENSEMBLES)
    assert again.headers["x-cache"] == "hit"
    assert read_tree(again) == one


def test_omitting_replaced_seeds_gives_the_same_ensemble(service):
    one = post(service, whole(), path=ENSEMBLES)
    two = post(service, put(whole(), "base.network.seed", 99), path=ENSEMBLES)
    assert (two.headers["x-cache"], two.content) == ("hit", one.content)


def test_replicates_that_fail_are_named(service):
    asked = whole(["loss"], replicates=12, first_seed=0)
    asked["base"] |= {
        "network": {"kind": "random", "dims": [3, 4, 2], "scheme": "lecun", "gain": 1.6},
        "task": [[1.2, -0.4, 0.3], [0.5, 0.8, -0.9]],
        "times": {"stop": 400, "num": 3},
        "method": {"kind": "descent", "learning_rate": 0.2},
    }
    found = read_tree(post(service, asked, path=ENSEMBLES))
    for each in found["problems"]:
        refused = post(service, put(asked["base"], "network.seed", each["seed"]))
        assert problem(refused, 422, each["code"])["detail"] == each["detail"]
    assert 0 < len(found["problems"]) < 12
    assert found["methods"] == {"descent": 12 - len(found["problems"])}
    all_of_them = put(asked, "base.network.gain", 30.0)
    problem(post(service, all_of_them, path=ENSEMBLES), 422, "diverged")


def test_refusals_of_the_base_request(service):
    asked = put(whole(), "base.network.dims", [4, 6, 5])
    body = problem(post(service, asked, path=ENSEMBLES), 422, "infeasible-balance")
    assert [error["path"] for error in body["errors"]] == ["base.network.lambda"]
    asked = put(whole(), "base.network.dims", [4, 0, 5])
    body = problem(post(service, asked, path=ENSEMBLES), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == ["base.network.dims.1"]


@pytest.mark.parametrize(
    ("asked", "unit"),
    [
        (put(whole(replicates=100_000), "base.times.num", 10_000), "bytes of working memory"),
        (put(whole(["output"], replicates=2), "base.times.num", 1_000_000), "bytes of answer"),
        (put(whole(["loss"], replicates=100_000), "base.network", RANDOM), "floating-point operations"),
    ],
    ids=["memory", "answer", "time"],
)
def test_refusals_of_large_ensembles_recommend_a_sweep(service, asked, unit):
    body = problem(post(service, asked, path=ENSEMBLES), 422, "too-large")
    assert unit in body["detail"]
    assert "sweep over the seeds (POST /v1/sweeps)" in body["detail"]


LONG = whole(["loss"], replicates=300)
LONG["base"]["network"] = RANDOM


def test_a_deadline_ends_an_ensemble(hurried):
    eventually(lambda: hurried.readiness()["ready"])
    with hurried.client() as client:
        with suspended(hurried.workers()):
            late = post(client, LONG, path=ENSEMBLES)
        assert "after 0.5 s" in problem(late, 504, "deadline")["detail"]
        eventually(lambda: post(client, message("ensemble"), path=ENSEMBLES).is_success)


def test_a_client_that_disconnects_frees_the_worker(hurried):
    """The worker is interrupted, not killed."""
    eventually(lambda: hurried.readiness()["ready"])
    with hurried.client() as client:
        workers = hurried.workers()
        with pytest.raises(httpx.ReadTimeout):
            client.post(ENSEMBLES, json=put(LONG, "first_seed", 10**6), timeout=0.2)
        eventually(lambda: client.post(TRAJECTORIES, json=document()).is_success)
        assert hurried.workers() == workers


def test_a_request_as_an_archive(service):
    asked = put(message("ensemble"), "base.task", EYE)
    as_lists = read_tree(post(service, asked, path=ENSEMBLES))
    assert read_tree(post(service, asked, path=ENSEMBLES, body="npz", accept="npz")) == as_lists
    assert post(service, asked, path=ENSEMBLES, body="npz", accept="npz").headers["content-type"] == NPZ
