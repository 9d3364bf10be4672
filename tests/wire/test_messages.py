"""Messages about initial weights, balance, limits and continual learning: all rules of all fields."""

from itertools import product

import numpy as np
import pytest
from support import rules
from support.documents import EYE, NETWORKS, TASKS, message, paths, put
from support.rules import MISSING, NOT_INTEGERS, NOT_NUMBERS, UNUSUAL_VALUES

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.conflicts import conflicts, conflicts_of_ensemble, conflicts_of_tasks
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.ensemble import EnsembleRequest

MODELS = {
    "initialization": (InitializationRequest, conflicts),
    "balance": (BalanceRequest, None),
    "statistics": (StatisticsRequest, None),
    "limits": (LimitsRequest, conflicts),
    "continual": (ContinualRequest, conflicts_of_tasks),
    "ensemble": (EnsembleRequest, conflicts_of_ensemble),
}
DEFAULTS = {
    ("initialization", "task"): None,
    ("statistics", "gain"): [1.0],
    ("statistics", "samples"): 1000,
    ("statistics", "seed"): None,
    ("limits", "time_constant"): 1.0,
    ("limits", "tolerance"): 1e-3,
    ("continual", "num"): 200,
    ("continual", "time_constant"): 1.0,
    ("ensemble", "first_seed"): 0,
    ("ensemble", "vary"): ["network.seed"],
    ("ensemble", "quantiles"): [0.1, 0.5, 0.9],
}
WITH_DIMS = ["initialization", "limits", "continual"]


def taken(name, whole):
    model, rule = MODELS[name]
    return read(model, whole, rule)


def broken(name, path, value):
    model, rule = MODELS[name]
    return rules.broken(model, rules.changed(message(name), path, value), rule)


@pytest.mark.parametrize("name", MODELS)
def test_every_field_is_required_or_has_a_default(name):
    for field in message(name):
        if (name, field) in DEFAULTS:
            request = taken(name, rules.changed(message(name), field, MISSING))
            assert getattr(request, field) == DEFAULTS[name, field]
        else:
            assert broken(name, field, MISSING) == {field: "this field is required"}


@pytest.mark.parametrize("name", MODELS)
def test_unknown_fields(name):
    fields = ", ".join(f"'{field}'" for field in MODELS[name][0].model_fields)
    assert broken(name, "more", 1) == {"more": f"this field is unknown, allowed are {fields}"}
    for wrong in (None, 3, "x", [], True):
        (text,) = rules.broken(MODELS[name][0], wrong).values()
        assert "expected an object" in text


@pytest.mark.parametrize("name", WITH_DIMS)
def test_widths_are_those_of_the_network(name):
    for kind, dims in (("balanced", (2, 2, 2)), ("random", (2, 3, 2)), ("weights", (2, 2, 2))):
        assert taken(name, put(message(name), "network", NETWORKS[kind])).dims == dims


@pytest.mark.parametrize(
    ("name", "path", "smallest"),
    [
        ("limits", "time_constant", 1e-70),
        ("limits", "tolerance", 1e-70),
        ("continual", "time_constant", 1e-70),
        ("statistics", "gain.1", 1e-70),
        ("continual", "tasks.0.duration", 0.0),
    ],
)
def test_numbers(name, path, smallest):
    field = path.partition(".")[0]
    for value, text in NOT_NUMBERS:
        if value is MISSING and (path != field or (name, field) in DEFAULTS):
            assert taken(name, rules.changed(message(name), path, value))
            continue
        errors = broken(name, path, value)
        assert set(errors) == {path}
        other_forms = " or 'converged'" if path.endswith("duration") and "a number or" in errors[path] else ""
        assert text.replace("a number", f"a number{other_forms}") in errors[path]
    for bound in (smallest, 1e70):
        assert taken(name, put(message(name), path, bound))
    below = float(np.nextafter(smallest, -1))
    assert broken(name, path, below) == {path: f"got {below}, expected at least {smallest:g}"}


