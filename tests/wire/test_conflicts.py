"""Rules between the network and the task."""

import numpy as np
import pytest

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest

WIDTHS = (4, 3, 2)
NETWORKS = {
    "balanced": {"kind": "balanced", "dims": list(WIDTHS), "lambda": 1.0},
    "weights": {"kind": "weights", "weights": [np.ones((3, 4)), np.ones((2, 3))]},
    "random": {"kind": "random", "dims": [4, 3, 5, 2], "scheme": "he"},
}


def refused(whole):
    assert read(TrajectoryRequest, whole)
    try:
        read(TrajectoryRequest, whole, conflicts)
    except InvalidDocumentError as error:
        return error.errors
    return ()


def found(task, network):
    return refused({"network": network, "task": task, "times": [0.0]})


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    "task",
    [
        np.ones((2, 4)),
        {"kind": "correlation", "sigma_yx": np.ones((2, 4)), "sigma_xx": np.eye(4)},
        {"kind": "data", "inputs": np.ones((5, 4)), "targets": np.ones((5, 2)), "whiten": True},
        {"kind": "regression", "samples": 1},
        {"kind": "spectrum", "singular_values": [1.0, 0.0]},
        {"kind": "spectrum", "singular_values": [1.0]},
    ],
    ids=str,
)
def test_tasks_that_fit(network, task):
    assert found(task, NETWORKS[network]) == ()


def test_a_semantic_task_that_fits():
    assert found({"kind": "semantic", "levels": 2}, {"kind": "balanced", "dims": [4, 9, 4], "lambda": 0.0}) == ()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (np.ones((4, 2)), [("task.sigma_yx", ["got shape (4, 2)", "(2, 4)"])]),
        (
            {"kind": "correlation", "sigma_yx": np.ones((2, 4)), "sigma_xx": np.eye(3)},
            [("task.sigma_xx", ["got shape (3, 3)", "(4, 4)"])],
        ),
        (
            {"kind": "correlation", "sigma_yx": np.ones((2, 3)), "sigma_xx": np.ones((4, 3))},
            [
                ("task.sigma_yx", ["got shape (2, 3)", "(2, 4)"]),
                ("task.sigma_xx", ["got shape (4, 3)", "(4, 4)"]),
            ],
        ),
        (
            {"kind": "data", "inputs": np.ones((5, 3)), "targets": np.ones((5, 2)), "whiten": True},
            [("task.inputs", ["got 3 columns", "input width is 4"])],
        ),
        (
            {"kind": "data", "inputs": np.ones((5, 4)), "targets": np.ones((5, 4)), "whiten": True},
            [("task.targets", ["got 4 columns", "output width is 2"])],
        ),
        (
            {"kind": "data", "inputs": np.ones((5, 4)), "targets": np.ones((6, 2)), "whiten": True},
            [("task.targets", ["got 6 rows", "the inputs have 5", "rows are samples"])],
        ),
        (
            {"kind": "data", "inputs": np.ones((4, 5)), "targets": np.ones((2, 5)), "whiten": True},
            [
                ("task.inputs", ["got 5 columns", "input width is 4"]),
                ("task.targets", ["got 5 columns", "output width is 2"]),
                ("task.targets", ["got 2 rows", "the inputs have 4"]),
            ],
        ),
        (
            {"kind": "semantic", "levels": 2},
            [("task.levels", ["got 2", "4 features", "output width is 2"])],
        ),
        (
            {"kind": "semantic", "levels": 3},
            [
                ("task.levels", ["got 3", "8 items", "input width is 4"]),
                ("task.levels", ["got 3", "8 features", "output width is 2"]),
            ],
        ),
        (
            {"kind": "spectrum", "singular_values": [3.0, 2.0, 1.0]},
            [("task.singular_values", ["got 3 values", "at most min(in, out) = 2"])],
        ),
        (
            {"kind": "spectrum", "singular_values": [3.0, -0.5]},
            [("task.singular_values", ["got -0.5", ">= 0"])],
        ),
        (
            {"kind": "spectrum", "singular_values": [3.0, -0.5, 1.0]},
            [("task.singular_values", ["got 3 values"]), ("task.singular_values", ["got -0.5"])],
        ),
    ],
    ids=lambda value: str(value)[:60].replace("\n", "") if not isinstance(value, list) else value[0][0],
)
def test_tasks_that_do_not_fit(network, task, expected):
    got = found(task, NETWORKS[network])
    assert [path for path, _ in got] == [path for path, _ in expected]
    for (_, text), (_, parts) in zip(got, expected, strict=True):
        for part in parts:
            assert part in text


@pytest.mark.parametrize("layers", [3, 4])
def test_qqt_needs_two_layers(layers):
    whole = {"network": {"kind": "weights", "weights": [np.eye(2)] * layers}, "task": np.eye(2), "times": [0.0]}
    assert read(TrajectoryRequest, whole, conflicts)
    ((path, text),) = refused(whole | {"quantities": ["loss", "qqt"]})
    assert path == "quantities"
    assert text == (
        f"got qqt, which is of two layers, and a network of {layers}; ask for input_representation and "
        "output_representation"
    )
    both = refused(whole | {"quantities": ["qqt"], "task": np.ones((3, 2))})
    assert [path for path, _ in both] == ["quantities", "task.sigma_yx"]


def test_two_layers_have_every_quantity():
    whole = {"network": NETWORKS["weights"], "task": np.ones((2, 4)), "times": [0.0], "quantities": list(QUANTITIES)}
    assert read(TrajectoryRequest, whole, conflicts).quantities == list(QUANTITIES)
