"""The routes beside trajectories: fields, keys, headers, formats and seeds."""

import io
import re

import numpy as np
import pytest
from support.documents import EYE, message, put
from support.routes import CONTINUAL, ENSEMBLES, INITIALIZATIONS, LIMITS, ROUTES, STATISTICS, balanced
from support.service import NPZ, post, read_tree, tag

pytestmark = pytest.mark.live

FORMATS = {"json": "application/json", "npz": NPZ}
fresh = iter(range(10**6))


def unasked(name):
    """A request that no other test sends."""
    path = {
        "balance": "weights.0.0.0",
        "statistics": "seed",
        "ensemble": "first_seed",
        "design": "tolerance",
    }.get(name, "network.seed")
    return put(message(name), path, 10**6 + next(fresh))


FIELDS = {
    "initialization": "weights lambda balance_residual dims seed task_seed",
    "balance": "lambda residual relative_residual balanced feasible lambda_eff isotropy tolerance",
    "statistics": "predicted sampled table dims scheme gain lambda_eff samples seed",
    "limits": (
        "lambda dims seed task_seed time_constant tolerance converged convergence_time effective_learning_rate "
        "largest_learning_rate lambda_to_infinity shallow warnings"
    ),
    "continual": (
        "lambda dims seed task_seeds time_constant times loss rate forgetting final_loss segments best_stopping "
        "warnings"
    ),
    "design": "path bounds scalar target solutions range curve evaluations seed task_seed warnings",
    "ensemble": (
        "methods dims replicates seeds seed task_seed time_constant times quantities quantiles saddles problems "
        "warnings wide"
    ),
}


@pytest.mark.parametrize("name", ROUTES)
def test_answers_have_the_documented_fields(service, name):
    assert set(read_tree(post(service, message(name), path=ROUTES[name]))) == {"key", "version", *FIELDS[name].split()}


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("name", ROUTES)
def test_a_miss_then_hits_of_the_same_bytes(service, small, name, accept):
    whole, path = unasked(name), ROUTES[name]
    responses = [post(service, whole, path=path, body=body, accept=accept) for body in ("json", "npz", "json")]
    elsewhere = post(small, whole, path=path, accept=accept)
    assert [response.headers["x-cache"] for response in (*responses, elsewhere)] == ["miss", "hit", "hit", "miss"]
    assert {response.content for response in responses} == {elsewhere.content}
    key = read_tree(elsewhere)["key"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    for response in (*responses, elsewhere):
        assert response.headers["etag"] == tag(key, accept)
        assert response.headers["vary"] == "Accept"
        assert response.headers["content-type"] == FORMATS[accept]
        assert re.fullmatch(r"answer;dur=\d+\.\d\d", response.headers["server-timing"])
        assert response.headers["x-request-id"]


@pytest.mark.parametrize("name", ROUTES)
def test_both_formats_have_the_same_content(service, name):
    one, two = (post(service, message(name), path=ROUTES[name], accept=accept) for accept in FORMATS)
    assert read_tree(one) == read_tree(two)
    with np.load(io.BytesIO(two.content), allow_pickle=False) as archive:
        kinds = {archive[path].dtype for path in archive.files if path != "metadata"}
    assert kinds == (set() if name == "balance" else {np.dtype(np.float64)})


@pytest.mark.parametrize("name", ROUTES)
def test_answers_that_the_client_has_are_not_sent_again(service, name):
    whole, path = unasked(name), ROUTES[name]
    for body in FORMATS:
        known = post(service, whole, path=path, accept=body).headers["etag"]
        response = post(service, whole, path=path, body=body, accept=body, **{"If-None-Match": f'"other", W/{known}'})
        assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", known)
    assert post(service, whole, path=path, **{"If-None-Match": known}).status_code == 200  # that of npz
    known = post(service, whole, path=path).headers["etag"]
    assert post(service, whole, path=path, **{"If-None-Match": '"other"'}).status_code == 200
    assert post(service, unasked(name), path=path, **{"If-None-Match": known}).status_code == 200


def test_the_same_body_has_different_keys_on_different_routes(service):
    whole = {"network": balanced((2, 2, 2), 1.0), "task": EYE}
    one, two = (post(service, whole, path=path) for path in (INITIALIZATIONS, LIMITS))
    assert one.headers["etag"] != two.headers["etag"]
    assert post(service, whole, path=LIMITS, **{"If-None-Match": one.headers["etag"]}).status_code == 200


@pytest.mark.parametrize(
    ("path", "whole", "defaults"),
    [
        (
            INITIALIZATIONS,
            {"network": {"kind": "random", "dims": [2, 3, 2], "scheme": "he", "seed": 1}},
            {"task": None},
        ),
        (STATISTICS, {"dims": [2, 3, 2], "scheme": "he", "seed": 1}, {"gain": 1, "samples": 1000}),
        (LIMITS, {"network": balanced((2, 2, 2), 1), "task": EYE}, {"time_constant": 1, "tolerance": 0.001}),
        (
            CONTINUAL,
            {"network": balanced((2, 2, 2), 1), "tasks": [{"task": EYE}]},
            {"tasks": [{"duration": "converged", "task": [[1, 0], [0, 1]]}], "num": 200, "time_constant": 1},
        ),
        (
            ENSEMBLES,
            {"base": {"network": balanced((2, 2, 2), 1), "task": EYE, "times": [1.0]}, "replicates": 2},
            {"first_seed": 0, "vary": ["network.seed"], "quantiles": [0.1, 0.5, 0.9]},
        ),
    ],
)
def test_equivalent_requests_share_an_answer(service, path, whole, defaults):
    one, two = post(service, whole, path=path), post(service, {**defaults, **whole, **defaults}, path=path)
    assert (two.headers["x-cache"], two.content) == ("hit", one.content)


SEEDS = {
    "initialization": {"network.seed": "seed", "task.seed": "task_seed"},
    "statistics": {"seed": "seed"},
    "limits": {"network.seed": "seed", "task.seed": "task_seed"},
    "continual": {"network.seed": "seed", "tasks.0.task.seed": "task_seeds.0", "tasks.1.task.seed": "task_seeds.1"},
}
REGRESSION = {"kind": "regression", "samples": 9}
UNSEEDED = {
    "initialization": {
        "network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0, "aligned": True},
        "task": {"kind": "spectrum", "singular_values": [2.0, 1.0]},
    },
    "statistics": {"dims": [2, 3, 2], "scheme": "he", "samples": 10},
    "limits": {"network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0}, "task": REGRESSION},
    "continual": {
        "network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0},
        "tasks": [{"task": {**REGRESSION}}, {"task": {**REGRESSION}}],
        "num": 2,
    },
}


def at(tree, path):
    for part in path.split("."):
        tree = tree[int(part) if isinstance(tree, list) else part]
    return tree


@pytest.mark.parametrize("name", UNSEEDED)
def test_omitted_seeds_are_drawn_and_returned(service, name):
    responses = [post(service, UNSEEDED[name], path=ROUTES[name]) for _ in range(2)]
    one, two = (read_tree(response) for response in responses)
    assert one["key"] != two["key"]
    whole, seeds = UNSEEDED[name], []
    for path, returned in SEEDS[name].items():
        seed = at(one, returned)
        assert isinstance(seed, int)
        assert 0 <= seed < 2**53
        assert seed != at(two, returned)
        whole = put(whole, path, seed)
        seeds.append(seed)
    assert len(set(seeds)) == len(seeds)
    again = post(service, whole, path=ROUTES[name])
    assert (again.headers["x-cache"], again.content) == ("hit", responses[0].content)
