"""The corrected theorems against the gradient flow, and the product's exact solution against them."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import cholesky, expm, solve_triangular
from support import theorems
from support.oracle import integrate, qqt, relative_error
from support.problems import qqt_at, weights_at

from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.dynamics.riccati import solve

TIMES = np.array([0.0, 0.3, 1.0, 3.0])
EPS = np.finfo(float).eps


def rng_of(*seed):
    return np.random.default_rng(seed)


def drawn(dims, lam, seed=0, scale=0.6):
    rng = rng_of(seed, *dims)
    w1, w2 = balanced_weights(dims, lam, scale, rng)
    return w1, w2, rng.standard_normal((dims[2], dims[0]))


def drawn_with_overlap(dims, lam):
    """For equal widths and lambda = 0 half of all draws have a singular B; here the determinants' signs agree."""
    w1, w2, sigma_yx = drawn(dims, lam)
    if len(set(dims)) == 1 and np.linalg.det(w2 @ w1) * np.linalg.det(sigma_yx) < 0:
        sigma_yx[0] *= -1
    return w1, w2, sigma_yx


def rounding(stable):
    """What the formula loses by inverting its bracket, which is worst at time 0."""
    return 30 * EPS * np.linalg.cond(sum(stable.terms))


@pytest.mark.parametrize("dims", [(2, 2, 2), (4, 4, 4), (3, 3, 5), (5, 4, 4), (3, 6, 4), (6, 3, 3), (1, 1, 7)])
def test_theorem_2_2_5(dims):
    w1, w2, sigma_yx = drawn_with_overlap(dims, 0.0)
    solution = solve(w1, w2, sigma_yx, 0.0)
    doubt = rounding(theorems.unaligned_zero_balanced(w1, w2, sigma_yx, 0.0))
    for time, layers in zip(TIMES, integrate(w1, w2, sigma_yx, TIMES), strict=True):
        oracle = theorems.unaligned_zero_balanced(w1, w2, sigma_yx, time).qqt
        assert relative_error(oracle, qqt(*layers)) <= 1e-10
        assert relative_error(qqt_at(solution, time), oracle) <= doubt


@pytest.mark.parametrize("lam", [-20.0, -0.5, 1e-3, 1.0, 30.0])
@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_theorem_3_3_1(n, lam):
    w1, w2, sigma_yx = drawn_with_overlap((n, n, n), lam)
    solution = solve(w1, w2, sigma_yx, lam)
    # as printed, X and S_1 are differences, of nearly equal numbers for small and large lambda
    doubt = rounding(theorems.unaligned_balanced(w1, w2, sigma_yx, lam, 0.0)) + 30 * EPS * (abs(lam) + 1 / abs(lam))
    for time, layers in zip(TIMES, integrate(w1, w2, sigma_yx, TIMES), strict=True):
        oracle = theorems.unaligned_balanced(w1, w2, sigma_yx, lam, time).qqt
        assert relative_error(oracle, qqt(*layers)) <= 1e-10
        assert relative_error(qqt_at(solution, time), oracle) <= doubt


@pytest.mark.parametrize("lam", [-20.0, -0.5, 0.0, 1.0, 30.0])
@pytest.mark.parametrize("dims", [(3, 3, 3), (4, 4, 6), (6, 4, 4)])
def test_theorem_3_2_1_and_the_sigmoid(dims, lam):
    if (lam > 0 and dims[1] > dims[2]) or (lam < 0 and dims[1] > dims[0]):
        dims = dims[::-1]
    rng = rng_of(*dims)
    s = np.array([2.5, 1.2, 0.4, 0.1])[: min(dims)]
    u, v = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (dims[2], dims[0]))
    sigma_yx = (u[:, : len(s)] * s) @ v[:, : len(s)].T
    w1, w2 = balanced_weights(dims, lam, 0.5, rng, Directions(u, v))
    strengths = [np.diagonal(u.T @ b @ a @ v) for a, b in integrate(w1, w2, sigma_yx, TIMES)]
    solution = solve(w1, w2, sigma_yx, lam)
    for time, flow in zip(TIMES, strengths, strict=True):
        if lam:
            oracle = theorems.aligned_balanced(s, strengths[0], lam, time)
        else:
            oracle = theorems.aligned_zero_balanced(s, strengths[0], time)
        got1, got2 = weights_at(solution, time)
        assert np.allclose(oracle, flow, rtol=1e-9, atol=1e-11)
        assert np.allclose(np.diagonal(u.T @ got2 @ got1 @ v), oracle, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("lam", [-3.0, 0.2, 5.0])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 5)])
def test_theorem_3_4_2(shape, lam):
    sigma_yx = rng_of(*shape).standard_normal(shape)
    vectors, values = theorems.eigenvectors(sigma_yx, lam)
    assert np.allclose(vectors.T @ vectors, np.eye(sum(shape)), atol=1e-14)
    assert np.allclose((vectors * values) @ vectors.T, theorems.riccati_matrix(sigma_yx, lam), atol=1e-13)
    assert np.allclose(solve(*_still(shape), sigma_yx, lam).modes.eigenvalues, np.sort(values)[::-1], atol=1e-13)


def _still(shape):
    return np.zeros((1, shape[1])), np.zeros((shape[0], 1))


