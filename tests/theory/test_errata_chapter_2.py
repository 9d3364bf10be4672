"""Errata of chapter 2 of the thesis: printed statements fail against independent truth, corrected ones hold."""

import numpy as np
import pytest
from support import theorems
from support.flow import whitened
from support.oracle import integrate, qqt, relative_error
from support.problems import qqt_at, weights_at
from support.service import ask, asking

from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.riccati import solve


def drawn(dims, lam, seed, scale=0.6):
    rng = np.random.default_rng(seed)
    w1, w2 = balanced_weights(dims, lam, scale, rng)
    return w1, w2, rng.standard_normal((dims[2], dims[0]))


@pytest.mark.parametrize("lam", [0.0, 1.5])
def test_factors_of_a_product(lam):
    """(2.2): X = U S R^T, Y = R S V^T multiply to U S^2 V^T; balanced factors have S_2 S_1 = S, others no such R."""
    w1, w2, _ = drawn((3, 3, 3), lam, seed=1)
    product = theorems.singular(w2 @ w1)
    s1, s2 = theorems.layer_strengths((3, 3, 3), lam, product.s)
    r = np.linalg.solve(product.u @ s2, w2).T
    assert np.allclose(r.T @ r, np.eye(3), atol=1e-12)
    assert np.allclose(r @ s1 @ product.v.T, w1, atol=1e-12)
    if lam == 0:
        assert np.allclose(s1, np.sqrt(np.diag(product.s)), atol=1e-14)

    printed = (product.u * product.s) @ r.T @ r @ (product.s[:, None] * product.v.T)
    assert relative_error(printed, w2 @ w1) > 0.2

    general = np.random.default_rng(2).standard_normal((2, 3, 3))
    u = theorems.singular(general[0] @ general[1]).u
    rotated = u.T @ general[0] @ general[0].T @ u  # X = U S_2 R^T would make this S_2^2
    assert np.linalg.norm(rotated - np.diag(np.diagonal(rotated))) > 0.1 * np.linalg.norm(rotated)


def test_shape_of_f():
    """Theorem 2.2.4: F acts on Q Q^T, so it is (n_i + n_o) square, whatever the hidden width."""
    n_in, n_hidden, n_out = 3, 4, 5
    w1, w2, sigma_yx = drawn((n_in, n_hidden, n_out), 2.0, seed=3)
    p = qqt(w1, w2)
    with pytest.raises(ValueError, match="mismatch"):
        np.ones((n_hidden + n_out, n_hidden + n_in)) @ p

    f = theorems.riccati_matrix(sigma_yx, 2.0)
    assert f.shape == p.shape == (n_in + n_out, n_in + n_out)
    error = sigma_yx - w2 @ w1
    q, dq = np.vstack([w1.T, w2]), np.vstack([(w2.T @ error).T, error @ w1.T])
    assert np.allclose(dq @ q.T + q @ dq.T, f @ p + p @ f - p @ p, atol=1e-13)


@pytest.mark.parametrize("dims", [(3, 3, 5), (5, 4, 4)])
def test_unaligned_solution_for_lambda_zero(dims):
    """(2.30), Theorem 2.2.5: each of its misprints, with all else corrected, is wrong; corrected it is the flow."""
    w1, w2, sigma_yx = drawn(dims, 0.0, seed=dims, scale=1.5)
    times = np.array([0.0, 0.2, 0.6])
    worst: dict[str, float] = {}
    for time, layers in zip(times, integrate(w1, w2, sigma_yx, times), strict=True):
        for name, p in _readings_of_2_30(w1, w2, sigma_yx, time).items():
            worst[name] = max(worst.get(name, 0.0), relative_error(p, qqt(*layers)))
    assert worst.pop("corrected") <= 1e-10
    assert len(worst) == 4
    assert min(worst.values()) > 0.05, worst


def _readings_of_2_30(w1, w2, sigma_yx, time):
    z, (start, learned, other, extra) = corrected = theorems.unaligned_zero_balanced(w1, w2, sigma_yx, time)
    inverse_s = np.diag(1 / theorems.singular(sigma_yx).s)
    last = extra / time if time else extra
    return {
        "corrected": corrected.qqt,
        "not inverted": z @ sum(corrected.terms) @ z.T,
        "without the factor 4": theorems.Stable(z, (start, learned, other, extra / 4)).qqt,
        "with the last term": theorems.Stable(z, (start, learned, other, extra, last @ inverse_s)).qqt,
        "e^{-St} - I": theorems.Stable(z, (start, learned, _single_decay(w1, w2, sigma_yx, time), extra)).qqt,
    }


