"""Invariances of all observables: exchange of the layers, and the choice of the other times."""

from collections.abc import Mapping

import numpy as np
import pytest
from support.problems import far_apart

from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.base import LearningProblem
from lindyn_service.methods.exact import ExactSolver

ROUNDING = 4e-15
OF_ONE_SIDE = {"ntk", "rsm_input", "rsm_output", "task_specificity.input", "task_specificity.output"}
EXCHANGED = {
    "input_representation": "output_representation",
    "output_representation": "input_representation",
    "alignment.input": "alignment.output",
    "alignment.output": "alignment.input",
    "weights.0": "weights.1",
    "weights.1": "weights.0",
}
TRANSPOSED = {"output", "weights.0", "weights.1"}


def drawn(seed, signs):
    problem, times = far_apart(np.random.default_rng(seed), 6, signs)
    return problem.w1, problem.w2, problem.sigma_yx, problem.lam, np.append(0.0, times)


def answered(seed, w1, w2, sigma_yx, lam, times):
    """Compute all quantities by path, and their bounds; weights, whose rotation takes long, for few seeds only."""
    names = tuple(name for name in QUANTITIES if name != "weights" or seed == 0)
    outcome = ExactSolver().examine(LearningProblem((w1, w2), Moments(sigma_yx), 1.0, times, names, lam)).run()
    return dict(flat(outcome.quantities)), outcome.diagnostics["errors"]


def flat(quantities):
    for name, value in quantities.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", array) for part, array in value.items())
        elif isinstance(value, list):
            yield from ((f"{name}.{layer}", array) for layer, array in enumerate(value))
        else:
            yield name, value


def exchanged(name, found, n_in):
    """The array of the problem with exchanged layers that corresponds to an array of the problem."""
    array = found[EXCHANGED.get(name, name)]
    if name in TRANSPOSED:
        return array.transpose(0, 2, 1)
    if name == "qqt":
        return np.roll(array, (n_in, n_in), (1, 2))
    return -array if name == "balance.lambda" else array[:, ::-1] if name == "weight_norms" else array


def distance(first, second, floor):
    """Largest relative distance over the times; undefined numbers must be the same."""
    assert np.array_equal(np.isnan(first), np.isnan(second))
    first, second = (np.nan_to_num(array).reshape(len(array), -1) for array in (first, second))
    size, gap = np.maximum(np.linalg.norm(first, axis=1), floor), np.linalg.norm(first - second, axis=1)
    return float(np.max(np.divide(gap, size, out=np.zeros_like(gap), where=size > 0)))


def floor_of(name, w1, w2, sigma_yx):
    """The balance is a difference of the squares of the weights, of the first or of the last ones."""
    squares = np.vdot(w1, w1) + np.vdot(w2, w2) + 2 * np.linalg.norm(sigma_yx, "nuc")
    return squares if name.startswith("balance") else 0.0


@pytest.mark.parametrize("seed", range(24))
def test_exchanged_layers_exchange_the_quantities(seed):
    w1, w2, sigma_yx, lam, times = drawn(seed, [-1, 1])
    (found, bounds), (mirrored, _) = (
        answered(seed, w1, w2, sigma_yx, lam, times),
        answered(seed, w2.T, w1.T, sigma_yx.T, -lam, times),
    )
    for name in found.keys() - OF_ONE_SIDE:
        off = distance(found[name], exchanged(name, mirrored, sigma_yx.shape[1]), floor_of(name, w1, w2, sigma_yx))
        of_small_differences = name.startswith("alignment") or name in ("loss_rate", "ntk_distance")
        assert off <= (bounds[name.split(".")[0]] if of_small_differences else ROUNDING), name


@pytest.mark.parametrize("seed", range(24))
def test_values_at_one_time_do_not_depend_on_the_other_times(seed):
    w1, w2, sigma_yx, lam, times = drawn(seed, [-1, 0, 1])
    found, bounds = answered(seed, w1, w2, sigma_yx, lam, times)
    for i in (0, 2, 4):
        alone, _ = answered(seed, w1, w2, sigma_yx, lam, times[i : i + 1])
        for name, array in alone.items():
            off = distance(found[name][i : i + 1], array, floor_of(name, w1, w2, sigma_yx))
            assert off <= bounds[name.split(".")[0]], (name, i)
