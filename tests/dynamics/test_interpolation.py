"""Interpolated network functions against evaluation and integration, and cases in which interpolation is refused."""

import numpy as np
import pytest
from support.oracle import exact_qqt
from support.problems import Drawn

from lindyn_service.dynamics.function_values import NetworkFunction
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.interpolation import network_functions
from lindyn_service.dynamics.riccati import Solution

EPS, TINY = np.finfo(float).eps, np.finfo(float).tiny


def problem(dims: tuple[int, int, int], lam: float, scale: float, *, s: tuple[float, ...] = ()) -> Drawn:
    rng = np.random.default_rng(sum(dims))
    w1, w2 = balanced_weights(dims, lam, scale, rng)
    sigma_yx = rng.standard_normal((dims[2], dims[0])) / np.sqrt(dims[0])
    if s:
        u, _, vt = np.linalg.svd(sigma_yx, full_matrices=False)
        sigma_yx = (u * s) @ vt
    return Drawn(w1, w2, sigma_yx, lam)


def evaluated(solution: Solution, times: np.ndarray) -> np.ndarray:
    return np.concatenate([f.out @ f.into.transpose(0, 2, 1) for _, f in solution.batches(times)])


def interpolated(solution: Solution, times: np.ndarray) -> np.ndarray:
    return both_interpolated(solution, times)[0]


