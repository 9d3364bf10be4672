"""Refusals of the routes beside trajectories: status, code, path, what was got, what is allowed, what to do."""

import json

import numpy as np
import pytest
from support.archives import message as archive
from support.documents import EYE, message, put
from support.holding import suspended
from support.processes import eventually
from support.routes import ROUTES, answer, balanced, given
from support.service import NPZ, post, problem, said

pytestmark = pytest.mark.live

JSON = "application/json"
NAN, HUGE = float("nan"), 1e71


@pytest.mark.parametrize("name", ROUTES)
def test_malformed_bodies(service, small, name):
    path = ROUTES[name]

    def sent(content, media_type=JSON, client=service):
        return client.post(path, content=content, headers={"Content-Type": media_type})

    problem(sent(b"{"), 400, "malformed-body")
    problem(sent(b"{}", NPZ), 400, "malformed-body")
    problem(sent(b"{}", "text/plain"), 415, "unsupported-media-type")
    problem(sent(json.dumps(message(name)).ljust(4001), client=small), 413, "body-too-large")
    assert problem(sent(b"[]"), 422, "invalid-request")["errors"][0]["path"] == ""


@pytest.mark.parametrize(
    ("name", "place", "value", "path", "texts"),
    [
        *((name, "more", 1, "more", ["unknown"]) for name in ROUTES),
        ("initialization", "network.scale", True, "network.scale", ["got true", "number"]),
        ("initialization", "network.lambda", NAN, "network.lambda", ["got nan", "finite"]),
        ("initialization", "network", given(EYE, [[1, 2, 3]]), "network.weights", ["takes 3", "has 2", "chain"]),
        ("initialization", "task", [[1, 2], [3]], "task", ["rows of different lengths (1 and 2)"]),
        ("initialization", "task", [[1, 2]], "task.sigma_yx", ["got shape (1, 2)", "(2, 2)"]),
        ("initialization", "network.aligned", 1, "network.aligned", ["got 1", "true or false"]),
        ("initialization", "task.sigma_xx", [[1, 1], [0, 1]], "task.sigma_xx", ["not symmetric"]),
        ("balance", "weights", [EYE], "weights", ["got 1 entry", "at least 2"]),
        ("balance", "weights", [EYE, [[1], [2]]], "weights", ["matrix 1 takes 1", "matrix 0 has 2", "chain"]),
        ("balance", "weights.0", [[1, 2], [3]], "weights.0", ["rows of different lengths (1 and 2)"]),
        ("balance", "weights.0.1", [True, 1], "weights.0", ["got boolean among the entries at [1]", "numbers"]),
        ("balance", "weights.1.0.1", NAN, "weights.1", ["got nan at [0, 1]", "finite"]),
        ("balance", "weights.1.0.1", HUGE, "weights.1", ["got 1e+71 at [0, 1]", "up to 1e+70"]),
        ("balance", "weights.1", [[]], "weights.1", ["empty", "(1, 0)"]),
        ("balance", "weights.1", [1, 2], "weights.1", ["got integer at [0]", "list"]),
        ("statistics", "dims", [2, 3], "dims.2", ["got 2 entries", "required"]),
        ("statistics", "dims", [2, 3, 4, 5], "dims", ["got 4 entries", "at most 3"]),
        ("statistics", "dims.1", True, "dims.1", ["got true", "integer"]),
        ("statistics", "dims.1", 10**5 + 1, "dims.1", ["got 100001", "at most 100000"]),
        ("statistics", "scheme", "xavier", "scheme", ["got 'xavier'", "'lecun'", "'normal'"]),
        ("statistics", "gain.1", NAN, "gain.1", ["got nan", "finite"]),
        ("statistics", "gain", HUGE, "gain", ["got 1e+71", "at most 1e+70"]),
        ("statistics", "gain", [1, 1, 1], "gain", ["got 3 entries", "at most 2"]),
        ("statistics", "samples", 1, "samples", ["got 1", "at least 2"]),
        ("statistics", "seed", -1, "seed", ["got -1", "at least 0"]),
        ("limits", "tolerance", 0, "tolerance", ["got 0", "at least 1e-70"]),
        ("limits", "time_constant", False, "time_constant", ["got false", "number"]),
        ("limits", "task.sigma_yx.0.0", HUGE, "task.sigma_yx", ["got 1e+71 at [0, 0]", "up to 1e+70"]),
        ("limits", "task", {"kind": "semantic", "levels": 2}, "task.levels", ["got 2", "4 items", "width is 2"]),
        ("continual", "tasks", [], "tasks", ["got 0 entries", "at least 1"]),
        ("continual", "tasks.1", EYE, "tasks.1", ["expected an object"]),
        ("continual", "tasks.1.more", 1, "tasks.1.more", ["unknown"]),
        ("continual", "tasks.1.task", [[1, NAN], [0, 1]], "tasks.1.task", ["got nan at [0, 1]", "finite"]),
        ("continual", "tasks.1.task", [[1, 2]], "tasks.1.task.sigma_yx", ["got shape (1, 2)", "(2, 2)"]),
        ("continual", "tasks.1.task.inputs.0", [1], "tasks.1.task.inputs", ["different lengths (1 and 2)"]),
        ("continual", "tasks.0.task.sigma_yy_trace", 1.0, "tasks.0.task.sigma_yy_trace", ["got 1", "at least 10.25"]),
        ("continual", "tasks.0.duration", True, "tasks.0.duration", ["got true", "number or 'converged'"]),
        ("continual", "tasks.0.duration", NAN, "tasks.0.duration", ["got nan", "finite"]),
        ("continual", "tasks.0.duration", "forever", "tasks.0.duration", ["got 'forever'", "'converged'"]),
        ("continual", "tasks.0.duration", -1, "tasks.0.duration", ["got -1", "at least 0"]),
        ("continual", "num", 1, "num", ["got 1", "at least 2"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_invalid_fields(service, name, place, value, path, texts):
    content = json.dumps(put(message(name), place, value))  # NaN as Python writes it
    response = service.post(ROUTES[name], content=content, headers={"Content-Type": JSON})
    body = problem(response, 422, "invalid-request")
    assert {error["path"] for error in body["errors"]} == {path}
    assert body["detail"] == f"{path} is invalid"
    for text in texts:
        assert text in said(body)


@pytest.mark.parametrize(
    ("name", "array", "value", "path", "text"),
    [
        ("balance", "weights__2", [[NAN, 0.0]], "weights.2", "got nan at [0, 0]"),
        ("balance", "weights__2", [["1", "2"]], "weights.2", "got an array of <U1"),
        ("balance", "weights__3", EYE, "weights.3", "skips an index"),
        ("continual", "tasks__1__task__targets", EYE, "tasks.1.task.targets", "got 2 rows, the inputs have 3"),
        ("continual", "tasks__2__task", EYE, "tasks.2.task", "no such part"),
    ],
)
def test_invalid_arrays(service, name, array, value, path, text):
    content = archive(message(name), **{array: np.array(value)})
    body = problem(service.post(ROUTES[name], content=content, headers={"Content-Type": NPZ}), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
    assert text in body["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("dims", "lam", "inequality"),
    [
        ((3, 4, 2), 1.5, "lambda > 0 needs hidden <= out, got lambda = 1.5, hidden = 4, out = 2"),
        ((3, 4, 5), -1.5, "lambda < 0 needs hidden <= in, got lambda = -1.5, hidden = 4, in = 3"),
    ],
)
@pytest.mark.parametrize("name", ["initialization", "limits", "continual"])
def test_infeasible_balance(service, name, dims, lam, inequality):
    task = np.ones((dims[2], dims[0])).tolist()
    tasks = {"tasks": [{"task": task}]} if name == "continual" else {"task": task}
    response = post(service, {"network": balanced(dims, lam), **tasks}, path=ROUTES[name])
    body = problem(response, 422, "infeasible-balance")
    assert body["detail"] == inequality
    assert body["errors"] == [{"path": "network.lambda", "detail": "no balanced weights exist for these widths"}]


def test_aligned_weights_need_a_task(service):
    whole = {"network": balanced((2, 2, 2), 1.0, aligned=True)}
    body = problem(post(service, whole, path=ROUTES["initialization"]), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == ["task"]
    assert "singular vectors from the task" in body["errors"][0]["detail"]


COLOURED = {"kind": "correlation", "sigma_yx": EYE, "sigma_xx": [[1.0, 0.0], [0.0, 3.0]]}
ONE_DIRECTION = {"kind": "data", "inputs": [[1.0, 0.0]], "targets": [[1.0, 0.0]], "whiten": True}


@pytest.mark.parametrize("name", ["limits", "continual"])
@pytest.mark.parametrize(
    ("changes", "code", "texts"),
    [
        ({"network": given(EYE, [[1, 1], [0, 2]])}, "not-balanced", ["away from balanced", "nearest lambda is 2"]),
        ({"network": given([[1, 1], [0, 1]], EYE, EYE)}, "not-applicable", ["two weight layers, got 3"]),
        ({"task": COLOURED}, "not-applicable", ["sigma_xx is 0.447 away from a multiple of the identity"]),
    ],
    ids=["unbalanced", "deep", "coloured"],
)
def test_problems_without_a_closed_form(service, name, changes, code, texts):
    whole = {"network": balanced((2, 2, 2), 1.0), "task": EYE} | changes
    if name == "continual":
        whole["tasks"] = [{"task": whole.pop("task")}]
    detail = problem(post(service, whole, path=ROUTES[name]), 422, code)["detail"]
    for text in (*texts, "whiten the inputs and start from a balanced network of two layers"):
        assert text in detail


@pytest.mark.parametrize(
    ("task", "lam", "path", "text"),
    [
        ({"task": COLOURED}, 1.0, "tasks.1.task", "sigma_xx is 0.447 away from a multiple of the identity"),
        ({"task": ONE_DIRECTION}, 0.0, "tasks.1.task", "the inputs span 1 of 2 dimensions"),
        ({"task": [[0.0, 0.0], [0.0, 0.0]]}, 0.0, "tasks.1.duration", "does not settle"),
    ],
    ids=["coloured", "span", "unsettled"],
)
def test_the_task_without_a_closed_form_is_named(service, task, lam, path, text):
    whole = {"network": balanced((2, 2, 2), lam), "tasks": [{"task": EYE}, task, {"task": EYE}]}
    body = problem(post(service, whole, path=ROUTES["continual"]), 422, "not-applicable")
    assert text in body["detail"]
    assert [error["path"] for error in body["errors"]] == [path]


LARGE = {
    "initialization": ({"network": balanced([3000] * 3, 1.0)}, "bytes of answer", "3.6e+08", "smaller widths"),
    "statistics": (
        {"dims": [100] * 3, "scheme": "he", "samples": 10**7, "seed": 1},
        "floating-point operations",
        "limit is 2e+12",
        "fewer samples",
    ),
    "limits": (
        {"network": balanced([3000] * 3, 1.0), "task": {"kind": "spectrum", "singular_values": [1.0], "seed": 1}},
        "bytes of answer",
        "limit is 2.68e+08",
        "smaller widths",
    ),
    "continual": (
        {"network": balanced((1, 1, 1), 1.0), "tasks": [{"task": [[1.0]]}] * 64, "num": 10**5},
        "bytes of answer",
        "limit is 2.68e+08",
        "fewer times",
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_too_large(service, name):
    whole, *texts = LARGE[name]
    body = problem(post(service, whole, path=ROUTES[name]), 422, "too-large")
    for text in texts:
        assert text in body["detail"]


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("statistics", {"dims": [50] * 3, "scheme": "he", "samples": 10**5, "seed": 1}),
        (
            "continual",
            {
                "network": balanced([40] * 3, 0.5),
                "tasks": [{"task": {"kind": "regression", "samples": 50, "seed": i}} for i in range(30)],
                "num": 40,
            },
        ),
    ],
)
def test_a_deadline_ends_long_work(hurried, name, whole):
    """The workers are suspended, so that the deadline passes on any machine; afterwards requests are answered."""
    eventually(lambda: hurried.readiness()["ready"])
    with hurried.client() as client:
        with suspended(hurried.workers()):
            late = post(client, whole, path=ROUTES[name])
        assert "after 0.5 s" in problem(late, 504, "deadline")["detail"]
        eventually(lambda: post(client, message(name), path=ROUTES[name]).is_success)
        assert answer(client, ROUTES[name], message(name))["seed"] == 7
