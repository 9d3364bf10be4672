"""Methods: by name or with their settings, and the bounds of these."""

import numpy as np
import pytest
from support import rules
from support.documents import METHODS, document
from support.rules import MISSING, NOT_NUMBERS

from lindyn.wire import method
from lindyn.wire.document import read
from lindyn.wire.trajectory import TrajectoryRequest


def broken(given):
    return rules.broken(TrajectoryRequest, document() | {"method": given})


def taken(given):
    return read(TrajectoryRequest, document() | {"method": given}).method


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auto", method.AutoMethod(kind="auto")),
        ("exact", method.ExactMethod(kind="exact")),
        ("flow", method.FlowMethod(kind="flow", rtol=1e-13, atol=None)),
    ],
)
def test_a_name_is_short_for_the_method_with_its_defaults(name, expected):
    for given in (name, np.str_(name), {"kind": name}, expected):
        assert taken(given) == expected


@pytest.mark.parametrize("kind", METHODS)
def test_settings_are_kept(kind):
    assert taken(METHODS[kind]).model_dump() == METHODS[kind]


def test_descent_is_linear_by_default():
    assert taken({"kind": "descent", "learning_rate": 2}).activation == "linear"


def test_every_method_has_a_name():
    assert tuple(METHODS) == method.METHODS


@pytest.mark.parametrize(
    ("name", "near"),
    [("euler", None), ("", None), ("Auto", "auto"), ("flow ", "flow"), ("(grid)", None), ("auto\n", "auto")],
)
def test_unknown_names(name, near):
    allowed = "llowed are 'auto', 'exact', 'flow', 'descent'"
    choices = f", a{allowed}" if near is None else f", did you mean '{near}'? A{allowed}"
    assert broken(name) == {"method": f"got {name!r}{choices}"}


def test_long_names_are_shortened_in_errors():
    assert len(broken("x" * 10_000)["method"]) < 150


def test_descent_has_no_default_learning_rate():
    for given in ("descent", {"kind": "descent"}):
        assert broken(given) == {"method.learning_rate": "this field is required"}


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (None, "null"),
        (3, "3"),
        (True, "true"),
        (["auto"], "a value of type list"),
        (b"auto", "a value of type bytes"),
        (np.array("auto"), "a value of type ndarray"),
    ],
    ids=str,
)
def test_neither_a_name_nor_an_object(given, got):
    assert broken(given) == {"method": f"got {got}, expected 'auto', 'exact', 'flow' or an object"}


@pytest.mark.parametrize(
    ("kind", "got"), [("euler", "'euler'"), ("Flow", "'Flow'"), (None, "null"), (3, "3"), (["flow"], "a value of type")]
)
def test_unknown_kinds(kind, got):
    ((path, text),) = broken({"kind": kind}).items()
    assert path == "method.kind"
    assert text.startswith(f"got {got}")
    assert text.endswith("llowed are 'auto', 'exact', 'flow', 'descent'")


def test_an_array_in_the_place_of_an_object() -> None:
    """As from numpy, in an archive."""
    found = rules.broken(TrajectoryRequest, document() | {"network": np.eye(2)})
    assert found == {"network": "got a value of type ndarray, expected an object"}


@pytest.mark.parametrize("given", [{}, {"rtol": 1e-6}])
def test_an_object_without_kind(given):
    assert broken(given) == {"method.kind": "this field is required, it determines which others there are"}


@pytest.mark.parametrize(
    ("kind", "field"),
    [("auto", "rtol"), ("exact", "rtol"), ("flow", "learning_rate"), ("descent", "step"), ("descent", "atol")],
)
def test_settings_of_other_methods_are_unknown(kind, field):
    allowed = ", ".join(f"'{name}'" for name in type(taken(METHODS[kind])).model_fields)
    assert broken(METHODS[kind] | {field: 1e-3}) == {f"method.{field}": f"this field is unknown, allowed are {allowed}"}


@pytest.mark.parametrize(
    ("path", "kind"), [("rtol", "flow"), ("atol", "flow"), ("step", "flow"), ("learning_rate", "descent")]
)
@pytest.mark.parametrize(("value", "text"), NOT_NUMBERS, ids=lambda value: str(value)[:20])
def test_numbers(path, kind, value, text):
    given = rules.changed({**METHODS[kind], path: METHODS[kind].get(path)}, path, value)
    if path != "learning_rate" and value is MISSING:
        assert getattr(taken(given), path) == {"rtol": 1e-13, "atol": None, "step": None}[path]
    elif path in ("atol", "step") and value is None:
        assert getattr(taken(given), path) is None
    else:
        errors = broken(given)
        assert set(errors) == {f"method.{path}"}
        largest = "expected at most 0.01" if path == "rtol" else "expected at most 1e+70"
        assert text.replace("expected at most 1e+70", largest) in errors[f"method.{path}"]


@pytest.mark.parametrize(
    ("path", "smallest", "largest"),
    [("rtol", 1e-13, 1e-2), ("atol", 1e-70, 1e70), ("step", 1e-70, 1e70), ("learning_rate", 1e-70, 1e70)],
)
def test_bounds_are_inclusive(path, smallest, largest):
    kind = "descent" if path == "learning_rate" else "flow"
    for value in (smallest, largest):
        assert getattr(taken(METHODS[kind] | {path: value}), path) == value
    for value, text in (
        (float(np.nextafter(smallest, 0)), f"expected at least {smallest}"),
        (float(np.nextafter(largest, np.inf)), f"expected at most {largest}"),
        (0, f"got 0, expected at least {smallest}"),
        (-1.0, f"got -1.0, expected at least {smallest}"),
    ):
        errors = broken(METHODS[kind] | {path: value})
        assert set(errors) == {f"method.{path}"}
        assert text in errors[f"method.{path}"]


@pytest.mark.parametrize(
    ("value", "choices"),
    [
        ("gelu", ", did you mean 'relu'? Allowed are"),
        ("ReLU", ", did you mean 'relu'? Allowed are"),
        ("sine", ", did you mean 'linear'? Allowed are"),
        (None, ", allowed are"),
        (1, ", allowed are"),
        (True, ", allowed are"),
    ],
)
def test_activations(value, choices):
    errors = broken(METHODS["descent"] | {"activation": value})
    assert errors == {"method.activation": f"got {rules.as_json(value)}{choices} 'linear', 'relu', 'tanh'"}
    for known in ("linear", "relu", "tanh"):
        assert taken(METHODS["descent"] | {"activation": known}).activation == known


def test_numpy_numbers_are_accepted():
    given = {"kind": "flow", "rtol": np.float32(1e-3), "atol": np.array(1)}
    assert taken(given) == method.FlowMethod(kind="flow", rtol=float(np.float32(1e-3)), atol=1.0)