def both_interpolated(solution: Solution, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate functions and losses."""
    functions = np.full((len(times), len(solution.modes.u), len(solution.modes.v)), np.nan)
    losses = np.full(len(times), np.nan)
    for part, values in network_functions(solution, times):
        if part.interval is None:
            functions[part.times], losses[part.times] = values.functions, values.losses
            continue
        own = times[part.times]
        weights = part.interval.weights(own)
        functions[part.times] = np.tensordot(weights, values.functions, 1)
        losses[part.times] = values.losses_between(own, weights)
    return functions, losses


def n_evaluations(solution: Solution, times: np.ndarray) -> int:
    return sum(part.n_nodes for part, _ in network_functions(solution, times))


def evaluated_losses(solution: Solution, times: np.ndarray, functions: np.ndarray) -> np.ndarray:
    return 0.5 * np.sum(solution.errors(times, functions) ** 2, axis=(1, 2))


CASES = [
    (dims, lam, horizon)
    for dims in ((5, 5, 5), (6, 3, 4), (4, 7, 9), (12, 12, 12))
    for lam in (0.0, 1.0, -1.0, 20.0)
    for horizon in (10.0, 1000.0)
    if not (lam > 0 and dims[1] > dims[2]) and not (lam < 0 and dims[1] > dims[0])
]


@pytest.mark.parametrize(("dims", "lam", "horizon"), CASES, ids=str)
def test_interpolation_is_as_accurate_as_evaluation(dims, lam, horizon):
    solution = problem(dims, lam, 0.3).solve()
    times = np.linspace(0, horizon, 1701)
    got, loss = both_interpolated(solution, times)
    expected = evaluated(solution, times)
    size = np.linalg.norm(expected, axis=(1, 2)).max()
    assert np.max(np.abs(got - expected)) <= 3e-14 * size
    known = evaluated_losses(solution, times, expected)
    exponents = np.abs(np.log(np.maximum(known, TINY)))  # their rounding errors are relative errors of the losses
    assert np.all(np.abs(loss - known) <= (3e-13 + 2 * EPS * exponents) * known + TINY)


def test_most_generic_problems_are_interpolated():
    times = np.linspace(0, 10, 1701)
    needed = [n_evaluations(problem(dims, lam, 0.3).solve(), times) for dims, lam, horizon in CASES if horizon == 10]
    assert max(needed) < 300


def test_between_the_nodes_in_high_precision():
    drawn = problem((3, 3, 3), 1.0, 0.4)
    solution, times = drawn.solve(), np.linspace(0, 8, 1001)
    got = interpolated(solution, times)
    for i in (1, 137, 500, 863):
        p = exact_qqt(drawn.w1, drawn.w2, drawn.sigma_yx, drawn.lam, times[i])
        expected = solution.modes.u.T @ p[3:, :3] @ solution.modes.v
        assert np.max(np.abs(got[i] - expected)) <= 2e-14


@pytest.mark.parametrize("scale", [1e-1, 1e-3, 1e-6, 1e-12, 30.0, 1e4])
def test_small_values_keep_their_digits_beside_large_ones(scale):
    """Interpolation of small values, early or late, has no rounding errors of the large values at other times."""
    solution = problem((4, 4, 4), 0.0, scale, s=(2.0, 1.5, 1.0, 0.5)).solve()
    times = np.linspace(0, 60, 3001)
    got = interpolated(solution, times)
    expected = evaluated(solution, times)
    sizes = np.linalg.norm(expected, axis=(1, 2))
    assert np.all(np.linalg.norm(got - expected, axis=(1, 2)) <= 1e-13 * sizes)


def test_a_loss_of_small_modes_keeps_its_digits():
    """Once mode 1 is learned, the loss is that of mode 2, without rounding errors of mode 1."""
    solution = problem((3, 3, 3), 0.0, 0.5, s=(1.0, 1e-7, 1e-8)).solve()
    times = np.linspace(0, 2000, 4001)
    _, loss = both_interpolated(solution, times)
    assert np.allclose(loss, evaluated_losses(solution, times, evaluated(solution, times)), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("times", "sigma"),
    [(np.full(1000, 3.0), 1.0), (np.linspace(0, 10, 1000), 0.0)],
    ids=["one time", "no rate"],
)
def test_no_times_to_interpolate(times, sigma):
    drawn = problem((3, 3, 3), 0.0, 0.5)
    solution = Drawn(drawn.w1, drawn.w2, sigma * drawn.sigma_yx, 0.0).solve()
    assert n_evaluations(solution, times) == 1000
    assert np.allclose(interpolated(solution, times), evaluated(solution, times), rtol=0, atol=1e-14)


def test_sudden_learning_is_interpolated_in_short_intervals():
    """Tiny weights stay near zero for long and then learn suddenly."""
    drawn, times = problem((4, 4, 4), 0.0, 1e-12), np.linspace(0, 60, 20_000)
    solution = drawn.solve()
    steps = [
        part.times.stop - part.times.start
        for part, _ in network_functions(solution, times)
        if part.interval is not None
    ]
    assert min(steps) < max(steps) / 4
    got, expected = interpolated(solution, times), evaluated(solution, times)
    assert np.all(np.linalg.norm(got - expected, axis=(1, 2)) <= 3e-14 * np.linalg.norm(expected, axis=(1, 2)))
    for i in (1000, 3475, 7777):
        p = exact_qqt(drawn.w1, drawn.w2, drawn.sigma_yx, drawn.lam, times[i])
        known = solution.modes.u.T @ p[4:, :4] @ solution.modes.v
        assert np.linalg.norm(got[i] - known) <= 3e-14 * np.linalg.norm(known)


def test_few_times_are_evaluated():
    solution = problem((60, 60, 60), 0.0, 0.1).solve()
    assert n_evaluations(solution, np.linspace(0, 10, 40)) == 40
    assert n_evaluations(solution, np.linspace(0, 10, 1000)) < 200


@pytest.mark.parametrize("n", [4, 300])
def test_parts_cover_all_times_and_fit_the_memory(n):
    solution, times = problem((n, 4, n), 1.0, 0.3).solve(), np.geomspace(1e-9, 1e3, 701)
    found = list(network_functions(solution, times))
    assert sorted(i for part, _ in found for i in range(701)[part.times]) == list(range(701))
    assert max(values.functions.size for _, values in found) <= 9e6


@pytest.mark.parametrize(("lam", "scale"), [(-1e6, 1e-70), (-20.0, 1e-30), (0.0, 1e-50)])
def test_intervals_that_are_refused_again_and_again(lam, scale, monkeypatch):
    """A function that grows over many decades soon after time 0: each halving removes only few times."""
    network, evaluate, counts = problem((4, 1, 3), lam, scale), NetworkFunction.at, []

    def counted(function, times):
        counts.append(len(times))
        return evaluate(function, times)

    monkeypatch.setattr(NetworkFunction, "at", counted)
    times = np.concatenate([np.geomspace(1e-300, 1e-10, 1500), np.linspace(0, 30, 1500)]) / network.rate
    n_evaluations(network.solve(), np.sort(times))
    assert sum(counts) <= 2 * len(times)
