"""The neural tangent kernel against the Jacobian of the network function, and its norms against the formed kernel."""

from functools import partial, reduce

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.frames import coloured, of_layers, white

from lindyn_service.dynamics.kernel import ntk, ntk_distance, ntk_movement, ntk_norm
from lindyn_service.dynamics.tasks import Moments

CASES = {
    "white": white((3, 2, 4), samples=False),
    "isotropic": white((2, 3, 2), variance=0.25, seed=1),
    "span": white((4, 2, 3), variance=0.5, rank=2, seed=2),
    "coloured": coloured((3, 4, 2), seed=3),
    "coloured, moments": coloured((3, 2, 3), samples=False, seed=4),
    "three layers": coloured((3, 2, 4, 2), seed=5),
    "three layers, moments": coloured((2, 3, 2, 3), samples=False, seed=6),
    "four layers": coloured((2, 3, 2, 3, 2), seed=7),
}


def jacobian(layers, x):
    """Jacobian of all outputs, in rows o P + p, by all weights; exact because outputs are linear in each weight."""
    columns = []
    for i, w in enumerate(layers):
        for place in np.ndindex(w.shape):
            unit = np.zeros(w.shape)
            unit[place] = 1.0
            changed = (*layers[:i], unit, *layers[i + 1 :])
            columns.append(reduce(lambda below, layer: layer @ below, changed, x).ravel())
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_kernel_of_the_jacobian(seen):
    got = ntk(seen.frame)
    for i, layers in enumerate(seen.path):
        j = jacobian(layers, seen.x)
        assert np.allclose(got[i], j @ j.T, rtol=0, atol=1e-12 * np.sum(j * j))


def test_rows_are_outputs_before_samples():
    """Rows are o P + p: of two outputs and two unit samples, only output 1 has weights of the second layer."""
    w2 = np.array([[0.0, 0.0], [1.0, 2.0]])
    w1 = np.array([[3.0, 0.0], [0.0, 5.0]])
    seen = of_layers(Moments(np.array([[1.0, 2.0], [3.0, 5.0]])), [(w1, w2)])
    first, second = np.diag([9.0, 25.0]), np.diag([14.0, 30.0])
    assert np.allclose(ntk(seen.frame)[0], np.block([[first, np.zeros((2, 2))], [np.zeros((2, 2)), second]]))


seeds = st.integers(0, 2**32)
problems = st.one_of(
    st.builds(
        partial,
        st.just(coloured),
        st.lists(st.integers(1, 5), min_size=3, max_size=5).map(tuple),
        samples=st.booleans(),
        seed=seeds,
    ),
    st.builds(
        partial,
        st.just(white),
        st.tuples(*[st.integers(1, 5)] * 3),
        variance=st.sampled_from([1.0, 0.125, 8.0]),
        samples=st.booleans(),
        seed=seeds,
    ),
)


@settings(max_examples=100, deadline=None)
@given(problem=problems)
@example(problem=partial(coloured, (3, 1, 3, 1, 3), samples=False, seed=71))  # the kernel shrinks 450 times
def test_norms_are_those_of_the_formed_kernel(problem):
    seen = problem()
    kernel, start = ntk(seen.frame), ntk(seen.frame.start)
    norm, start_norm = np.linalg.norm(kernel, axis=(1, 2)), np.linalg.norm(start)
    cosine = np.sum(kernel * start, axis=(1, 2)) / (norm * start_norm)
    assert np.allclose(ntk_norm(seen.frame), norm, rtol=1e-12, atol=0)
    assert np.allclose(ntk_distance(seen.frame), 1 - cosine, rtol=0, atol=1e-12)
    movement = np.linalg.norm(kernel - start, axis=(1, 2)) / start_norm
    assert np.allclose(ntk_movement(seen.frame), movement, rtol=1e-12, atol=1e-12)


def scaled_path(*factors):
    """Three layers on coloured inputs, each time multiplied by a number."""
    seen = coloured((3, 2, 4, 2), seed=8)
    return of_layers(seen.moments, [tuple(factor * w for w in seen.path[0]) for factor in factors])


def test_kernels_that_are_zero():
    from_zero = scaled_path(0.0, 0.0, 1.0).frame
    assert not np.any(ntk(from_zero)[:2])
    assert np.array_equal(ntk_norm(from_zero) > 0, [False, False, True])
    assert np.array_equal(ntk_distance(from_zero), [0.0, 0.0, 1.0])
    assert np.array_equal(ntk_movement(from_zero), [0.0, 0.0, 0.0])
    to_zero = scaled_path(1.0, 0.0).frame
    assert np.allclose(ntk_distance(to_zero), [0.0, 1.0], atol=1e-15)
    assert np.allclose(ntk_movement(to_zero), [0.0, 1.0])


def test_a_kernel_that_grows_keeps_its_direction():
    """Three layers twice as large: a kernel 2^4 times as large, at distance 0."""
    frame = scaled_path(1.0, 2.0).frame
    assert np.allclose(ntk_norm(frame) / ntk_norm(frame)[0], [1, 16], rtol=1e-14, atol=0)
    assert np.allclose(ntk_distance(frame), 0, atol=1e-15)
    assert np.allclose(ntk_movement(frame), [0, 15], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("step", [1e-4, 1e-8, 1e-12])
def test_small_movements_keep_their_digits(step):
    """Three layers (1 + step) times as large: a kernel (1 + step)^4 times as large."""
    frame = scaled_path(1.0, 1 + step).frame
    # the weights themselves are rounded
    assert np.isclose(ntk_movement(frame)[1], np.expm1(4 * np.log1p(step)), rtol=1e-13 + 1e-15 / step, atol=0)


def test_kernels_of_a_single_entry_are_parallel():
    """With one input without samples and one output, the kernel is a number, and its direction is fixed."""
    seen = of_layers(Moments(np.ones((1, 1))), [(np.full((1, 1), x), np.ones((1, 1))) for x in (1.0, 3.0)])
    assert np.array_equal(ntk_distance(seen.frame), [0.0, 0.0])