@pytest.mark.parametrize(
    ("name", "path", "smallest", "largest"),
    [
        ("statistics", "samples", 2, 10_000_000),
        ("statistics", "seed", 0, 2**53 - 1),
        ("statistics", "dims.0", 1, 100_000),
        ("statistics", "dims.1", 1, 100_000),
        ("statistics", "dims.2", 1, 100_000),
        ("continual", "num", 2, 100_000),
    ],
)
def test_integers(name, path, smallest, largest):
    for value, text in NOT_INTEGERS:
        if path == "seed" and value is None:
            assert taken(name, put(message(name), path, None)).seed is None
            continue
        errors = broken(name, path, value)
        assert set(errors) == {path}
        assert text in errors[path]
    for bound in (smallest, largest):
        assert taken(name, put(message(name), path, bound))
    assert broken(name, path, smallest - 1) == {path: f"got {smallest - 1}, expected at least {smallest}"}
    assert broken(name, path, largest + 1) == {path: f"got {largest + 1}, expected at most {largest}"}


@pytest.mark.parametrize(
    ("value", "where", "text"),
    [
        (0, "gain", "got 0, expected at least 1e-70"),
        ([0, 1], "gain.0", "got 0, expected at least 1e-70"),
        ([1, -1.0], "gain.1", "got -1.0, expected at least 1e-70"),
        (True, "gain", "got true, expected a number"),
        ("x", "gain", "got 'x', expected a number"),
        (None, "gain", "got null, expected a number"),
        ([], "gain", "got 0 entries, expected at least 1"),
        ([1, 2, 3], "gain", "got 3 entries, expected at most 2"),
    ],
    ids=str,
)
def test_gains_of_statistics_are_positive(value, where, text):
    """Otherwise the mean of B would tend to an infinity whose sign depends on those of the gains."""
    errors = broken("statistics", "gain", value)
    assert set(errors) == {where}
    assert text in errors[where]


@pytest.mark.parametrize(("given", "gain"), [(2, [2.0]), ([1, 2], [1.0, 2.0]), (np.array([3.0]), [3.0])], ids=str)
def test_gains_of_statistics(given, gain):
    assert taken("statistics", message("statistics", gain=given)).gain == gain


@pytest.mark.parametrize(
    ("value", "where", "text"),
    [
        ([2, 2], "dims.2", "got 2 entries, this one is required"),
        ([2], "dims.1", "got 1 entry, this one is required"),
        ([2, 2, 2, 2], "dims", "got 4 entries, expected at most 3"),
        (2, "dims", "got 2"),
    ],
)
def test_statistics_are_of_three_widths(value, where, text):
    assert text in broken("statistics", "dims", value)[where]


@pytest.mark.parametrize("value", ["xavier", None, 1])
def test_schemes_of_statistics(value):
    text = f"got {rules.as_json(value)}, allowed are 'lecun', 'glorot', 'he', 'scaled', 'normal', 'torch'"
    assert broken("statistics", "scheme", value) == {"scheme": text}


