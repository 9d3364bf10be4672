"""Errata of chapter 3 of the thesis: printed statements fail against independent truth, corrected ones hold."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from support import theorems
from support.oracle import integrate, qqt, relative_error

from lindyn_service.dynamics.initialization import balanced_weights

DRAWS = 50_000


def sampled_balance(dims, deviation_1, deviation_2, draws=DRAWS):
    rng = np.random.default_rng(31)
    w1 = deviation_1 * rng.standard_normal((draws, dims[1], dims[0]))
    w2 = deviation_2 * rng.standard_normal((draws, dims[2], dims[1]))
    return w2.transpose(0, 2, 1) @ w2 - w1 @ w1.transpose(0, 2, 1)


def drawn(dims, lam, seed=0, scale=0.6):
    rng = np.random.default_rng((seed, *dims))
    w1, w2 = balanced_weights(dims, lam, scale, rng)
    return w1, w2, rng.standard_normal((dims[2], dims[0]))


def test_variance_of_the_balance():
    """Theorem 3.1.1 (2): 2 on the diagonal, not 4 (nor the 3 + ... of the proof), in units of the off-diagonal."""
    dims, unit = (2, 3, 4), 4 * 1.1**4 + 2 * 0.7**4
    variance = sampled_balance(dims, 0.7, 1.1).var(axis=0) / unit
    expected = theorems.balance_moments(dims, 0.7**2, 1.1**2)[1] / unit
    assert np.allclose(variance, expected, atol=0.1)
    assert np.isclose(np.mean(np.diagonal(variance)), 2, atol=0.04)
    assert np.all(np.abs(np.diagonal(variance) - 4) > 1.8)


def test_scaled_initialization():
    """Tables 3.1, 3.2: variance alpha^2 / n, not alpha / n as the text has it; the spread has alpha^4, not alpha^2."""
    dims, gains, k, r = (4, 8, 12), (1.5, 2.0), 2.0, 3.0
    variances = theorems.initialization_variances("scaled", dims, gains)
    b = sampled_balance(dims, *np.sqrt(variances), draws=10_000)
    mean, spread = np.mean(np.diagonal(b.mean(axis=0))), np.mean(b.var(axis=0)[~np.eye(8, dtype=bool)])
    assert np.isclose(mean, theorems.expected_lambda("scaled", k, r, gains), rtol=0.02, atol=0)
    assert np.isclose(spread, theorems.balance_spread("scaled", dims[0], k, r, gains), rtol=0.02, atol=0)

    with_variance_of_the_text = r / k * gains[1] - gains[0]
    printed_in_table_3_2 = (r * gains[1] ** 2 / k**2 + gains[0] ** 2) / dims[0]
    assert abs(with_variance_of_the_text - mean) > 0.5 * mean
    assert abs(printed_in_table_3_2 - spread) > 0.5 * spread


@pytest.mark.parametrize(
    ("dims", "printed", "holds"),
    [
        ((1000, 500, 1), 2.0, lambda k: -2 / (k + 1)),  # r -> 0
        ((20, 10, 50_000), 2.0, lambda k: 2 * k / (k + 1)),  # r -> infinity
        ((40_000, 4, 40_000), lambda k: -2 / (k + 1), lambda k: 0.0),  # k -> 0
    ],
    ids=["r to 0", "r to infinity", "k to 0"],
)
def test_glorot_limits(dims, printed, holds):
    """Table 3.3: Glorot weights drawn at extreme widths."""
    sampled = sampled_lambda("glorot", dims)
    k = dims[1] / dims[0]
    assert np.isclose(sampled, holds(k), atol=0.05)
    assert abs(sampled - (printed(k) if callable(printed) else printed)) > 1


def sampled_lambda(scheme, dims):
    """Tr B / n_h of one draw: a sum of squares of n Gaussian numbers has the chi-square distribution of n."""
    rng = np.random.default_rng(33)
    variances = theorems.initialization_variances(scheme, dims)
    squares = [v * rng.chisquare(n * dims[1]) for v, n in zip(variances, (dims[0], dims[2]), strict=True)]
    return (squares[1] - squares[0]) / dims[1]


def test_ratios_of_widths():
    """Text on tables 3.2 and 3.3: what k and r do to lambda."""
    assert np.isclose(sampled_lambda("lecun", (1000, 2000, 200)), 0.1 - 1, atol=0.02)

    narrow, wide = (sampled_lambda("glorot", (500, int(500 * k), 4500)) for k in (1.0, 2.0))
    assert np.isclose(narrow, 2 * (9 / 10 - 1 / 2), atol=0.02)
    assert np.isclose(wide, 2 * (9 / 11 - 1 / 3), atol=0.02)
    assert wide > narrow + 0.1

    assert np.isclose(sampled_lambda("glorot", (500, 2000, 2000)), (4 - 1) / (4 + 1), atol=0.02)


@pytest.mark.parametrize("lam", [-1.5, 1.5])
def test_aligned_modes(lam):
    """(3.2), (3.19): for lambda < 0 the printed form starts at -a(0); with + lambda^2 it starts anywhere."""
    s, a0, times = 2.0, 0.4, np.array([0.0, 0.3, 1.0])
    flow = solve_ivp(
        lambda _, a: np.sqrt(lam**2 + 4 * a**2) * (s - a), (0, 1), [a0], "DOP853", times, rtol=1e-12, atol=1e-14
    ).y[0]
    corrected = theorems.aligned_balanced(s, a0, lam, times)
    assert np.allclose(corrected, flow, rtol=1e-10, atol=0)

    root = np.sqrt(lam**2 + 4 * a0**2)
    printed = _aligned_as_printed(s, a0, lam, times, root + lam)
    of_the_proof = _aligned_as_printed(s, a0, lam, times, root + lam**2)
    assert abs(of_the_proof[0] - a0) > 0.05
    if lam < 0:
        assert np.isclose(printed[0], -a0, rtol=1e-12, atol=0)
        assert np.all(np.abs(printed - flow) > 0.05)
    else:
        assert np.allclose(printed, flow, rtol=1e-10, atol=0)


def _aligned_as_printed(s, a0, lam, times, denominator):
    k, start = np.sqrt(lam**2 + 4 * s**2), 4 * a0 * s * np.sign(lam) / denominator
    growth = (k + lam + start) / (k - lam - start) * np.exp(k * times)
    tanh = (k * (growth - 1) - lam * (growth + 1)) / (2 * s * (growth + 1))
    return lam * tanh / (1 - tanh**2)


@pytest.mark.parametrize("lam", [-2.0, 0.7])
def test_unaligned_solution(lam):
    """Theorem 3.3.1 (3), (3.77): the bracket is inverted."""
    w1, w2, sigma_yx = drawn((4, 4, 4), lam)
    times = np.array([0.0, 0.4, 1.2])
    for time, layers in zip(times, integrate(w1, w2, sigma_yx, times), strict=True):
        stable = theorems.unaligned_balanced(w1, w2, sigma_yx, lam, time)
        assert relative_error(stable.qqt, qqt(*layers)) <= 1e-10
        assert relative_error(stable.z @ sum(stable.terms) @ stable.z.T, qqt(*layers)) > 0.3


@pytest.mark.parametrize("lam", [-2.0, 0.7])
def test_eigenvectors_of_f(lam):
    """Theorem 3.3.1 (2): the lower blocks are U (A + XA) and -U (A - XA), as (3.52) has them."""
    sigma_yx = np.random.default_rng(35).standard_normal((4, 4))
    f = theorems.riccati_matrix(sigma_yx, lam)
    vectors, values = theorems.eigenvectors(sigma_yx, lam)
    assert relative_error((vectors * values) @ vectors.T, f) <= 1e-14

    task, (minus, plus) = theorems.singular(sigma_yx), theorems.rotation(theorems.singular(sigma_yx).s, lam)
    printed = np.block([[task.v * minus, task.v * plus], [task.u * minus, -task.u * plus]]) / np.sqrt(2)
    assert relative_error((printed * values) @ printed.T, f) > 0.1


@pytest.mark.parametrize("lam", [-2.0, 0.7])
def test_angle_of_a_mode(lam):
    """(3.45)-(3.49): -lambda/2 off the diagonal, and x = (sqrt(lambda^2 + 4 s^2) - 2 s) / lambda."""
    sigma_yx = np.random.default_rng(34).standard_normal((3, 3))
    u, s, v, *_ = theorems.singular(sigma_yx)
    half, both = lam / 2 * np.eye(3), np.block([[v, v], [u, -u]])

    def rebuilt(off_diagonal):
        middle = np.block([[np.diag(s), off_diagonal], [off_diagonal, -np.diag(s)]])
        return both @ middle @ both.T / 2

    f = theorems.riccati_matrix(sigma_yx, lam)
    assert relative_error(rebuilt(-half), f) <= 1e-14
    assert relative_error(rebuilt(half), f) > 0.2

    def diagonalised(x):
        turn = np.block([[np.eye(3), np.diag(x)], [-np.diag(x), np.eye(3)]]) / np.sqrt(1 + np.tile(x, 2) ** 2)
        off_diagonal = turn.T @ np.block([[np.diag(s), -half], [-half, -np.diag(s)]]) @ turn
        return np.linalg.norm(off_diagonal[:3, 3:]) / np.linalg.norm(half)

    assert diagonalised((np.sqrt(lam**2 + 4 * s**2) - 2 * s) / lam) <= 1e-14
    assert diagonalised((np.sqrt(lam**2 / 4 + s**2) - s) / lam) > 0.2


@pytest.mark.parametrize("lam", [-2.0, 0.7])
def test_exponent_in_the_bracket(lam):
    """(3.67)-(3.76): the bracket of (3.43) has e^{Ft} F^{-1} e^{Ft}, so e^{2 Lambda t} and not e^{Lambda t}."""
    w1, w2, sigma_yx = drawn((3, 3, 3), lam)
    f, q0, time = theorems.riccati_matrix(sigma_yx, lam), np.vstack([w1.T, w2]), 0.5
    truth = qqt(*integrate(w1, w2, sigma_yx, np.array([0.0, time]))[1])

    def solution(factor):
        integral = np.linalg.solve(f, expm(factor * f * time) - np.eye(6))
        moved = expm(f * time) @ q0
        return moved @ np.linalg.solve(np.eye(3) + q0.T @ integral @ q0 / 2, moved.T)

    assert relative_error(solution(2), truth) <= 1e-10
    assert relative_error(solution(1), truth) > 0.1


def test_widths_and_the_sign_of_lambda():
    """Theorem 3.4.1: only n_h <= n_o for lambda > 0 and n_h <= n_i for lambda < 0; bottlenecks may be balanced."""
    for dims, lam in (((3, 3, 5), -2.0), ((5, 2, 4), 2.0)):
        n_in, n_hidden, n_out = dims
        w1, w2, _ = drawn(dims, lam, scale=1.0)
        assert np.allclose(w2.T @ w2 - w1 @ w1.T, lam * np.eye(n_hidden), rtol=0, atol=1e-14)
        within_widths = min(n_in, n_out) <= n_hidden <= max(n_in, n_out)
        sign_of_widths = np.sign(n_out - n_in) == np.sign(lam)
        assert not (within_widths and sign_of_widths)

    rng = np.random.default_rng(36)
    for _ in range(100):
        n_in, n_hidden, n_out = rng.integers(1, 7, 3)
        w1, w2 = rng.standard_normal((n_hidden, n_in)), rng.standard_normal((n_out, n_hidden))
        spectrum = np.linalg.eigvalsh(w2.T @ w2 - w1 @ w1.T)
        assert n_hidden <= n_out or spectrum[0] < 1e-12  # B = lambda I > 0 is impossible
        assert n_hidden <= n_in or spectrum[-1] > -1e-12


@pytest.mark.parametrize("shape", [(5, 2), (2, 5)])
def test_extra_eigenvectors_of_f(shape):
    """Proof of Theorem 3.4.2: n_o > n_i leaves U_perp, with +lambda/2, and n_i > n_o leaves V_perp, with -lambda/2."""
    (n_out, n_in), lam = shape, 1.4
    sigma_yx = np.random.default_rng(37).standard_normal(shape)
    task, f = theorems.singular(sigma_yx), theorems.riccati_matrix(sigma_yx, lam)
    missing, present = (task.v_perp, task.u_perp) if n_out > n_in else (task.u_perp, task.v_perp)
    assert missing.shape[1] == 0  # what the proof takes to be there
    assert present.shape[1] == 3
    sign, padding = np.sign(n_out - n_in), np.zeros((min(shape), 3))
    extra = np.vstack([padding, present] if n_out > n_in else [present, padding])
    assert np.allclose(f @ extra, sign * lam / 2 * extra, atol=1e-14)
    found = np.linalg.eigvalsh(f)
    assert np.count_nonzero(np.isclose(found, sign * lam / 2)) == 3
    assert not np.any(np.isclose(found, -sign * lam / 2))


@pytest.mark.parametrize(
    ("dims", "lam", "refusal"),
    [
        ((3, 3, 5), -2.0, "Lambda must be positive"),
        ((5, 3, 4), 2.0, "Lambda must be positive"),  # which it is: "negative" is meant
        ((5, 2, 4), -2.0, "cannot be bottlenecked"),
        ((3, 5, 3), 0.0, "mismatch"),
        ((4, 6, 4), 0.0, "mismatch"),
    ],
)
def test_algorithm_1(dims, lam, refusal):
    """Algorithm 1 refuses or fails for widths that have balanced weights, with a text that says the wrong sign."""
    with pytest.raises(ValueError, match=refusal):
        algorithm_1_as_printed(lam, *dims, np.random.default_rng(38))

    w1, w2, _ = drawn(dims, lam, scale=1.0)
    assert (w1.shape, w2.shape) == ((dims[1], dims[0]), (dims[2], dims[1]))
    size = np.sum(w1**2) + np.sum(w2**2)
    assert np.linalg.norm(w2.T @ w2 - w1 @ w1.T - lam * np.eye(dims[1])) <= 1e-14 * size


def algorithm_1_as_printed(lam, n_in, n_hidden, n_out, rng):
    """With its branch for n_i = n_o; the other two pad S_1 and S_2."""
    if n_out > n_in and lam < 0:
        raise ValueError("Lambda must be positive if out_dim > in_dim")
    if n_in > n_out and lam > 0:
        raise ValueError("Lambda must be positive if in_dim > out_dim")
    if n_hidden < min(n_in, n_out):
        raise ValueError("Network cannot be bottlenecked")
    if n_hidden > max(n_in, n_out) and lam != 0:
        raise ValueError("hidden_dim cannot be the largest dimension if lambda is not 0")
    w1, w2 = rng.standard_normal((n_hidden, n_in)), rng.standard_normal((n_out, n_hidden))
    u, s, vt = np.linalg.svd(w2 @ w1)
    root = np.sqrt(lam**2 + 4 * s**2)
    s1, s2 = np.diag(np.sqrt((root - lam) / 2)), np.diag(np.sqrt((root + lam) / 2))
    r, _ = np.linalg.qr(rng.standard_normal((n_hidden, n_hidden)))
    return r @ s1 @ vt, u @ s2 @ r.T
