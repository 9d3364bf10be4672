"""Trees of arrays: they are separated by path, joined again, and changed at a path without changing the original."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lindyn.wire.tree import (
    PathError,
    array_from_lists,
    arrays_from_lists,
    flatten,
    replaced,
    split,
    unflatten,
)

A, B, C = np.zeros(1), np.ones((2, 2)), np.full(3, 2.0)


def same(one, other):
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is other
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize(
    ("tree", "document", "arrays"),
    [
        ({}, {}, {}),
        ({"key": "k", "times": A}, {"key": "k"}, {"times": A}),
        ({"a": {"b": {"c": A}}}, {}, {"a.b.c": A}),
        ({"a": {"b": A, "n": 1}}, {"a": {"n": 1}}, {"a.b": A}),
        ({"weights": [A, B]}, {}, {"weights.0": A, "weights.1": B}),
        ({"weights": (A, B)}, {}, {"weights.0": A, "weights.1": B}),
        ({"tasks": [{"x": A}, {"x": B, "n": 1}]}, {"tasks": [{}, {"n": 1}]}, {"tasks.0.x": A, "tasks.1.x": B}),
        ({"tasks": [[A], [1]]}, {"tasks": [[], [1]]}, {"tasks.0.0": A}),
        ({"empty": [], "none": {}, "null": None}, {"empty": [], "none": {}, "null": None}, {}),
        ({"numbers": [1, 2], "names": ("a", "b")}, {"numbers": [1, 2], "names": ("a", "b")}, {}),
    ],
    ids=str,
)
def test_a_tree_is_its_document_and_its_arrays(tree, document, arrays):
    rest, found = split(tree)
    assert rest == document
    assert same(found, arrays)
    assert list(found) == list(arrays)
    assert list(flatten(tree)) == list(arrays)
    if not any(isinstance(value, tuple) for value in tree.values()):
        assert same(unflatten(found, rest), tree)


def test_an_array_among_other_items_becomes_lists():
    """No path can put an array between items of a list."""
    assert split({"a": [1, B, {"b": C}]}) == ({"a": [1, [[1.0, 1.0], [1.0, 1.0]], {}]}, {"a.2.b": C})


NAMES = st.text("abc", min_size=1, max_size=2)
LEAVES = st.none() | st.integers() | st.text("xyz") | st.builds(np.zeros, st.integers(0, 3))
TREES = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda parts: (
            st.dictionaries(NAMES, parts, min_size=1, max_size=3)
            | st.lists(st.builds(np.zeros, st.integers(0, 3)), min_size=1, max_size=12)
            | st.lists(st.dictionaries(NAMES, parts, min_size=1), min_size=1, max_size=3)
        ),
    ),
    max_size=3,
)


@given(TREES)
def test_splitting_and_joining_are_inverse(tree):
    document, arrays = split(tree)
    assert same(unflatten(arrays, document), tree)
    document, arrays = split(tree)
    assert same(unflatten(dict(reversed(arrays.items())), document), tree), "in any order of the arrays"


def test_quantities_keep_their_order():
    arrays = {"weights.1": B, "weights.0": A, "loss": C, "balance.residual": A, "balance.lambda": B}
    tree = unflatten(arrays)
    assert list(tree) == ["weights", "loss", "balance"]
    assert list(tree["balance"]) == ["residual", "lambda"]
    assert same(tree["weights"], [A, B])


BASE = {"network": {"kind": "balanced", "dims": [2, 2, 2]}, "tasks": [{"n": 1}, {"n": 2}], "flat": 3, "matrix": B}


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("flat", 4, lambda tree: tree["flat"]),
        ("new", [1], lambda tree: tree["new"]),
        ("network.lambda", 0.5, lambda tree: tree["network"]["lambda"]),
        ("network.dims.1", 7, lambda tree: tree["network"]["dims"][1]),
        ("tasks.1.n", 9, lambda tree: tree["tasks"][1]["n"]),
        ("tasks.0", {}, lambda tree: tree["tasks"][0]),
    ],
)
def test_a_value_is_replaced_in_a_copy(path, value, place):
    before = repr(BASE)
    changed = replaced(BASE, path, value)
    assert place(changed) == value
    assert repr(BASE) == before
    untouched = [name for name in BASE if name != path.split(".")[0]]
    assert all(changed[name] is BASE[name] for name in untouched)


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("flat.x", "leads through 'flat', which has no parts"),
        ("matrix.0", "leads through 'matrix', which has no parts"),
        ("network.kind.x", "leads through 'kind', which has no parts"),
        ("times.num", "leads through 'times', which does not exist"),
        ("tasks.2.n", "names item '2' of a list of 2"),
        ("tasks.2", "names item '2' of a list of 2"),
        ("tasks.x", "names item 'x' of a list of 2"),
        ("tasks.-1", "names item '-1' of a list of 2"),
        ("tasks.01", "names item '01' of a list of 2"),
        ("tasks.00.n", "names item '00' of a list of 2"),
        ("tasks." + "9" * 5000, f"names item '{'9' * 5000}' of a list of 2"),
    ],
)
def test_invalid_paths(path, detail):
    with pytest.raises(PathError) as caught:
        replaced(BASE, path, 1)
    assert (caught.value.path, caught.value.detail) == (path, detail)
    assert str(caught.value) == f"{path!r} {detail}"


def test_arrays_from_nested_lists():
    np.testing.assert_array_equal(array_from_lists([[1, None], [2.5, 3]]), [[1.0, np.nan], [2.5, 3.0]])
    tree = arrays_from_lists(
        "quantities", {"loss": [1, 2], "balance": {"lambda": [0.5]}, "weights": [[[1.0]], [[1], [2]]]}
    )
    assert list(tree) == ["loss", "balance", "weights"]
    np.testing.assert_array_equal(tree["loss"], [1.0, 2.0])
    np.testing.assert_array_equal(tree["balance"]["lambda"], [0.5])
    assert [matrix.shape for matrix in tree["weights"]] == [(1, 1), (2, 1)]