def _single_decay(w1, w2, sigma_yx, time):
    """The C term of (2.30) as printed, with e^{-St} - I for e^{-2St} - I."""
    task, start = theorems.singular(sigma_yx), theorems.singular(w2 @ w1, min(sigma_yx.shape))
    b, c = start.u.T @ task.u + start.v.T @ task.v, start.u.T @ task.u - start.v.T @ task.v
    decay, inverse = np.diag(np.exp(-task.s * time)), np.linalg.inv(b)
    middle = c @ np.diag((np.exp(-task.s * time) - 1) / task.s) @ c.T
    return -decay @ inverse @ middle @ inverse.T @ decay


@pytest.mark.parametrize("seed", range(6))
def test_assumptions_are_not_needed(seed):
    """2.2.1, 2.2.4: B may be singular, as it is for half of all draws with n_h = n, or the task of low rank."""
    n, times = 4, np.array([0.0, 1.0, 12.0])
    w1, w2, _ = drawn((n, n, n), 0.0, seed)
    rng = np.random.default_rng((seed, 1))
    u, v = np.linalg.qr(rng.standard_normal((2, n, n)))[0]
    if np.linalg.det(u) * np.linalg.det(v) * np.linalg.det(w2 @ w1) > 0:
        u[:, 0] *= -1
    s = np.array([3.0, 2.5, 2.0, 1.0])
    for strengths, sign in ((s, 1), (s, -1), (s * [1, 1, 1, 0], 1)):
        task, left = (u * [sign * strengths[0], *strengths[1:]]) @ v.T, u * [sign, 1, 1, 1]
        layers, solution = integrate(w1, w2, task, times), solve(w1, w2, task, 0.0)
        for time, each in zip(times, layers, strict=True):
            assert relative_error(qqt_at(solution, time), qqt(*each)) <= 1e-6
        start = theorems.singular(w2 @ w1)
        b = start.u.T @ left + start.v.T @ v
        opposite = np.linalg.det(w2 @ w1) * np.linalg.det(left) * np.linalg.det(v) < 0
        assert opposite == (sign == 1)
        assert (np.linalg.svd(b, compute_uv=False)[-1] < 1e-12) == opposite
        got1, got2 = weights_at(solution, 1e15)
        learned = strengths * [1, 1, 1, 0] if opposite else strengths
        assert np.allclose(np.diagonal(left.T @ got2 @ got1 @ v), learned, atol=1e-12)


@pytest.mark.live
def test_loss_is_that_of_the_samples():
    """The figures' code averages over all entries of the outputs; the product has 1/(2P) ||W2 W1 X - Y||^2, (2.3)."""
    samples, n_in, n_out = 12, 3, 5
    rng = np.random.default_rng(6)
    inputs = rng.standard_normal((samples, n_in)) @ rng.standard_normal((n_in, n_in))
    targets = rng.standard_normal((samples, n_out))
    w1, w2, _ = drawn((n_in, 3, n_out), 1.0, seed=7)
    times = [0.0, 0.5, 2.0]
    request = {
        "network": {"kind": "weights", "weights": [w1.tolist(), w2.tolist()]},
        "task": {"kind": "data", "inputs": inputs.tolist(), "targets": targets.tolist(), "whiten": True},
        "times": times,
        "quantities": ["loss"],
    }
    with asking(workers=1) as http:
        got = ask(http, request)["quantities"]["loss"]
    x = whitened(inputs)
    path = integrate(w1, w2, targets.T @ x / samples, np.array(times))
    errors = [x @ (b @ a).T - targets for a, b in path]
    over_entries = [np.mean(error**2) for error in errors]
    assert np.allclose(got, [np.sum(error**2) / (2 * samples) for error in errors], rtol=1e-9, atol=0)
    assert np.allclose(np.divide(over_entries, got), 2 / n_out, rtol=1e-9, atol=0)

    scaled = inputs / np.std(inputs, axis=0)
    principal = np.sqrt(samples) * np.linalg.svd(scaled, full_matrices=False)[0]
    start = np.sum((principal @ (w2 @ w1).T - targets) ** 2) / (2 * samples)
    assert abs(start - got[0]) > 0.02 * got[0]
