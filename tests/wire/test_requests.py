"""All rules of all fields of a request: path of the error, what was got, what is allowed."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from support import rules
from support.documents import METHODS, NETWORKS, TASKS, TIMES, document, paths, put
from support.rules import MISSING, NOT_INTEGERS, NOT_NUMBERS, UNUSUAL_VALUES

from lindyn.wire.base import LARGEST_SEED
from lindyn.wire.conflicts import conflicts
from lindyn.wire.digest import digest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.network import BalancedNetwork, WeightsNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, SpectrumTask
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest


def broken(whole):
    return rules.broken(TrajectoryRequest, whole, conflicts)


def changed(path, value, **kinds):
    return rules.changed(document(**kinds), path, value)


OPTIONAL = {"network.scale", "network.seed", "task.seed", "task.sigma_yy_trace", "time_constant", "task.levels"}
OPTIONAL |= {"times.start", "times.num"}
NULLABLE = {"network.seed", "task.seed", "task.sigma_yy_trace"}


def kinds_with(path):
    """Kinds of a request that has this path, or its parent."""
    kinds = [dict(zip(("network", "task", "times"), k, strict=True)) for k in product(NETWORKS, TASKS, TIMES)]
    for wanted in (path, path.rpartition(".")[0]):
        for these in kinds:
            if wanted in paths(document(**these)):
                return these
    return {}


@pytest.mark.parametrize(
    "path",
    ["network.lambda", "network.scale", "task.sigma_yy_trace", "times.start", "times.stop", "time_constant"],
)
@pytest.mark.parametrize(("value", "text"), NOT_NUMBERS, ids=lambda value: str(value)[:20])
def test_numbers(path, value, text):
    check_field(path, value, text)


@pytest.mark.parametrize(
    "path", ["network.dims.1", "network.seed", "task.seed", "task.samples", "task.levels", "times.num"]
)
@pytest.mark.parametrize(("value", "text"), NOT_INTEGERS, ids=lambda value: str(value)[:20])
def test_integers(path, value, text):
    check_field(path, value, text)


@pytest.mark.parametrize("path", ["network.seed", "task.seed", "task.samples", "task.levels", "times.num"])
def test_required_integers(path):
    check_field(path, MISSING, "required")


def check_field(path, value, text):
    whole = changed(path, value, **kinds_with(path))
    if (value is MISSING and path in OPTIONAL) or (value is None and path in NULLABLE):
        assert read(TrajectoryRequest, whole)
    else:
        errors = broken(whole)
        assert set(errors) == {path}
        assert text in errors[path]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("network.scale", 0, "got 0, expected at least 1e-70"),
        ("network.scale", -0.5, "got -0.5, expected at least 1e-70"),
        ("network.lambda", -1.1e70, "got -1.1e+70, expected at least -1e+70"),
        ("network.seed", -1, "got -1, expected at least 0"),
        ("network.seed", 2**53, "got 9007199254740992, expected at most 9007199254740991"),
        ("network.dims.0", 0, "got 0, expected at least 1"),
        ("network.dims.2", 100_001, "got 100001, expected at most 100000"),
        ("task.samples", 0, "got 0, expected at least 1"),
        ("task.samples", 10_000_001, "got 10000001, expected at most 10000000"),
        ("task.levels", 0, "got 0, expected at least 1"),
        ("task.levels", 13, "got 13, expected at most 12"),
        ("task.seed", -5, "got -5, expected at least 0"),
        ("task.sigma_yy_trace", -1e-9, "got -1e-09, expected at least 0"),
        ("times.num", 0, "got 0, expected at least 1"),
        ("times.num", 1_000_001, "got 1000001, expected at most 1000000"),
        ("times.start", -1.0, "got -1.0, expected at least 0"),
        ("time_constant", 0.0, "got 0.0, expected at least 1e-70"),
        ("time_constant", -2, "got -2, expected at least 1e-70"),
    ],
)
def test_bounds(path, value, text):
    errors = broken(changed(path, value, **kinds_with(path)))
    assert set(errors) == {path}
    assert text in errors[path]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("network.scale", 1e-70),
        ("network.lambda", -1e70),
        ("network.lambda", 3),
        ("network.seed", 0),
        ("network.seed", LARGEST_SEED),
        ("task.samples", 10_000_000),
        ("task.sigma_yy_trace", 1e70),
        ("times.num", 1_000_000),
        ("time_constant", 1e-70),
    ],
)
def test_bounds_are_inclusive(path, value):
    request = read(TrajectoryRequest, changed(path, value, **kinds_with(path)))
    found = request.model_dump(by_alias=True)
    for part in path.split("."):
        found = found[part]
    assert found == value


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("network", None, "network", "got null, expected an object"),
        ("network", 5, "network", "got 5, expected an object"),
        ("network", "balanced", "network", "got 'balanced', expected an object"),
        ("network", [1], "network", "got a value of type list, expected an object"),
        ("network", MISSING, "network", "this field is required"),
        ("network", {}, "network.kind", "this field is required"),
        ("network.kind", MISSING, "network.kind", "this field is required"),
        ("network.kind", "deep", "network.kind", "got 'deep', allowed are 'weights', 'balanced', 'random', 'wide'"),
        ("network.kind", "Balanced", "network.kind", "got 'Balanced', did you mean 'balanced'? Allowed are 'weights'"),
        ("network.kind", 3, "network.kind", "got 3, allowed are 'weights'"),
        ("network.kind", None, "network.kind", "got null, allowed are 'weights'"),
        ("network.kind", ["balanced"], "network.kind", "got a value of type list, allowed are 'weights'"),
        ("network.kind", np.zeros(2), "network.kind", "got a value of type ndarray"),
        ("network.bias", 1, "network.bias", "this field is unknown"),
        ("network.lam", 1, "network.lam", "this field is unknown"),
        ("network.aligned", 1, "network.aligned", "got 1, expected true or false"),
        ("network.aligned", "true", "network.aligned", "got 'true', expected true or false"),
        ("network.aligned", None, "network.aligned", "got null, expected true or false"),
        ("network.dims", [2, 2], "network.dims", "got 2 widths, a balanced network has three (in, hidden, out)"),
        ("network.dims", [2, 2, 2, 2], "network.dims", "got 4 widths, a balanced network has three"),
        ("network.dims", [2, 2, 2, 2], "network.dims", "use kind 'random' for other depths"),
        ("network.dims", (2,), "network.dims", "got 1 width, a balanced network has three"),
        ("network.dims", np.array(2), "network.dims", "expected a list"),
        ("network.dims", "222", "network.dims", "got '222'"),
        ("network.dims", 2, "network.dims", "got 2"),
        ("network.dims", np.array([2, 2]), "network.dims", "got 2 widths"),
        ("network.dims", MISSING, "network.dims", "this field is required"),
        ("task", None, "task", "got null, expected an object"),
        ("task", "spectrum", "task", "got 'spectrum', expected an object"),
        ("task", {}, "task.kind", "this field is required"),
        (
            "task.kind",
            "reversal",
            "task.kind",
            "allowed are 'correlation', 'data', 'regression', 'semantic', 'spectrum'",
        ),
        ("task.rank", 1, "task.rank", "this field is unknown"),
        ("task.sigma_yx", MISSING, "task.sigma_yx", "this field is required"),
        ("task.sigma_yx", None, "task.sigma_yx", "got null, expected a list"),
        ("task.sigma_yx", [[1, 2], [3]], "task.sigma_yx", "different lengths (1 and 2)"),
        ("task.sigma_yx", [[1, 2], [3, float("nan")]], "task.sigma_yx", "got nan at [1, 1]"),
        ("task.sigma_xx", [[1, True], [0, 1]], "task.sigma_xx", "got boolean among the entries at [0]"),
        ("task.inputs", [], "task.inputs", "got an empty array"),
        ("task.inputs", [1, 2], "task.inputs", "got integer at [0], expected a list"),
        ("task.targets", [["1", "0"]], "task.targets", "got text among the entries at [0]"),
        ("task.targets", np.ones(3), "task.targets", "got 1 dimensions, expected 2"),
        ("task.whiten", MISSING, "task.whiten", "this field is required"),
        ("task.whiten", 0, "task.whiten", "got 0, expected true or false"),
        ("task.singular_values", [[1.0]], "task.singular_values", "got list among the entries"),
        ("task.singular_values", [], "task.singular_values", "got an empty array"),
        ("network.weights", MISSING, "network.weights", "this field is required"),
        ("network.weights", [], "network.weights", "got 0 entries, expected at least 1"),
        ("network.weights", [[[1.0]]] * 65, "network.weights", "got 65 entries, expected at most 64"),
        ("network.weights", np.array(2.0), "network.weights", "got a value of type ndarray, expected a list"),
        ("network.weights", 7, "network.weights", "got 7, expected a list"),
        ("network.weights.0", [[1, 2], [3]], "network.weights.0", "different lengths (1 and 2)"),
        ("network.weights.1", [[1, 2], [3, "4"]], "network.weights.1", "got text among the entries at [1]"),
        ("network.weights.1", [], "network.weights.1", "got an empty array"),
        ("network.weights.1", 1.0, "network.weights.1", "got number, expected a list"),
        (
            "network.weights.1",
            [[1, 2, 3]],
            "network.weights",
            "matrix 1 takes 3 inputs but matrix 0 has 2 outputs; widths must chain",
        ),
        ("quantities", [], "quantities", "got 0 entries, expected at least 1"),
        ("quantities", ["loss"] * 101, "quantities", "got 101 entries, expected at most 100"),
        ("quantities", "loss", "quantities", "got 'loss', expected a list"),
        ("quantities", None, "quantities", "got null, expected a list"),
        ("quantities", {"loss": True}, "quantities", "got a value of type object, expected a list"),
        ("quantities", ["loss", "accuracy"], "quantities.1", "got 'accuracy', allowed are 'loss', 'excess"),
        ("quantities", ["singular_value"], "quantities.0", "did you mean 'singular_values'? Allowed are 'loss', 'exc"),
        ("quantities", ["NTK-distance"], "quantities.0", "did you mean 'ntk_distance'?"),
        ("quantities", ["loss", 1], "quantities.1", "got 1"),
        ("quantities", ["Loss"], "quantities.0", "got 'Loss'"),
        ("lambda", 2.0, "lambda", "this field is unknown"),
        ("", 2.0, "", "this field is unknown"),
    ],
    ids=lambda value: str(value)[:30].replace("\n", ""),
)
def test_shapes_and_kinds(path, value, where, text):
    errors = broken(changed(path, value, **kinds_with(path)))
    assert set(errors) == {where}
    assert text in errors[where]


def test_messages_that_are_not_objects():
    for whole in (None, 3, "x", [], [1], True):
        (path,) = broken(whole)
        assert path == ""
        assert "expected an object" in broken(whole)[""]


def test_every_invalid_field_is_listed():
    whole = document(quantities=["nothing"], time_constant=-1.0, more=1)
    whole = put(put(whole, "network.dims", [2, 0, 2.5]), "task.sigma_yx", [[True]])
    expected = {"quantities.0", "time_constant", "more", "network.dims.1", "network.dims.2", "task.sigma_yx"}
    assert set(broken(whole)) == expected


@pytest.mark.parametrize(
    ("times", "where", "text"),
    [
        (None, "times", "got null, expected a list of times, or an object with start, stop and num"),
        (3.0, "times", "got 3.0, expected a list of times, or an object with start, stop and num"),
        (10, "times", "got 10, expected a list of times, or an object with start, stop and num"),
        (np.array(3.0), "times", "got 0 dimensions, expected 1"),
        ("0:10", "times", "got '0:10', expected a list of times"),
        ([], "times", "got an empty array"),
        ([[0.0], [1.0]], "times", "got list among the entries"),
        (np.ones((2, 2)), "times", "got 2 dimensions, expected 1"),
        ([0, True], "times", "got boolean among the entries"),
        ([0, float("nan")], "times", "got nan at [1]"),
        ([0, float("inf")], "times", "got inf at [1]"),
        ([0, 2e70], "times", "got 2e+70 at [1]"),
        ([-1.0, 0.0], "times", "got -1.0 first, times must be >= 0"),
        ([0.0, 2.0, 1.5, 3.0], "times", "got 1.5 after 2.0 at [2], times must ascend"),
        (np.zeros(1_000_001), "times", "got 1000001 times, at most 1000000"),
        ({}, "times.stop", "this field is required"),
        ({"stop": 1.0, "step": 0.1}, "times.step", "this field is unknown"),
        ({"start": 2.0, "stop": 1.0}, "times", "got stop = 1.0 before start = 2.0"),
        ({"stop": 1.0, "spacing": "log"}, "times", "log spacing needs start > 0, got start = 0"),
        ({"start": 0, "stop": 1.0, "spacing": "log"}, "times", "log spacing needs start > 0, got start = 0"),
        ({"stop": 1.0, "spacing": "cubic"}, "times.spacing", "got 'cubic', allowed are 'linear', 'log'"),
        ({"stop": 1.0, "spacing": None}, "times.spacing", "got null, allowed are 'linear', 'log'"),
    ],
    ids=lambda value: str(value)[:30].replace("\n", ""),
)
def test_times(times, where, text):
    errors = broken(document(times="list") | {"times": times})
    assert set(errors) == {where}
    assert text in errors[where]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0], [0.0]),
        ([0, 1, 1, 2.5], [0.0, 1.0, 1.0, 2.5]),
        ((0.5, 2), [0.5, 2.0]),
        (np.array([0, 3], dtype=np.int32), [0.0, 3.0]),
        ({"stop": 1.0, "num": 5}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"start": 1, "stop": 3, "num": 3, "spacing": "linear"}, [1.0, 2.0, 3.0]),
        ({"start": 0.01, "stop": 100, "num": 5, "spacing": "log"}, [0.01, 0.1, 1.0, 10.0, 100.0]),
        ({"start": 2.0, "stop": 2.0, "num": 2}, [2.0, 2.0]),
        ({"start": 2.0, "stop": 3.0, "num": 1}, [2.0]),
        ({"start": 2.0, "stop": 3.0, "num": 1, "spacing": "log"}, [2.0]),
    ],
    ids=str,
)
def test_resolved_times(times, expected):
    request = read(TrajectoryRequest, document() | {"times": times})
    assert np.allclose(request.resolved_times(), expected, rtol=1e-15, atol=0)
    assert request.n_times == len(expected)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"stop": 5e-324, "num": 3}, [0.0, 0.0, 5e-324]),
        ({"stop": 1e-323, "num": 3}, [0.0, 5e-324, 1e-323]),
        ({"start": 1.5e-323, "stop": 3e-323, "num": 4}, [1.5e-323, 2e-323, 2.5e-323, 3e-323]),
        ({"start": 5e-324, "stop": 5e-324, "num": 4, "spacing": "log"}, 4 * [5e-324]),
        ({"start": 2.0, "stop": 2.0, "num": 3}, 3 * [2.0]),
    ],
)
def test_the_smallest_times(times, expected):
    assert read(TrajectoryRequest, document() | {"times": times}).resolved_times().tolist() == expected


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (0, 1e-320),
        (1e-321, 1e-320),
        (0, 1e-305),
        (1e-305, 1.1e-305),
        (1, 1 + 1e-14),
        (1e60, 1e60 * (1 + 1e-14)),
        (0, 1e70),
    ],
)
@pytest.mark.parametrize("spacing", ["linear", "log"])
def test_grids_of_tiny_steps_ascend(start, stop, spacing):
    """A step may be less than the spacing of float64 numbers."""
    start = start or (0 if spacing == "linear" else 5e-324)
    for num in (2, 999, 1000, 3000, 20_000):
        grid = {"start": start, "stop": stop, "num": num, "spacing": spacing}
        times = read(TrajectoryRequest, document() | {"times": grid}).resolved_times()
        assert (len(times), times[0], times[-1]) == (num, start, stop)
        assert np.all(np.diff(times) >= 0)
        if spacing == "linear":
            exact = [Fraction(start) + (Fraction(stop) - Fraction(start)) * i / (num - 1) for i in range(num)]
            off = [abs(Fraction(float(time)) - each) for time, each in zip(times, exact, strict=True)]
            assert max(off) <= 2 * Fraction(np.spacing(float(stop)))


def test_grids_are_those_of_numpy():
    """They are computed in a scaled unit of time, which is exact except for tiny numbers."""
    for start, stop, num in ((0.0, 10.0, 200), (0.1, 7.3, 1001), (1e-12, 3e5, 77), (0.0, 1e-290, 500)):
        times = read(TrajectoryRequest, document() | {"times": {"start": start, "stop": stop, "num": num}})
        assert np.array_equal(times.resolved_times(), np.linspace(start, stop, num))


def test_times_have_200_points_by_default():
    times = read(TrajectoryRequest, document() | {"times": {"stop": 10}}).resolved_times()
    assert (len(times), times[0], times[-1]) == (200, 0.0, 10.0)


def test_defaults():
    whole = {"network": NETWORKS["balanced"], "task": [[1.0, 0.0], [0.0, 2.0]], "times": [0, 1]}
    request = read(TrajectoryRequest, put(whole, "network", {"kind": "balanced", "dims": [2, 2, 2], "lambda": -1}))
    assert (request.network.scale, request.network.aligned, request.network.seed) == (1.0, False, None)
    assert (request.time_constant, request.quantities, request.method.kind) == (1.0, ["loss", "output"], "auto")
    assert (request.task.sigma_xx, request.task.sigma_yy_trace) == (None, None)
    assert read(TrajectoryRequest, put(document(task="semantic"), "task", {"kind": "semantic"})).task.levels == 3


def test_quantities_are_in_canonical_order_without_duplicates():
    request = read(TrajectoryRequest, document(quantities=["output", "loss", "output", "balance", "loss"]))
    assert request.quantities == ["loss", "output", "balance"]
    assert read(TrajectoryRequest, document(quantities=list(reversed(QUANTITIES)))).quantities == list(QUANTITIES)


@pytest.mark.parametrize("form", [list, tuple, np.array], ids=["list", "tuple", "array"])
def test_a_bare_matrix_is_a_correlation_task(form):
    bare = read(TrajectoryRequest, document() | {"task": form([[1.0, 2.0], [3.0, 4.0]])})
    assert isinstance(bare.task, CorrelationTask)
    assert bare.task.sigma_yx.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("bare", "text"),
    [
        ([], "empty"),
        ([[]], "empty"),
        ([[1, 2], [3]], "different lengths"),
        ([[1, float("nan")]], "got nan at [0, 1]"),
        (np.ones(2), "got 1 dimensions"),
        (["a"], "got text at [0]"),
    ],
    ids=str,
)
def test_errors_of_a_bare_matrix_have_the_path_of_the_task(bare, text):
    errors = broken(document() | {"task": bare})
    assert set(errors) == {"task"}
    assert text in errors["task"]


def test_conflicts_of_a_bare_matrix_have_the_path_of_the_long_form():
    assert set(broken(document() | {"task": [[1.0, 2.0]]})) == {"task.sigma_yx"}


def test_dims():
    assert read(TrajectoryRequest, document("balanced")).dims == (2, 2, 2)
    weights = [np.ones((3, 2)), np.ones((5, 3)), np.ones((4, 5))]
    request = read(
        TrajectoryRequest,
        document(network="weights", task="correlation")
        | {"network": {"kind": "weights", "weights": weights}, "task": np.ones((4, 2))},
    )
    assert request.dims == (2, 3, 5, 4)


def test_model_instances_are_accepted():
    network = BalancedNetwork(kind="balanced", dims=(2, 2, 2), lam=1.0)
    for task in (
        CorrelationTask(kind="correlation", sigma_yx=np.eye(2)),
        DataTask(kind="data", inputs=np.eye(2), targets=np.eye(2), whiten=False),
        RegressionTask(kind="regression", samples=4),
        SemanticTask(kind="semantic", levels=1),
        SpectrumTask(kind="spectrum", singular_values=[1.0]),
    ):
        request = read(TrajectoryRequest, {"network": network, "task": task, "times": [0]}, conflicts)
        assert request.task == task
    given = WeightsNetwork(kind="weights", weights=[np.eye(2), np.eye(2)])
    assert read(TrajectoryRequest, {"network": given, "task": np.eye(2), "times": [0]}).dims == (2, 2, 2)
    assert broken({"network": network, "task": network, "times": [0]})["task.kind"].startswith(
        "got 'balanced', allowed"
    )


def test_numpy_numbers_are_accepted():
    given = {
        "network": {
            "kind": "balanced",
            "dims": np.array([2, 2, 2]),
            "lambda": np.float32(0.5),
            "scale": np.longdouble(2),
            "aligned": np.bool_(True),
            "seed": np.uint8(3),
        },
        "task": {"kind": "semantic", "levels": np.array(1)},
        "times": {"stop": np.array(2.0), "num": np.int32(3)},
        "time_constant": np.array(4),
    }
    plain = {
        "network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 0.5, "scale": 2.0, "aligned": True, "seed": 3},
        "task": {"kind": "semantic", "levels": 1},
        "times": {"stop": 2.0, "num": 3},
        "time_constant": 4.0,
    }
    assert read(TrajectoryRequest, given) == read(TrajectoryRequest, plain)


def test_weights_in_one_array():
    whole = document("weights")
    stacked = put(whole, "network.weights", np.array(whole["network"]["weights"]))
    assert digest(read(TrajectoryRequest, stacked), "") == digest(read(TrajectoryRequest, whole), "")


def test_requests_cannot_be_changed():
    request = read(TrajectoryRequest, document())
    with pytest.raises(ValueError, match="frozen"):
        request.method = "exact"


@pytest.mark.parametrize("task", [*TASKS, "bare"])
@pytest.mark.parametrize(("network", "times", "method"), [("weights", "grid", "descent"), ("balanced", "list", "flow")])
def test_any_value_at_any_path_is_accepted_or_refused_there(network, task, times, method):
    """No other exception is raised; the error is at the changed path, inside it, or at a field that must match it."""
    whole = document(network, times=times, method=METHODS[method])
    whole |= {"task": TASKS.get(task, [[1.0, 0.5], [0.0, 1.0]])}
    assert read(TrajectoryRequest, whole, conflicts)
    for path, value in product(paths(whole), UNUSUAL_VALUES):
        try:
            read(TrajectoryRequest, put(whole, path, value), conflicts)
        except InvalidDocumentError as error:
            for where, text in error.errors:
                assert text
                near = f"{where}.".startswith(f"{path}.") or f"{path}.".startswith(f"{where}.")
                assert near or path.startswith(("network.", "task.")), (path, where, value)