@pytest.mark.parametrize(
    ("dims", "lam"), [((3, 4, 5), 2.0), ((5, 4, 3), -2.0), ((3, 3, 5), -2.0), ((5, 2, 4), 2.0), ((4, 4, 4), 0.5)]
)
def test_theorems_4_1_1_and_4_1_2(dims, lam):
    w1, w2, sigma_yx = drawn(dims, lam)
    sigma_yx += 2 * np.eye(*sigma_yx.shape)  # strong modes settle soon
    for a, b in integrate(w1, w2, sigma_yx, TIMES):
        s = np.linalg.svd(b @ a, compute_uv=False)[: min(dims)]
        for layer, strengths in zip((a, b), theorems.layer_strengths(dims, lam, s), strict=True):
            expected = np.sort(np.diagonal(strengths))[::-1]
            assert np.allclose(np.linalg.svd(layer, compute_uv=False), expected, atol=1e-10)
    got = qqt_at(solve(w1, w2, sigma_yx, lam), 1e8)
    blocks = got[: dims[0], : dims[0]], got[dims[0] :, dims[0] :]
    for block, expected in zip(blocks, theorems.settled_spectra(dims, lam, sigma_yx), strict=True):
        assert np.allclose(np.linalg.eigvalsh(block)[::-1], expected, atol=1e-13)


@pytest.mark.parametrize(("dims", "sign"), [((4, 3, 3), 1), ((3, 3, 4), -1), ((3, 3, 5), 1), ((5, 2, 4), -1)])
def test_theorem_4_2_3(dims, sign):
    """The error falls as 1/lambda^2, at times of both scales."""
    errors = []
    for size in (1e3, 1e4):
        lam = sign * size
        w1, w2 = balanced_weights(dims, lam, 0.6, rng_of(3, *dims))
        sigma_yx = rng_of(4, *dims).standard_normal((dims[2], dims[0]))
        solution = solve(w1, w2, sigma_yx, lam)
        worst = 0.0
        for time in (0.3 / size, 1 / size, 4 / size, 0.1 * size, 0.5 * size, 2 * size):
            got1, got2 = weights_at(solution, time)
            expected = theorems.large_lambda(w1, w2, sigma_yx, lam, time)
            worst = max(worst, relative_error(got2 @ got1, expected))
        errors.append(worst)
    assert errors[0] <= 1e-4
    assert errors[1] <= errors[0] / 50


@pytest.mark.parametrize("scheme", ["lecun", "glorot", "he", "scaled"])
def test_table_3_2(scheme):
    """20,000 draws: the mean is known to 1 %, the variances, over many entries, to 3 %."""
    dims, gains, draws = (4, 8, 12), (1.5, 2.0), 20_000
    rng = rng_of(5)
    variance_1, variance_2 = theorems.initialization_variances(scheme, dims, gains)
    w1 = np.sqrt(variance_1) * rng.standard_normal((draws, dims[1], dims[0]))
    w2 = np.sqrt(variance_2) * rng.standard_normal((draws, dims[2], dims[1]))
    b = w2.transpose(0, 2, 1) @ w2 - w1 @ w1.transpose(0, 2, 1)
    mean, spread = theorems.balance_moments(dims, variance_1, variance_2)
    ratios = {"k": dims[1] / dims[0], "r": dims[2] / dims[0], "gains": gains}
    assert np.isclose(theorems.expected_lambda(scheme, **ratios), mean, rtol=1e-14, atol=0)
    assert np.isclose(theorems.balance_spread(scheme, dims[0], **ratios), spread[0, 1], rtol=1e-14, atol=0)
    assert np.allclose(b.mean(axis=0), mean * np.eye(dims[1]), atol=0.02 * np.sqrt(spread[0, 0]) * 2)
    assert np.allclose(b.var(axis=0) / spread, 1, atol=0.1)
    assert np.isclose(np.mean(b.var(axis=0) / spread), 1, atol=0.03)


@pytest.mark.parametrize(("dims", "lam"), [((3, 3, 5), 1.0), ((4, 2, 3), -0.7), ((3, 5, 3), 0.0)])
def test_true_weights_are_a_rotation_away(dims, lam):
    """docs/theory.md: W = Q R with Q the Cholesky factor of P and dR/dt = 1/2 (triu(N, 1) - tril(N, -1)) R."""
    w1, w2, sigma_yx = drawn(dims, lam)
    f, q0, n_hidden = theorems.riccati_matrix(sigma_yx, lam), np.vstack([w1.T, w2]), dims[1]
    values, vectors = np.linalg.eigh(f)
    assert np.all(values != 0)

    def gauge(time):
        grown = expm(f * time) @ q0
        integral = (vectors * np.expm1(2 * values * time) / (2 * values)) @ vectors.T
        lower = cholesky(np.eye(n_hidden) + q0.T @ integral @ q0, lower=True)
        return solve_triangular(lower, grown.T, lower=True).T

    def velocity(time, r):
        n = gauge(time).T @ gauge(time)
        return (0.5 * (np.triu(n, 1) - np.tril(n, -1)) @ r.reshape(n_hidden, n_hidden)).ravel()

    turn = solve_ivp(velocity, (0, 3), np.eye(n_hidden).ravel(), method="DOP853", t_eval=TIMES, rtol=1e-10, atol=1e-12)
    for time, r, (a, b) in zip(TIMES, turn.y.T, integrate(w1, w2, sigma_yx, TIMES), strict=True):
        true = gauge(time) @ r.reshape(n_hidden, n_hidden)
        assert relative_error(true, np.vstack([a.T, b])) <= 1e-8
    assert relative_error(gauge(3.0), np.vstack([a.T, b])) > 0.01
