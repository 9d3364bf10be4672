"""Changes of the layers' Gram matrices from the network function, against differences in a hundred digits."""

import mpmath as mp
import numpy as np
import pytest
from support.oracle import rate
from support.riccati import gram_matrices

from lindyn_service.dynamics.balanced_changes import balanced_changes
from lindyn_service.dynamics.closed_form import closed_form
from lindyn_service.dynamics.initialization import balanced_weights

TASK = np.array([[1.0, 2.0, -0.5], [0.3, -1.0, 0.7], [0.9, 0.2, 1.1]])


def layers_at(solution, time):
    factors = solution.at(np.array([time]))
    return factors.into.transpose(0, 2, 1), factors.out


@pytest.mark.parametrize("lam", [8.0, -8.0, 1e3, -1e3, 1e7, -1e7])
@pytest.mark.parametrize("time", [1.0, 20.0])
def test_small_changes_have_all_their_digits(lam, time):
    w1, w2 = balanced_weights((3, 3, 3), lam, 0.3, np.random.default_rng(4))
    time /= rate(TASK, lam)
    solution = closed_form(w1, w2, TASK, lam)
    before, after = layers_at(solution, 0.0), layers_at(solution, time)
    out, into, known = balanced_changes(before, after, np.array([lam]))
    assert known.tolist() == [True]
    u, v = solution.modes.u, solution.modes.v
    (into_0, out_0), (into_t, out_t) = gram_matrices(w1, w2, TASK, lam, [0.0, time])
    for got, basis, then, now in ((out[0], u, out_0, out_t), (into[0], v, into_0, into_t)):
        with mp.workdps(100):
            expected = np.array((now - then).tolist(), dtype=float)
        assert np.linalg.norm(basis @ got @ basis.T - expected) <= 2e-13 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("dims", "lam", "scale", "time"),
    [((3, 2, 3), 8.0, 0.3, 1.0), ((3, 3, 3), 0.0, 100.0, 1e-8), ((3, 3, 3), 8.0, 0.3, 1e-9)],
    ids=["hidden units are fewer than outputs", "large weights", "early"],
)
def test_changes_without_their_digits_are_not_known(dims, lam, scale, time):
    w1, w2 = balanced_weights(dims, lam, scale, np.random.default_rng(4))
    solution = closed_form(w1, w2, TASK, lam)
    found = balanced_changes(layers_at(solution, 0.0), layers_at(solution, time), np.array([lam]))
    assert found[2].tolist() == [False]


def test_one_network_does_not_affect_another():
    lams = np.array([8.0, 50.0, 8.0])
    weights = [balanced_weights((3, 3, 3), lam, 0.3, np.random.default_rng(i)) for i, lam in enumerate(lams)]
    solutions = [closed_form(w1, w2, TASK, lam) for (w1, w2), lam in zip(weights, lams, strict=True)]
    before, after = ([layers_at(solution, time) for solution in solutions] for time in (0.0, 0.5))
    after[1] = tuple(np.full_like(layer, np.nan) for layer in after[1])
    together = balanced_changes(
        *(tuple(np.concatenate(layers) for layers in zip(*states, strict=True)) for states in (before, after)), lams
    )
    assert together[2].tolist() == [True, False, True]
    for i in (0, 2):
        alone = balanced_changes(before[i], after[i], lams[i : i + 1])
        for one, other in zip(together[:2], alone[:2], strict=True):
            assert np.allclose(one[i], other[0], rtol=1e-14, atol=0)
