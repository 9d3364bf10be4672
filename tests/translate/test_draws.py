"""Random networks and tasks of requests have no preferred directions beyond those that the request determines."""

import numpy as np
import pytest
from support.chance import assert_even, assert_isotropic

from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import InitializationRequest
from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import read
from lindyn_service.translate.balance import initialization
from lindyn_service.translate.limits import limits

DRAWS = 400


def started(dims, lam, task=None, **changes):
    """Initial weights of many seeds, (draw, hidden, in) and (draw, out, hidden)."""
    layers = []
    for seed in range(DRAWS):
        network = {"kind": "balanced", "dims": dims, "lambda": lam, "scale": 0.5, "seed": seed, **changes}
        request = read(InitializationRequest, {"network": network, "task": task}, conflicts)
        layers.append(initialization(request, "key")["weights"])
    first, second = zip(*layers, strict=True)
    return np.array(first), np.array(second)


def assert_no_direction_is_favoured(factors):
    """Check the Gram matrix, and the directions that have weights."""
    assert_isotropic(factors @ factors.mT)
    left, strengths, _ = np.linalg.svd(factors, full_matrices=False)
    used = left * (strengths > 1e-9 * strengths[:, :1])[:, None, :]
    assert_isotropic(used @ used.mT)


def rotated(seed, n):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]


def task_of(n_in, n_out, values):
    """A task with these singular values, and bases whose first columns are their singular vectors."""
    u, v = rotated(1, n_out), rotated(2, n_in)
    rank = len(values)
    return ((u[:, :rank] * values) @ v[:, :rank].T).tolist(), u, v


@pytest.mark.parametrize(
    ("dims", "lam"), [([1, 2, 5], 1.0), ([5, 2, 1], -1.0), ([2, 3, 5], 4.0), ([4, 3, 2], -4.0), ([3, 2, 4], 0.0)]
)
def test_balanced_networks_have_no_preferred_directions(dims, lam):
    w1, w2 = started(dims, lam)
    assert_no_direction_is_favoured(w1.mT)
    assert_no_direction_is_favoured(w2)


def test_balanced_networks_within_the_span_of_the_inputs():
    """Inputs that span two dimensions, three hidden units, five outputs."""
    basis = rotated(3, 4)[:, :2]
    inputs = np.random.default_rng(4).standard_normal((6, 2)) @ basis.T
    task = {"kind": "data", "inputs": inputs.tolist(), "targets": np.eye(6, 5).tolist(), "whiten": True}
    w1, w2 = started([4, 3, 5], 1.0, task)
    assert np.allclose(w1 @ basis @ basis.T, w1, atol=1e-13)
    assert_no_direction_is_favoured((w1 @ basis).mT)
    assert_no_direction_is_favoured(w2)


@pytest.mark.parametrize(
    ("dims", "lam", "values"),
    [
        ([1, 2, 5], 1.0, [2.0]),
        ([5, 2, 1], -1.0, [2.0]),
        ([2, 3, 5], 1.0, [2.0, 1.0]),
        ([4, 4, 4], 0.0, [2.0]),
        ([4, 4, 4], 1.0, [2.0, 1.0]),
        ([4, 3, 4], -1.0, [2.0]),
        ([3, 2, 5], 1.0, [1.0]),
        ([3, 3, 3], 0.5, [0.0]),
    ],
)
def test_aligned_networks_are_uniform_beyond_the_modes_of_the_task(dims, lam, values):
    """They have the singular vectors of its modes; on both sides the other directions are uniform."""
    task, u, v = task_of(dims[0], dims[2], values)
    rank = np.count_nonzero(values)
    w1, w2 = started(dims, lam, task, aligned=True)
    function = u.T @ w2 @ w1 @ v
    assert np.allclose(function[:, rank:, :rank], 0, atol=1e-13)
    assert np.allclose(function[:, :rank, rank:], 0, atol=1e-13)
    modes = function[:, :rank, :rank] - np.diagonal(function, axis1=1, axis2=2)[:, :rank, None] * np.eye(rank)
    assert np.allclose(modes, 0, atol=1e-13)
    for silent in (u[:, rank:].T @ w2, (w1 @ v[:, rank:]).mT):
        with_weights = silent[np.linalg.norm(silent, axis=(1, 2)) > 1e-9]
        assert len(with_weights) in (0, DRAWS)
        if len(with_weights):
            assert_no_direction_is_favoured(with_weights)


def test_aligned_networks_of_a_task_of_full_rank_are_determined():
    """Up to signs of the hidden units, U and V are those of the task."""
    task, u, v = task_of(3, 3, [3.0, 2.0, 1.0])
    w1, w2 = started([3, 3, 3], 0.5, task, aligned=True)
    strengths = u.T @ w2 @ w1 @ v
    assert np.allclose(strengths, np.diagonal(strengths, axis1=1, axis2=2)[:, :, None] * np.eye(3), atol=1e-13)
    assert np.all(np.diagonal(strengths, axis1=1, axis2=2) > 0)


def test_spectrum_tasks_have_uniform_singular_vectors():
    """They are observed in the limit of the shallow network."""
    values, outputs = [2.0, 1.0, 0.5], []
    for seed in range(DRAWS):
        task = {"kind": "spectrum", "singular_values": values, "seed": seed}
        network = {"kind": "balanced", "dims": [3, 1, 3], "lambda": 1.0, "seed": 1}
        request = read(LimitsRequest, {"network": network, "task": task}, conflicts)
        outputs.append(limits(request, "key")["shallow"]["output"])
    sigma_yx = np.array(outputs)
    assert_even(np.sign(sigma_yx))
    assert_even(np.sign(np.linalg.det(sigma_yx)))
    u, _, vt = np.linalg.svd(sigma_yx)
    for i in range(3):
        assert_isotropic(u[:, :, i, None] * u[:, None, :, i])
        assert_isotropic(vt[:, i, :, None] * vt[:, i, None, :])