@pytest.mark.parametrize(
    ("value", "where", "text"),
    [
        ([EYE], "weights", "got 1 entry, expected at least 2"),
        ([EYE] * 65, "weights", "got 65 entries, expected at most 64"),
        (EYE, "weights.0", "got number at [0], expected a list"),
        (None, "weights", "got null, expected a list"),
        ([EYE, [[1, 2, 3]]], "weights", "matrix 1 takes 3 inputs but matrix 0 has 2 outputs; widths must chain"),
        ([EYE, [[1, True]]], "weights.1", "got boolean among the entries at [0], expected numbers"),
        ([[[float("nan")]], EYE], "weights.0", "got nan at [0, 0]"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_invalid_weights_of_balance_requests(value, where, text):
    assert text in broken("balance", "weights", value)[where]


def test_any_number_of_layers_is_accepted_for_balance():
    for given in ([EYE] * 5, np.ones((3, 2, 2)), [np.ones((3, 2)), np.ones((1, 3))]):
        assert len(taken("balance", {"weights": given}).weights) == len(given)


@pytest.mark.parametrize("value", ["forever", "", "Converged", "2", None, True, [1.0], {}, b"converged"])
def test_invalid_durations(value):
    errors = broken("continual", "tasks.1.duration", value)
    assert errors == {"tasks.1.duration": f"got {rules.as_json(value)}, expected a number or 'converged'"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0.0),
        (3, 3.0),
        (1e70, 1e70),
        (np.float32(0.5), 0.5),
        (np.array(2), 2.0),
        (np.array("converged"), "converged"),
    ],
    ids=str,
)
def test_durations(value, expected):
    first, _ = taken("continual", put(message("continual"), "tasks.0.duration", value)).tasks
    assert first.duration == expected
    assert type(first.duration) is type(expected)


def test_tasks_are_learned_until_they_settle_by_default():
    first, second = taken("continual", message("continual", tasks=[{"task": EYE}, {"task": np.eye(2)}])).tasks
    assert first.duration == second.duration == "converged"


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("tasks", [], "tasks", "got 0 entries, expected at least 1"),
        ("tasks", [{"task": EYE}] * 65, "tasks", "got 65 entries, expected at most 64"),
        ("tasks", None, "tasks", "got null, expected a list"),
        ("tasks", {"task": EYE}, "tasks", "got a value of type object, expected a list"),
        ("tasks.0", 3, "tasks.0", "got 3, expected an object"),
        ("tasks.0", {}, "tasks.0.task", "this field is required"),
        ("tasks.1.num", 3, "tasks.1.num", "this field is unknown"),
        ("tasks.1.task", None, "tasks.1.task", "got null, expected an object"),
        ("tasks.1.task", {}, "tasks.1.task.kind", "this field is required"),
        ("tasks.1.task.kind", "x", "tasks.1.task.kind", "got 'x', allowed are 'correlation', 'data'"),
        ("tasks.1.task.whiten", 1, "tasks.1.task.whiten", "got 1, expected true or false"),
        ("tasks.0.task.sigma_yx", [[1.0, None]], "tasks.0.task.sigma_yx", "got null among the entries at [0]"),
        ("tasks.0.task", [[1.0, None]], "tasks.0.task", "got null among the entries at [0]"),
        ("network.kind", "deep", "network.kind", "got 'deep', allowed are"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_invalid_sequences_of_tasks(path, value, where, text):
    errors = broken("continual", path, value)
    assert set(errors) == {where}
    assert text in errors[where]


def test_errors_in_several_tasks_are_all_listed():
    tasks = [{"task": EYE, "duration": "x"}, {"task": {"kind": "semantic", "levels": 0}}, {"task": [[]], "more": 1}]
    found = rules.broken(ContinualRequest, message("continual", tasks=tasks))
    assert set(found) == {"tasks.0.duration", "tasks.1.task.levels", "tasks.2.task", "tasks.2.more"}


def test_every_task_must_fit_the_network():
    wide = {"kind": "spectrum", "singular_values": [3.0, 2.0, 1.0]}
    tasks = [{"task": EYE}, {"task": [[1.0, 2.0, 3.0]]}, {"task": TASKS["data"]}, {"task": wide}]
    found = rules.broken(ContinualRequest, message("continual", tasks=tasks), conflicts_of_tasks)
    assert found == {
        "tasks.1.task.sigma_yx": "got shape (1, 3), the network's widths require (2, 2)",
        "tasks.3.task.singular_values": "got 3 values, at most min(in, out) = 2 fit the network",
    }


@pytest.mark.parametrize("name", ["initialization", "limits"])
def test_the_task_must_fit_the_network(name):
    assert broken(name, "task", [[1.0, 2.0, 3.0]]) == {
        "task.sigma_yx": "got shape (1, 3), the network's widths require (2, 2)"
    }
    rows = TASKS["data"] | {"targets": EYE}
    assert broken(name, "task", rows) == {"task.targets": "got 2 rows, the inputs have 3; rows are samples"}


def test_initial_weights_need_no_task():
    assert taken("initialization", message("initialization", task=None)).task is None


@pytest.mark.parametrize("name", MODELS)
def test_any_value_at_any_path_is_accepted_or_refused_there(name):
    """No other exception is raised; the error is at the changed path, inside it, or at a field that must match it."""
    whole = message(name)
    assert taken(name, whole)
    for path, value in product(paths(whole), UNUSUAL_VALUES):
        try:
            taken(name, put(whole, path, value))
        except InvalidDocumentError as error:
            for where, text in error.errors:
                assert text
                near = f"{where}.".startswith(f"{path}.") or f"{path}.".startswith(f"{where}.")
                assert near or path.startswith(("network.", "task.", "tasks.", "base.")), (path, where, value)
