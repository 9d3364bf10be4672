"""Similarity of representations against the definitions, with a pseudo-inverse made from the defining equations."""

import numpy as np
import pytest
from support.frames import coloured, of_layers, white

from lindyn_service.dynamics.similarity import rsm_input, rsm_output, task_specificity
from lindyn_service.dynamics.tasks import Moments

CASES = {
    "white": white((3, 2, 4), samples=False),
    "isotropic": white((2, 3, 2), variance=0.25, seed=1),
    "span": white((4, 2, 3), variance=0.5, rank=2, seed=2),
    "coloured": coloured((3, 4, 2), seed=3),
    "coloured, moments": coloured((3, 2, 5), samples=False, seed=4),
    "three layers": coloured((3, 2, 4, 2), seed=5),
}


def task_of(moments, which):
    """Representations of the task, V S V^T and V S^2 V^T or the same with U."""
    u, s, vt = np.linalg.svd(moments.sigma_yx, full_matrices=False)
    vectors = vt.T if which == "input" else u
    return (vectors * s) @ vectors.T, (vectors * s**2) @ vectors.T


def cosine(a, b):
    return np.trace(a.T @ b) / np.sqrt(np.trace(a.T @ a) * np.trace(b.T @ b))


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_input_similarity_is_that_of_the_hidden_units(seen):
    got = rsm_input(seen.frame)
    for i, layers in enumerate(seen.path):
        hidden = [layers[0] @ x for x in seen.x.T]
        assert np.allclose(got[i], [[a @ b for b in hidden] for a in hidden], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_output_similarity_is_that_of_the_least_hidden_units(seen):
    """Y^T (W W^T)^+ Y: hidden activity of the smallest norm that comes closest to the targets."""
    got = rsm_output(seen.frame)
    for i, layers in enumerate(seen.path):
        hidden = [np.linalg.lstsq(layers[-1], y, rcond=1e-10)[0] for y in seen.y.T]
        assert np.allclose(got[i], [[a @ b for b in hidden] for a in hidden], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("seen", CASES.values(), ids=CASES)
def test_task_specificity(seen):
    got = task_specificity(seen.frame)
    for i, layers in enumerate(seen.path):
        for which, gram in (("input", layers[0].T @ layers[0]), ("output", layers[-1] @ layers[-1].T)):
            expected = max(cosine(gram, task) for task in task_of(seen.moments, which))
            assert np.isclose(got[which][i], expected, rtol=1e-11, atol=0)


def test_without_samples_the_targets_explain_the_moments():
    """X X^T = sigma_xx and Y X^T = sigma_yx, also where inputs do not span the space."""
    direction = np.array([[1.0, 2.0, 2.0]]) / 3
    sigma_xx = 4 * direction.T @ direction
    moments = Moments(np.array([[3.0], [1.0]]) @ direction, sigma_xx)
    seen = of_layers(moments, [(np.eye(3), np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))])
    assert np.allclose(rsm_input(seen.frame)[0], sigma_xx)
    # X = 2 d d^T, so Y = (3, 1)^T d / 2
    assert np.allclose(rsm_output(seen.frame)[0], ((3 / 2) ** 2 / 4 + (1 / 2) ** 2) * direction.T @ direction)


def rank_deficient(last):
    """Observe samples with the given last layer."""
    seen = coloured((3, last.shape[1], len(last)), seed=6)
    return of_layers(seen.moments, [(seen.path[0][0], last)])


@pytest.mark.parametrize("small", [0.0, 1e-17, 1e-15])
def test_directions_of_the_last_layer_that_are_rounding_errors_count_as_none(small):
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((4, 4)))[0]
    seen = rank_deficient(turn[:, :2] @ np.diag([2.0, 0.5]) @ turn[:2] + small * turn[:, 2:3] @ turn[2:3] / 10)
    inverse = turn[:, :2] @ np.diag([1 / 4, 4.0]) @ turn[:, :2].T
    assert np.allclose(rsm_output(seen.frame)[0], seen.y.T @ inverse @ seen.y, rtol=1e-12, atol=1e-12)


def test_small_directions_that_are_no_rounding_errors_count():
    seen = rank_deficient(np.diag([1.0, 1e-13]))
    assert np.allclose(rsm_output(seen.frame)[0], seen.y.T @ np.diag([1.0, 1e26]) @ seen.y, rtol=1e-10, atol=0)


def test_weights_of_zero():
    seen = coloured((3, 2, 4), seed=8)
    still = of_layers(seen.moments, [tuple(0 * w for w in seen.path[0])]).frame
    assert not np.any(rsm_input(still))
    assert not np.any(rsm_output(still))
    assert task_specificity(still) == {"input": [0.0], "output": [0.0]}


def test_a_task_of_zero():
    seen = coloured((3, 2, 4), seed=9)
    nothing = of_layers(Moments(np.zeros((4, 3)), seen.moments.sigma_xx), seen.path[:1]).frame
    assert task_specificity(nothing) == {"input": [0.0], "output": [0.0]}
    assert not np.any(rsm_output(nothing))


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e140])
def test_representations_of_the_task_are_specific_to_it(scale):
    """W1^T W1 = V S V^T and W2 W2^T = U S^2 U^T have specificity 1, and a direction without a mode has less."""
    u, v = (np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0] for seed in (10, 11))
    s = np.array([3.0, 1.0, 0.0])
    moments = Moments(u @ np.diag(scale * s) @ v.T)
    learned = (np.diag(np.sqrt(s)) @ v.T, u @ np.diag(s))
    other = (v[:, 2:].T, u[:, 2:])
    found = task_specificity(of_layers(moments, [learned]).frame)
    assert np.isclose(found["input"][0], 1, rtol=1e-13, atol=0)
    assert np.isclose(found["output"][0], 1, rtol=1e-13, atol=0)
    found = task_specificity(of_layers(moments, [other]).frame)
    assert found["input"][0] <= 1e-13
    assert found["output"][0] <= 1e-13


def test_specificity_of_rank_deficient_weights():
    """Weights along the first mode only: cosines s1 / |s| and s1^2 / |s^2|, of which the second is larger."""
    s = np.array([3.0, 2.0])
    seen = of_layers(Moments(np.diag(s)), [(np.array([[7.0, 0.0]]), np.array([[5.0], [0.0]]))])
    found = task_specificity(seen.frame)
    assert np.isclose(found["input"][0], 9 / np.sqrt(97), rtol=1e-14, atol=0)
    assert np.isclose(found["output"][0], 9 / np.sqrt(97), rtol=1e-14, atol=0)
