"""Errata of chapter 4 of the thesis: printed statements fail against independent truth, corrected ones hold."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from support import theorems
from support.oracle import integrate, relative_error

from lindyn_service.dynamics.balance import balance
from lindyn_service.dynamics.initialization import balanced_weights


def drawn(dims, lam, seed=0, scale=0.6):
    rng = np.random.default_rng((seed, *dims))
    w1, w2 = balanced_weights(dims, lam, scale, rng)
    return w1, w2, rng.standard_normal((dims[2], dims[0]))


def whitened_data(n_in, n_out, samples, seed):
    """X with X X^T / P = I, and Y; columns are samples."""
    rng = np.random.default_rng(seed)
    x = np.sqrt(samples) * np.linalg.qr(rng.standard_normal((samples, n_in)))[0].T
    return x, rng.standard_normal((n_out, samples))


def loss_of_samples(w, x, y):
    """(2.3)."""
    return np.sum((w @ x - y) ** 2) / (2 * x.shape[1])


def distance_of_spectra(one, other):
    """Between two descending spectra, the shorter one padded with zeros."""
    size = max(len(one), len(other))
    one, other = (np.pad(np.sort(each)[::-1], (0, size - len(each))) for each in (one, other))
    return np.linalg.norm(one - other)


@pytest.mark.parametrize(("dims", "lam"), [((3, 4, 5), 2.0), ((5, 4, 3), -2.0), ((4, 4, 6), 1.0), ((3, 3, 5), -2.0)])
def test_strengths_of_the_layers(dims, lam):
    """Theorems 4.1.1, 4.1.2: n_h - r entries sqrt|lambda|, in one layer, and zeros beyond, while learning and after."""
    n_in, _, n_out = dims
    w1, w2, sigma_yx = drawn(dims, lam)
    sigma_yx += 3 * np.eye(n_out, n_in)
    for a, b in integrate(w1, w2, sigma_yx, np.array([0.0, 0.3, 30.0])):
        s = np.linalg.svd(b @ a, compute_uv=False)[: min(dims)]
        found = [np.linalg.svd(layer, compute_uv=False) for layer in (a, b)]
        corrected = [np.diagonal(each) for each in theorems.layer_strengths(dims, lam, s)]
        extra = np.full(max(0, n_out - n_in), np.sqrt(abs(lam)))
        printed = [np.append(np.sqrt((np.sqrt(lam**2 + 4 * s**2) + sign * lam) / 2), extra) for sign in (-1, 1)]
        assert sum(map(distance_of_spectra, corrected, found)) <= 1e-9
        assert sum(map(distance_of_spectra, printed, found)) > 0.9

    settled = [np.linalg.eigvalsh(block) for block in (a.T @ a, b @ b.T)]
    corrected = theorems.settled_spectra(dims, lam, sigma_yx)
    extra = np.full(max(n_in, n_out), abs(lam))
    root = np.sqrt(lam**2 + 4 * np.linalg.svd(sigma_yx, compute_uv=False) ** 2)
    printed = [np.append((root + sign * lam) / 2, extra) for sign in (-1, 1)]
    assert sum(map(distance_of_spectra, corrected, settled)) <= 1e-9
    assert sum(map(distance_of_spectra, printed, settled)) > 0.9


def test_limit_of_large_lambda():
    """Theorems 4.1.2, 4.2.3: for lambda > 0 the printed limit needs n_h = n_o; else there are two time scales."""
    lam, times = 200.0, np.array([0.0, 0.01, 1.0, 100.0])
    for dims, two_scales in (((3, 3, 5), True), ((5, 3, 3), False)):
        w1, w2, sigma_yx = drawn(dims, lam)
        path = integrate(w1, w2, sigma_yx, times)
        for time, (a, b) in zip(times[1:], path[1:], strict=True):
            printed = sigma_yx + (w2 @ w1 - sigma_yx) * np.exp(-lam * time)
            assert relative_error(b @ a, theorems.large_lambda(w1, w2, sigma_yx, lam, time)) <= 1e-3
            assert (relative_error(printed, b @ a) > 0.1) == two_scales
            assert (relative_error(lam * np.eye(dims[2]), b @ b.T) > 0.5) == two_scales
            assert two_scales or relative_error(printed, b @ a) <= 1e-3


def test_representations_of_a_shallow_network():
    """Theorem 4.2.1: W^T W = V S^2 V^T and W W^T = U S^2 U^T once W = sigma_yx."""
    sigma_yx = np.random.default_rng(42).standard_normal((5, 3))
    w = theorems.shallow(sigma_yx, np.ones((5, 3)), 50.0)
    u, s, v, *_ = theorems.singular(sigma_yx)
    for representation, vectors in ((w.T @ w, v), (w @ w.T, u)):
        assert relative_error((vectors * s**2) @ vectors.T, representation) <= 1e-14
        assert relative_error((vectors * s) @ vectors.T, representation) > 0.2


def cosine(one, other):
    return np.sum(one * other) / (np.linalg.norm(one) * np.linalg.norm(other))


def test_output_score_of_task_specificity():
    """(4.34): the output representation W2 W2^T in both scores; W2^T W2 has another shape, and turns with R."""
    u, s, v, *_ = theorems.singular(np.random.default_rng(43).standard_normal((5, 3)))
    s1, s2 = (strengths[:, :3] for strengths in theorems.layer_strengths((3, 3, 3), -50.0, s))
    rotations = np.linalg.qr(np.random.default_rng(44).standard_normal((2, 3, 3)))[0]
    target = (u * s**2) @ u.T
    layers = [(r @ s1 @ v.T, u @ s2 @ r.T) for r in rotations]
    for w1, w2 in layers:
        assert np.allclose(w2 @ w1, (u * s) @ v.T, atol=1e-14)
        assert cosine(w2 @ w2.T, target) > 0.999  # lambda -> -infinity: task specific
        with pytest.raises(ValueError, match="broadcast"):
            cosine(w2.T @ w2, target)
    square = np.linalg.qr(np.random.default_rng(45).standard_normal((3, 3)))[0]
    printed = [cosine(r @ s2.T @ s2 @ r.T, (square * s**2) @ square.T) for r in rotations]
    assert abs(printed[0] - printed[1]) > 0.1  # for one network function and one pair of representations


def test_rate_of_loss():
    """(4.36): Tr(dW/dt (W - sigma_yx)^T), for the loss of an old task while a new one is learned."""
    x, y = whitened_data(4, 4, 9, seed=46)
    old = y @ x.T / 9
    w1, w2, new = drawn((4, 4, 4), 1.0)
    h, time = 1e-2, 0.4
    path = integrate(w1, w2, new, np.array([0.0, *(time + h * np.arange(-2, 3))]))
    before2, before, _, after, after2 = (loss_of_samples(b @ a, x, y) for a, b in path[1:])
    quotient = (before2 - 8 * before + 8 * after - after2) / (12 * h)
    a, b = path[3]
    assert np.isclose(theorems.loss_rate(a, b, new, old), quotient, rtol=1e-5, atol=0)
    flow = theorems.flow_of_output(a, b, new)
    assert abs(np.trace(flow @ (b @ a).T - old.T) - quotient) > 0.05 * abs(quotient)


def test_loss_of_a_task():
    """(4.40): the constant is 1/(2P) Tr Y Y^T."""
    x, y = whitened_data(3, 5, 8, seed=47)
    w = np.random.default_rng(48).standard_normal((5, 3))
    sigma_yx = y @ x.T / 8
    moving = np.trace(w @ w.T) / 2 - np.trace(w @ sigma_yx.T)
    truth = loss_of_samples(w, x, y)
    assert np.isclose(moving + np.trace(y @ y.T) / 16, truth, rtol=1e-14, atol=0)
    assert abs(moving + np.trace(y @ y.T) / 8 - truth) > 0.2 * truth


def test_nearest_lambda():
    """Theorem 4.5.1: Tr(B) / n_h, as (4.46) has it, against a minimiser."""
    rng = np.random.default_rng(49)
    w1, w2 = rng.standard_normal((4, 3)), rng.standard_normal((6, 4))
    b = w2.T @ w2 - w1 @ w1.T
    best = minimize_scalar(lambda lam: np.linalg.norm(b - lam * np.eye(4)) ** 2).x
    assert np.isclose(theorems.nearest_lambda(w1, w2), best, rtol=1e-6, atol=0)
    assert np.isclose(balance(w1, w2).lam, best, rtol=1e-6, atol=0)
    assert abs(np.trace(b) - best) > 2 * abs(best)


@pytest.mark.parametrize("lam", [20.0, -20.0])
def test_rate_of_convergence(lam):
    """Text of figure 4.3: the excess of W decays at 2 kappa -> |lambda|, the loss at twice that; not at |lambda|/2."""
    w1, w2, sigma_yx = drawn((4, 4, 4), lam)
    u, s, v, *_ = theorems.singular(sigma_yx)
    _, early, late = integrate(w1, w2, sigma_yx, np.array([0.0, 0.5, 0.6]))
    excess = [u.T @ (b @ a - sigma_yx) @ v for a, b in (early, late)]
    rates = np.log(excess[0] / excess[1]) / 0.1
    kappa = np.sqrt(s**2 + lam**2 / 4)
    assert np.allclose(
        rates, kappa[:, None] + kappa, rtol=1e-3, atol=0
    )  # 2 kappa for a mode, between two modes their sum
    assert np.allclose(rates, abs(lam), rtol=0.2, atol=0)
    rate_of_loss = np.log(np.sum(excess[0] ** 2) / np.sum(excess[1] ** 2)) / 0.1
    assert np.isclose(rate_of_loss, 2 * abs(lam), rtol=0.2, atol=0)
    assert min(np.min(rates), rate_of_loss) > 1.9 * abs(lam) / 2
