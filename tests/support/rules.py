"""Values that no field takes, and what is said of them."""

import numpy as np
import pytest

from lindyn.wire.document import InvalidDocumentError, read
from support.documents import put

GONE = "(left out)"

NO_NUMBERS = [  # not one of these is a number, whatever the bounds
    (GONE, "required"),
    (None, "got None, expected a number"),
    (True, "got True, expected a number"),
    ("1", "got '1', expected a number"),
    ([1.0], "got a value of type list, expected a number"),
    ({}, "got a value of type dict, expected a number"),
    (float("nan"), "got nan, expected a finite number"),
    (float("inf"), "got inf, expected a finite number"),
    (-float("inf"), "got -inf, expected a finite number"),
    (10**400, "got an integer of more than 80 digits"),
    (1.5e70, "got 1.5e+70, expected at most 1e+70"),
    (np.array([1.0]), "got a value of type ndarray, expected a number"),
    (np.array(True), "got True, expected a number"),
    (np.array("1"), "got '1', expected a number"),
    (np.array(np.nan), "got nan, expected a finite number"),
    (np.bool_(True), "got True, expected a number"),
]
NO_INTEGERS = [
    (None, "got None, expected an integer"),
    (True, "got True, expected an integer"),
    (2.0, "got 2.0, expected an integer"),
    ("2", "got '2', expected an integer"),
    ([2], "got a value of type list, expected an integer"),
    (np.array([2]), "got a value of type ndarray, expected an integer"),
    (np.array(2.0), "got 2.0, expected an integer"),
    (np.bool_(True), "got True, expected an integer"),
    (10**400, "got an integer of more than 80 digits, expected at most "),
    (float("nan"), "got nan"),
]

WEIRD = [
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


def changed(whole, path, value):
    """A copy of a document with another value at a path, or without any."""
    if value is not GONE:
        return put(whole, path, value)
    whole = put(whole, path, None)
    *parents, last = path.split(".")
    node = whole
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    del node[int(last) if isinstance(node, list) else last]
    return whole


def broken(model, whole, conflicts=None):
    """What is wrong with a document, by path; each path once."""
    with pytest.raises(InvalidDocumentError) as caught:
        read(model, whole, conflicts)
    errors = dict(caught.value.errors)
    assert len(errors) == len(caught.value.errors)
    return errors
