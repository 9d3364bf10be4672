"""Arrays in messages: accepted values, their conversion, and the errors of all others."""

import copy

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from lindyn.wire.array import Matrix, Vector

MATRIX, VECTOR = TypeAdapter(Matrix), TypeAdapter(Vector)


def refusal(adapter, value):
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    (error,) = caught.value.errors()
    assert error["loc"] == ()
    return error["msg"]


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        [[1.0, 2.0], [3.0, 4.0]],
        ((1, 2.0), (3.0, 4)),
        [(1, 2), [3.0, 4]],
        np.array([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]], dtype=np.int8),
        np.array([[1, 2], [3, 4]], dtype=np.uint64),
        np.array([[1, 2], [3, 4]], dtype=np.float32),
        np.array([[1, 2], [3, 4]], dtype=np.float16),
        np.array([[1, 2], [3, 4]], dtype=np.longdouble),
        np.array([[1, 2], [3, 4]], dtype=">f8"),
        np.array([[1, 3], [2, 4]]).T,
        np.array([[1, 2], [3, 4]], order="F"),
        [np.array([1, 2]), [3, 4.0]],
        ([1, 2], np.array([3, 4], dtype=">f4")),
        [np.array([1, 2]), np.array([3.0, 4.0])],
        np.ma.array([[1, 2], [3, 4]]),
        np.arange(16.0).reshape(4, 4)[:2, 1:3] * [[1, 1], [0.6, 2 / 3]],
    ],
    ids=repr,
)
def test_matrices_become_float64(value):
    array = MATRIX.validate_python(value)
    assert array.dtype == np.float64
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert np.allclose(array, [[1, 2], [3, 4]], rtol=1e-15, atol=0)
    assert type(array) is np.ndarray


def test_float32_keeps_its_value():
    assert VECTOR.validate_python(np.array([0.1], dtype=np.float32))[0] == 13421773 / 2**27


def test_integers_beyond_int64_are_accepted():
    assert VECTOR.validate_python([10**30, -(2**64)]).tolist() == [1e30, -(2.0**64)]


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), [1.0, 2.0]], ids=["array", "list"])
def test_arrays_are_copied_and_read_only(value):
    original = copy.copy(value)
    array = VECTOR.validate_python(value)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 3.0
    value[0] = 5.0
    assert array[0] == original[0]


def test_negative_zeros_become_positive():
    assert not np.any(np.signbit(VECTOR.validate_python(np.array([-0.0, 0.0]))))
    assert not np.any(np.signbit(VECTOR.validate_python([-0.0, 0])))


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (None, ["got null", "expected a list"]),
        (3, ["got integer", "expected a list"]),
        (True, ["got boolean", "expected a list"]),
        ("1,2", ["got text", "expected a list"]),
        (b"12", ["got bytes", "expected a list"]),
        ({}, ["got object", "expected a list"]),
        ([], ["got an empty array of shape (0,)", "at least one entry"]),
        ([[]], ["got an empty array of shape (1, 0)", "at least one entry"]),
        ([[], []], ["got an empty array of shape (2, 0)", "at least one entry"]),
        ([1, 2], ["got integer at [0]", "expected a list"]),
        ([[1], 2], ["got integer at [1]", "expected a list"]),
        ([[1], None], ["got null at [1]", "expected a list"]),
        ([[[1]]], ["got list among the entries at [0]", "expected numbers"]),
        ([[1, 2], [3]], ["different lengths (1 and 2)", "expected equal ones"]),
        ([[1], [2, 3], []], ["different lengths (0 and 2)", "expected equal ones"]),
        ([[1, 2], [3, True]], ["got boolean among the entries at [1]", "expected numbers"]),
        ([[1, "2"]], ["got text among the entries at [0]", "expected numbers"]),
        ([[1, None]], ["got null among the entries at [0]", "expected numbers"]),
        ([[1, 2j]], ["got complex among the entries at [0]", "expected numbers"]),
        ([[1, "2", None]], ["got null, text among the entries at [0]", "expected numbers"]),
        ([[1, np.nan]], ["got nan at [0, 1]", "finite numbers up to 1e+70"]),
        ([[1], [np.inf]], ["got inf at [1, 0]", "finite numbers up to 1e+70"]),
        ([[-np.inf, 1]], ["got -inf at [0, 0]", "finite numbers up to 1e+70"]),
        ([[1, 1.01e70]], ["got 1.01e+70 at [0, 1]", "finite numbers up to 1e+70"]),
        ([[1, -(10**71)]], ["got -1e+71 at [0, 1]", "finite numbers up to 1e+70"]),
        ([[1, 10**400]], ["got an integer beyond float64", "up to 1e+70"]),
        ([np.ones(2), np.ones(3)], ["different lengths (2 and 3)", "expected equal ones"]),
        ([np.array([True])], ["got boolean among the entries at [0]", "expected numbers"]),
        ([np.ma.array([1, 2], mask=[0, 1])], ["got null among the entries at [0]", "expected numbers"]),
        (np.ma.array([[1, 2]], mask=[[0, 1]]), ["got a masked entry at [0, 1]", "expected numbers only"]),
        (np.array(1.0), ["got 0 dimensions", "expected 2"]),
        (np.ones(2), ["got 1 dimensions", "expected 2"]),
        (np.ones((2, 2, 2)), ["got 3 dimensions", "expected 2"]),
        (np.ones((2, 0)), ["got an empty array of shape (2, 0)", "at least one entry"]),
        (np.array([[1.0, np.nan]]), ["got nan at [0, 1]", "finite numbers up to 1e+70"]),
        (np.array([[np.longdouble("1e400")]]), ["got inf at [0, 0]", "finite numbers up to 1e+70"]),
        (np.array([[1, 2]], dtype=object), ["got an array of object", "expected real numbers"]),
        (np.array([["1"]]), ["got an array of <U1", "expected real numbers"]),
        (np.array([[True]]), ["got an array of bool", "expected real numbers"]),
        (np.array([[1j]]), ["got an array of complex128", "expected real numbers"]),
        (np.array([["2020-01-01"]], dtype="M8[D]"), ["got an array of datetime64[D]", "expected real numbers"]),
        (np.array([[(1.0,)]], dtype=[("x", "f8")]), ["got an array of [('x', '<f8')]", "expected real numbers"]),
    ],
    ids=repr,
)
def test_refused_matrices(value, texts):
    message = refusal(MATRIX, value)
    for text in texts:
        assert text in message


@pytest.mark.parametrize("value", [[[1.0]], np.ones((1, 1)), 1.0, [True], ["1"], [np.nan], []], ids=repr)
def test_refused_vectors(value):
    assert "expected" in refusal(VECTOR, value)


@pytest.mark.parametrize("largest", [1e70, -1e70])
def test_the_limit_of_numbers_is_inclusive(largest):
    assert VECTOR.validate_python([largest])[0] == largest
    assert "1e+70" in refusal(VECTOR, [float(np.nextafter(largest, 2 * largest))])


def test_json_is_nested_lists():
    array = MATRIX.validate_python([[1, 2], [3, 0.1]])
    assert MATRIX.dump_json(array) == b"[[1.0,2.0],[3.0,0.1]]"
    assert MATRIX.dump_python(array) is array


@pytest.mark.parametrize("braces", ["{x}", "{", "%s"])
def test_texts_with_braces_are_unchanged(braces):
    assert f"('{braces}', '<f8')" in refusal(MATRIX, np.zeros((1, 1), dtype=[(braces, "f8")]))
