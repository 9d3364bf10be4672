"""The content address: equal for equal requests, different for different ones, the same in every version."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from support.documents import METHODS, NETWORKS, TASKS, document, message, paths, put

from lindyn.wire.array import Matrix
from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.digest import digest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.trajectory import TrajectoryRequest

RANDOM = {"kind": "random", "dims": [2, 3, 2], "scheme": "lecun"}


def key(whole, solver="solver/1"):
    return digest(read(TrajectoryRequest, whole), solver)


GOLDEN = {
    ("weights", "correlation", "list", "auto"): "da252d0bdf30c7368506dbf37435a42e1630e856e0b9cdc48b5edb31df07732f",
    ("balanced", "data", "grid", "auto"): "48253e0242a67c2185423d47f5dd9286849d3890e911bb8b252cb6e1dee35609",
    ("random", "semantic", "list", "descent"): "f90a6437a5aa7e837cc8ba8f05141583d04842e2222525bb03330a036595fc1f",
    ("balanced", "regression", "list", "flow"): "35fb45fb11fb02fb6ad419b9d020583f7f94f90e718411f0341619956f962d59",
}
GOLDEN_MESSAGES = {
    "initialization": (InitializationRequest, "48ef0aa44e9bc319afca439be213ade2a1ffd6de92b4cdfcc3b391458b921bd5"),
    "balance": (BalanceRequest, "cf44ab20415b985750f27a418210ffce4e368eaa5af6c1e7745e5b7b4c87d4b7"),
    "statistics": (StatisticsRequest, "bc807a623d9253cbc89504c309dc665a9fde26701b5e176501a2d895301a4013"),
    "limits": (LimitsRequest, "3e2a1fd2626bebf59aba63a256b6630a87a9ff0dc10859b674837fdcde366e46"),
    "continual": (ContinualRequest, "dfbe95ce84eb490bed694f7a6a70cb1b8f653b2ca42269d69608c4102effb4bd"),
    "ensemble": (EnsembleRequest, "ff78aae211eeeef043804c9463b4c27c56735b747d0874ed7bed1653f450f32a"),
}


@pytest.mark.parametrize("kinds", GOLDEN)
def test_golden_values(kinds):
    """Stored answers have these keys; a change here invalidates all caches."""
    *parts, method = kinds
    assert key(document(*parts, method=METHODS[method])) == GOLDEN[kinds]


@pytest.mark.parametrize("name", GOLDEN_MESSAGES)
def test_golden_values_of_other_messages(name):
    model, expected = GOLDEN_MESSAGES[name]
    assert digest(read(model, message(name)), "solver/1") == expected


def test_keys_depend_on_the_solver():
    assert key(document(), "solver/1") != key(document(), "solver/2")


@pytest.mark.parametrize(
    ("path", "one", "same"),
    [
        ("network.lambda", 1, 1.0),
        ("network.lambda", 0.0, -0.0),
        ("network.scale", 2, 2.0),
        ("time_constant", 3, 3.0),
        ("times", [0, 1, 2], [0.0, 1.0, 2.0]),
        ("times", [0.0, 1.0], [-0.0, 1.0]),
        ("times", [0, 1, 2], np.array([0, 1, 2], dtype=np.float32)),
        ("task", [[1, 0], [0, 1]], np.eye(2)),
        ("task", [[1, 0], [0, 1]], {"kind": "correlation", "sigma_yx": [[1.0, 0.0], [-0.0, 1.0]], "sigma_xx": None}),
        ("task", np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]], order="F")),
        ("task", {"kind": "semantic"}, {"kind": "semantic", "levels": 3}),
        ("times", {"stop": 2}, {"start": 0, "stop": 2.0, "num": 200, "spacing": "linear"}),
        ("quantities", ["loss", "output"], ["output", "loss"]),
        ("quantities", ["loss", "output"], ["output", "loss", "loss"]),
        ("method", "exact", {"kind": "exact"}),
        ("method", "auto", {"kind": "auto"}),
        ("method", "flow", {"kind": "flow", "rtol": 1e-13, "atol": None}),
        ("method", {"kind": "flow", "atol": 1}, {"kind": "flow", "atol": 1.0}),
        (
            "method",
            {"kind": "descent", "learning_rate": 1},
            {"kind": "descent", "learning_rate": 1.0, "activation": "linear"},
        ),
        ("network", RANDOM, RANDOM | {"gain": 1, "seed": None}),
        ("network", RANDOM | {"gain": 2}, RANDOM | {"gain": [2.0]}),
        ("network", RANDOM | {"gain": [1, 2]}, RANDOM | {"gain": np.array([1.0, 2.0])}),
    ],
    ids=str,
)
def test_equal_requests_have_equal_keys(path, one, same):
    assert key(put(document(), path, one)) == key(put(document(), path, same))


def test_keys_do_not_depend_on_the_order_of_fields():
    def reversed_fields(node):
        return {name: reversed_fields(node[name]) for name in reversed(node)} if isinstance(node, dict) else node

    for task in TASKS:
        for network in NETWORKS:
            whole = document(network, task, "grid", method=METHODS["flow"])
            assert key(reversed_fields(whole)) == key(whole)


def test_omitted_fields_and_defaults_have_the_same_key():
    short = {"network": NETWORKS["balanced"], "task": [[1.0, 0.0], [0.0, 1.0]], "times": [0.0]}
    full = {**short, "time_constant": 1.0, "quantities": ["loss", "output"], "method": "auto"}
    assert key(short) == key(full)


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("method", "auto", "exact"),
        ("method", "flow", {"kind": "flow", "rtol": 1e-11}),
        ("method", "flow", {"kind": "flow", "atol": 1e-12}),
        ("method", METHODS["descent"], METHODS["descent"] | {"learning_rate": 0.02}),
        ("method", METHODS["descent"], METHODS["descent"] | {"activation": "relu"}),
        ("network", RANDOM | {"gain": [1, 2]}, RANDOM | {"gain": [2, 1]}),
        ("network", RANDOM | {"gain": 0}, RANDOM | {"gain": 1}),
        ("network", RANDOM, RANDOM | {"scheme": "scaled"}),
        ("network", RANDOM, RANDOM | {"dims": [2, 2, 3, 2]}),
        ("quantities", ["loss"], ["loss", "output"]),
        ("quantities", ["loss"], ["excess_loss"]),
        ("network.aligned", True, False),
        ("network.seed", None, 0),
        ("network.seed", 0, 1),
        ("network.seed", 2**53 - 1, 2**53 - 2),
        ("network.dims", [2, 3, 2], [2, 2, 3]),
        ("task.sigma_xx", None, [[1.0, 0.0], [0.0, 1.0]]),
        ("task.sigma_yy_trace", None, 0.0),
        ("task.sigma_yx", [[1.0, 2.0], [3.0, 4.0]], [[1.0, 3.0], [2.0, 4.0]]),
        ("task.sigma_yx", [[1.0, 2.0]], [[1.0], [2.0]]),
        ("task.sigma_yx", [[1.0, 2.0, 3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]),
        ("times", [0.0, 1.0], [0.0, 1.0, 1.0]),
        ("times", [0.0, 1.0], {"start": 0.0, "stop": 1.0, "num": 2}),
        ("times", {"stop": 2.0}, {"stop": 2.0, "num": 201}),
        ("times", {"start": 1, "stop": 2}, {"start": 1, "stop": 2, "spacing": "log"}),
    ],
    ids=str,
)
def test_different_requests_have_different_keys(path, one, other):
    assert key(put(document(), path, one)) != key(put(document(), path, other))


def test_keys_depend_on_the_division_into_layers():
    one = [[[1.0]], [[2.0], [3.0]]]
    other = [[[1.0], [2.0]], [[3.0, 4.0]]]
    keys = {key(put(document("weights"), "network.weights", weights)) for weights in (one, other)}
    assert len(keys) == 2


def at(node, path):
    for part in path.split("."):
        node = node[int(part) if isinstance(node, list) else part]
    return node


def numbers_of(whole):
    return [(whole, path) for path in paths(whole) if type(at(whole, path)) in (int, float)]


NUMBERS = [
    place
    for task in TASKS
    for network, times, method in (
        ("weights", "grid", "flow"),
        ("balanced", "list", "descent"),
        ("random", "list", "auto"),
    )
    for place in numbers_of(document(network, task, times, method=METHODS[method]))
]


@settings(deadline=None, max_examples=300)
@given(place=st.sampled_from(NUMBERS), data=st.data())
def test_any_changed_number_changes_the_key(place, data):
    whole, path = place
    before = at(whole, path)
    others = st.integers(0, 20) if isinstance(before, int) else st.floats(0, 2) | st.floats(-1e70, 1e70)
    changed = put(whole, path, data.draw(others.filter(lambda number: number != before)))
    try:
        assert key(changed) != key(whole)
    except InvalidDocumentError:
        reject()


class Holder(BaseModel):
    value: object


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, -0.0, 1.0, 2.0]),
    st.text("abn1", max_size=2),
    st.tuples(st.sampled_from([(0,), (1,), (2,), (1, 1), (1, 2), (2, 1)]), st.sampled_from([0.0, 1.0])).map(
        lambda given: np.full(*given)
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=6,
)


def canonical(value):
    """The tree as a text that names the type of each value."""
    if isinstance(value, np.ndarray):
        return ["array", list(value.shape), [float(number + 0.0) for number in value.ravel()]]
    if isinstance(value, list):
        return ["list", [canonical(item) for item in value]]
    if isinstance(value, dict):
        return ["object", {name: canonical(item) for name, item in value.items()}]
    if isinstance(value, float):
        return ["float", abs(value) if value == 0 else value]
    return [type(value).__name__, value]


@settings(deadline=None, max_examples=300)
@given(values=st.lists(trees, min_size=2, max_size=12))
def test_no_two_trees_share_a_key(values):
    keys = {digest(Holder(value=value), "") for value in values}
    assert len(keys) == len({json.dumps(canonical(value), sort_keys=True) for value in values})


def test_a_tuple_counts_as_a_list():
    assert digest(Holder(value=(1, 2)), "") == digest(Holder(value=[1, 2]), "")


def test_other_values_have_no_key():
    with pytest.raises(TypeError, match="set"):
        digest(Holder(value={1}), "")


class Matrices(BaseModel):
    matrices: list[Matrix]


@given(sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4))
def test_keys_depend_on_shapes(sizes):
    """All numbers are 1, so that only the shapes differ."""
    one = Matrices(matrices=[np.ones(size) for size in sizes])
    flat = Matrices(matrices=[np.ones((1, sum(math.prod(size) for size in sizes)))])
    same = one.matrices[0].shape == flat.matrices[0].shape
    assert (digest(one, "") == digest(flat, "")) == (same and len(sizes) == 1)
