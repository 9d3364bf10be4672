"""Values that no field accepts, with the error messages for them."""

import numpy as np
import pytest

from lindyn.wire.document import InvalidDocumentError, read
from support.documents import put

MISSING = "(left out)"


def as_json(value: object) -> str:
    """How messages show a value: constants as in JSON, objects and values of other types by their type."""
    if isinstance(value, bool | None):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str | int | float):
        return repr(value)
    return f"a value of type {'object' if isinstance(value, dict) else type(value).__name__}"


NOT_NUMBERS = [  # invalid for numbers with any bounds
    (MISSING, "required"),
    (None, "got null, expected a number"),
    (True, "got true, expected a number"),
    ("1", "got '1', expected a number"),
    ([1.0], "got a value of type list, expected a number"),
    ({}, "got a value of type object, expected a number"),
    (float("nan"), "got nan, expected a finite number"),
    (float("inf"), "got inf, expected a finite number"),
    (-float("inf"), "got -inf, expected a finite number"),
    (10**400, "got an integer of more than 80 digits"),
    (1.5e70, "got 1.5e+70, expected at most 1e+70"),
    (np.array([1.0]), "got a value of type ndarray, expected a number"),
    (np.array(True), "got true, expected a number"),
    (np.array("1"), "got '1', expected a number"),
    (np.array(np.nan), "got nan, expected a finite number"),
    (np.bool_(True), "got true, expected a number"),
]
NOT_INTEGERS = [
    (None, "got null, expected an integer"),
    (True, "got true, expected an integer"),
    (2.0, "got 2.0, expected an integer"),
    ("2", "got '2', expected an integer"),
    ([2], "got a value of type list, expected an integer"),
    (np.array([2]), "got a value of type ndarray, expected an integer"),
    (np.array(2.0), "got 2.0, expected an integer"),
    (np.bool_(True), "got true, expected an integer"),
    (10**400, "got an integer of more than 80 digits, expected at most "),
    (float("nan"), "got nan"),
]

UNUSUAL_VALUES = [
    None,
    True,
    3,
    -1,
    1.5,
    10**400,
    float("nan"),
    float("-inf"),
    1e300,
    "x",
    "\ud800",
    "balanced",
    "(grid)",
    [],
    [1],
    [[1]],
    {},
    {"kind": "x"},
    {"kind": [1]},
    {"kind": {}},
    {"kind": np.zeros(2)},
    {1: 2},
    {None: 1},
    np.zeros(2),
    np.zeros((2, 2)),
    np.zeros(0),
    np.array("x"),
    np.array(None),
    np.float64(2),
    np.int64(2),
    (1, 2),
    b"x",
    {1, 2},
    1j,
    [np.zeros(2)] * 2,
    [[10**400]],
    {"kind": "balanced", "balanced": 1},
    {"\ud800": 1},
    {"(list)": 1},
    object(),
]


def changed(original, path, value):
    """Copy a document, with the value at a path replaced or removed."""
    if value is not MISSING:
        return put(original, path, value)
    original = put(original, path, None)
    *parents, last = path.split(".")
    node = original
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    del node[int(last) if isinstance(node, list) else last]
    return original


def broken(model, original, conflicts=None):
    """Errors of a document by path, after checking that each path has one error."""
    with pytest.raises(InvalidDocumentError) as caught:
        read(model, original, conflicts)
    errors = dict(caught.value.errors)
    assert len(errors) == len(caught.value.errors)
    return errors
