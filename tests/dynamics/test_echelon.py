"""The echelon form against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lindyn_service.dynamics.echelon import EPS, RowErrors, echelon


def reduced(g):
    """Reduce rows that are accurate to rounding errors of the largest of them."""
    errors = np.full(g.shape, EPS * np.linalg.norm(g))
    return echelon(g, RowErrors(errors[:, 0], errors))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_same_gram_matrix_and_shape(n_rows, n_hidden, rank, seed):
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((n_rows, rank)) @ rng.standard_normal((rank, n_hidden))
    found = reduced(g)
    size = np.linalg.norm(g) ** 2
    assert np.allclose(found.lower @ found.lower.T, g @ g.T, atol=1e-13 * size)
    for column, row in enumerate(found.pivots):
        assert not np.any(found.lower[:row, column])
        assert abs(found.lower[row, column]) > 0


def test_rows_without_new_direction_are_reported():
    g = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 0.0]])
    found = reduced(g)
    assert list(found.pivots) == [0, 2]
    assert list(found.unreached) == [1, 3]


def test_rows_after_the_last_hidden_unit_are_included():
    found = reduced(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    assert list(found.pivots) == [0, 1]
    assert len(found.unreached) == 0


@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-9])
def test_rounding_behind_a_small_pivot_is_no_pivot(small):
    """A direction obtained by division by a small pivot is only accurate to eps / pivot."""
    rng = np.random.default_rng(2)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    g = np.array([[1.0, 0.0, 0.0], [1.0, small, 0.0], [0.3, 1.0, 0.0]]) @ rotation
    assert list(reduced(g).unreached) == [2]


def test_entries_with_relative_accuracy_give_overlaps_of_any_size():
    """If a row is only accurate relative to its norm, its small entries are rounding errors of the large ones."""
    g = np.array([[1.0, 0.0, 0.0], [0.0, 1e-25, 0.0], [1.0, 0.0, 1e-17]])
    of_rows, of_entries = EPS * np.linalg.norm(g, axis=1), EPS * np.abs(g)
    assert list(echelon(g, RowErrors(of_rows, of_entries)).pivots) == [0, 1, 2]
    known_as_wholes = echelon(g, RowErrors(of_rows, np.repeat(of_rows[:, None], 3, axis=1)))
    assert list(known_as_wholes.pivots) == [0, 1]
    assert list(known_as_wholes.unreached) == [2]


def test_a_row_that_differs_from_a_pivot_by_rounding_only():
    """A change of each entry by one unit in the last place can reverse the decision."""
    first = np.array([0.3, 0.4, 0.5])
    g = np.stack([first, first + np.array([0.0, 0.0, EPS / 2])])
    found = echelon(g, RowErrors(EPS * np.linalg.norm(g, axis=1), EPS * np.abs(g)))
    assert list(found.unreached) == [1]
    assert 0.05 < found.remainders[1] / found.remainder_errors[1] < 5
