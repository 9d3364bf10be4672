"""Integration in 32 digits against Taylor series in 60 digits, closed forms, and properties of the flow."""

import json
from functools import cache
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import drawn_layers
from support.oracle import exact_qqt, qqt

from lindyn_service.dynamics.flow import FlowError
from lindyn_service.dynamics.precise_flow import NetworkStates, PreciseFlow

ROOM = Path(__file__).parents[1] / "reference"
PRECISE = json.loads((ROOM / "precise_flows.json").read_text())["cases"]
FLOWS = json.loads((ROOM / "flow_weights.json").read_text())["cases"]
ROUNDING = 2e-16  # of float64 numbers, normwise


def flow_of(weights, sigma_yx, sigma_xx=None, max_steps=1000, stop=None):
    return PreciseFlow(weights, sigma_yx, sigma_xx, max_steps=max_steps, stop=stop)


def integrated(flow, times):
    """Concatenate all batches."""
    parts = [states for _, states in flow.batches(np.asarray(times, dtype=float))]
    return NetworkStates(
        np.concatenate([p.times for p in parts]),
        tuple(np.concatenate(layers) for layers in zip(*[p.layers for p in parts], strict=True)),
        np.concatenate([p.residual for p in parts]),
        np.concatenate([p.layers_error for p in parts]),
        np.concatenate([p.residual_error for p in parts]),
    )


def problem(dims=(3, 2, 4), seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    layers = tuple(scale * w for w in drawn_layers(dims, rng, 1)[0])
    return layers, rng.standard_normal((dims[-1], dims[0]))


def distance(layers, expected):
    """Relative distance in the Frobenius norm of all layers together."""
    gap = sum(np.sum((a - b) ** 2) for a, b in zip(layers, expected, strict=True))
    return np.sqrt(gap / sum(np.sum(b**2) for b in expected))


def of_case(case):
    sigma_xx = None if case["sigma_xx"] is None else np.array(case["sigma_xx"])
    return tuple(np.array(w) for w in case["weights"]), np.array(case["sigma_yx"]), sigma_xx


@cache
def of_precise(name):
    """Integrate a case of high precision."""
    case = next(each for each in PRECISE if each["name"] == name)
    return case, integrated(flow_of(*of_case(case)), case["times"])


@pytest.mark.parametrize("name", [case["name"] for case in PRECISE])
def test_references_of_60_digits_and_the_estimates_of_errors(name):
    case, found = of_precise(name)
    assert np.array_equal(found.times, case["times"])
    for i, (layers, residual) in enumerate(zip(case["trajectory"], case["residuals"], strict=True)):
        expected = [np.array(w) for w in layers]
        layers_error = distance([w[i] for w in found.layers], expected)
        residual_error = np.linalg.norm(found.residual[i] - residual) / np.linalg.norm(residual)
        assert layers_error <= found.layers_error[i]
        assert residual_error <= found.residual_error[i]
        if "1e-24" not in name:
            assert layers_error <= 1e-14
            assert residual_error <= 1e-13
    assert found.layers_error[0] <= 1e-13


def test_an_overlap_of_1e_9_near_a_saddle():
    """Twelve digits of the loss, whose reference comes from other code, in 220 bits."""
    case, found = of_precise("overlap of 1e-9 with the last mode")
    at_the_turn = case["times"].index(21.0)
    loss = np.sum(found.residual[at_the_turn] ** 2) / 2
    assert np.isclose(loss, 0.056360073896941254, rtol=1e-14, atol=0)
    assert found.residual_error[at_the_turn] <= 1e-13


def test_estimates_follow_the_growth_of_small_differences():
    """Rounding errors of 1e-32 grow like the difference of two hidden units, from 1e-24 to 1."""
    case, found = of_precise("twins 1e-24")
    at_the_turn = case["times"].index(45.0)
    expected = [np.array(w) for w in case["trajectory"][at_the_turn]]
    error = distance([w[at_the_turn] for w in found.layers], expected)
    assert error <= found.layers_error[at_the_turn] <= 1e6 * error
    assert found.layers_error[at_the_turn] > 1e-12


@pytest.mark.parametrize("case", FLOWS, ids=lambda case: case["name"])
def test_references_of_45_digits(case):
    weights, sigma_yx, sigma_xx = of_case(case)
    times = np.array(case["times"]) / case["time_constant"]
    found = integrated(flow_of(weights, sigma_yx, sigma_xx), times)
    for i, expected in enumerate(case["trajectory"]):
        assert distance([w[i] for w in found.layers], [np.array(w) for w in expected]) <= 2e-15


@pytest.mark.parametrize(("into", "out"), [(0.5, 0.5), (0.25, 1.5), (2.0, 0.125)])
def test_closed_form_of_balanced_weights(into, out):
    """Multiples of orthogonal matrices whose entries are halves: balanced exactly, with lambda = out^2 - into^2."""
    hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    weights = (into * hadamard, out * hadamard[[2, 0, 3, 1]])
    sigma_yx = problem((4, 4, 4), seed=3)[1]
    times = [0.1, 1.0, 3.0]
    found = integrated(flow_of(weights, sigma_yx), times)
    for i, time in enumerate(times):
        expected = exact_qqt(*weights, sigma_yx, out**2 - into**2, time)
        assert np.linalg.norm(qqt(*(w[i] for w in found.layers)) - expected) <= 2e-15 * np.linalg.norm(expected)


def test_unlike_layers_of_a_single_hidden_unit():
    """Weights of 1e4 and 1e-10: two digits of e^-1 are learned within 1e-8, by sinh and tanh of the closed form."""
    weights = (np.array([[1e4, 0.0, 0.0]]), np.array([[1e-10]]))
    found = integrated(flow_of(weights, np.array([[1.0, 2.0, 2.0]])), [0.0, 1e-8])
    output = found.layers[1] @ found.layers[0]
    assert np.allclose(output[0], [[1e-6, 0.0, 0.0]], rtol=1e-15, atol=0)
    expected = [[0.6321209267079989, 4.650893856934927e-17, 4.650893856934927e-17]]
    assert np.allclose(output[1], expected, rtol=1e-14, atol=0)


def test_small_residuals_keep_their_digits():
    """One unit per layer, both equal: a = w^2 is a logistic curve, whose distance to its limit is known exactly."""
    times = [4.0, 14.0, 25.0]
    found = integrated(flow_of((np.array([[0.5]]),) * 2, np.eye(1)), times)
    with mp.workdps(40):
        expected = [float(3 * mp.exp(-2 * mp.mpf(t)) / (1 + 3 * mp.exp(-2 * mp.mpf(t)))) for t in times]
    errors = np.abs(found.residual[:, 0, 0] / expected - 1)
    assert np.all(errors <= found.residual_error)
    assert np.all(found.residual_error <= [1e-13, 1e-12, 1e-6])


@settings(max_examples=4, deadline=None)
@given(
    dims=st.lists(st.integers(1, 8), min_size=3, max_size=4),
    seed=st.integers(0, 10**6),
    power=st.integers(-30, 30),
)
def test_scaling_by_powers_of_two_is_exact(dims, seed, power):
    """With all weights c times as large, the task is c^L times as large and time runs c^(2 - 2L) times as fast."""
    c, depth = 2.0**power, len(dims) - 1
    weights, sigma_yx = problem(dims, seed)
    time = np.array([0.0, 0.06, 0.1])
    found = integrated(flow_of(weights, sigma_yx), time)
    scaled = integrated(flow_of(tuple(c * w for w in weights), c**depth * sigma_yx), time * c ** (2 - 2 * depth))
    assert all(np.array_equal(c * a, b) for a, b in zip(found.layers, scaled.layers, strict=True))
    assert np.array_equal(c**depth * found.residual, scaled.residual)
    assert np.allclose(found.layers_error, scaled.layers_error, rtol=1e-12, atol=0)


@settings(max_examples=4, deadline=None)
@given(
    dims=st.lists(st.integers(1, 8), min_size=3, max_size=4),
    seed=st.integers(0, 10**6),
    fraction=st.floats(0.01, 0.99),
)
def test_polynomials_within_a_step_agree_with_steps_that_end_there(dims, seed, fraction):
    weights, sigma_yx = problem(dims, seed)
    dense = integrated(flow_of(weights, sigma_yx), [fraction / 2, 0.5])
    ended = integrated(flow_of(weights, sigma_yx), [fraction / 2])
    gap = distance([w[0] for w in dense.layers], [w[0] for w in ended.layers])
    assert gap <= dense.layers_error[0] + ended.layers_error[0] <= 1e-12
    gap = np.linalg.norm(dense.residual[0] - ended.residual[0]) / np.linalg.norm(ended.residual[0])
    assert gap <= dense.residual_error[0] + ended.residual_error[0] <= 1e-11


def test_continuing_from_rounded_weights():
    weights, sigma_yx = problem((4, 3, 3, 2), seed=6)
    whole = integrated(flow_of(weights, sigma_yx), [0.7, 1.5])
    later = integrated(flow_of(tuple(w[0] for w in whole.layers), sigma_yx), [0.8])
    assert distance([w[0] for w in later.layers], [w[1] for w in whole.layers]) <= 1e-14


def test_exchanging_the_layers_mirrors_the_solution():
    weights, sigma_yx = problem((3, 2, 4), seed=7)
    found = integrated(flow_of(weights, sigma_yx), [0.5, 1.5])
    mirrored = integrated(flow_of((weights[1].T, weights[0].T), sigma_yx.T), [0.5, 1.5])
    for a, b in zip(found.layers, mirrored.layers[::-1], strict=True):
        assert np.allclose(a, b.transpose(0, 2, 1), rtol=1e-14, atol=1e-15)


def test_white_inputs_are_those_of_unit_variance():
    weights, sigma_yx = problem(seed=8)
    found = integrated(flow_of(weights, sigma_yx), [0.3, 1.0])
    coloured = integrated(flow_of(weights, sigma_yx, np.eye(3)), [0.3, 1.0])
    assert all(np.allclose(a, b, rtol=1e-14, atol=1e-16) for a, b in zip(found.layers, coloured.layers, strict=True))


def test_time_zero_and_repeated_times():
    weights, sigma_yx = problem()
    flow = flow_of(weights, sigma_yx)
    found = integrated(flow, [0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
    for layer, w in zip(found.layers, weights, strict=True):
        assert np.array_equal(layer[0], w)
        assert all(np.array_equal(layer[i], layer[i + 1]) for i in (0, 2, 4))
    assert all(np.array_equal(layer[4:5], last) for layer, last in zip(found.layers, flow.reached.layers, strict=True))
    assert np.all(found.layers_error[[0, 1, 4, 5]] <= ROUNDING * 1.2)


def test_only_time_zero_needs_no_step():
    weights, sigma_yx = problem()
    flow = flow_of(weights, sigma_yx, max_steps=0)
    found = integrated(flow, [0.0])
    assert all(np.array_equal(layer[0], w) for layer, w in zip(found.layers, weights, strict=True))
    assert np.allclose(found.residual[0], sigma_yx - weights[1] @ weights[0], rtol=1e-14, atol=0)
    assert flow.steps == 0


@pytest.mark.parametrize("dims", [(2, 3, 2), (2, 2, 2, 2)])
def test_weights_of_zero_stay_exactly(dims):
    weights = tuple(np.zeros(shape) for shape in zip(dims[1:], dims[:-1], strict=True))
    found = integrated(flow_of(weights, np.eye(2)), [1.0, 1e6])
    assert not any(np.any(w) for w in found.layers)
    assert np.allclose(found.residual, np.eye(2), rtol=4e-15, atol=4e-15)
    assert np.array_equal(found.layers_error, [0.0, 0.0])


def test_a_mode_of_zero_weights_is_never_learned():
    """Diagonal weights with a zero lead to a saddle that is exact in float64: the error does not grow there."""
    weights = (np.diag([0.5, 0.0]), np.diag([0.5, 0.0]))
    found = integrated(flow_of(weights, np.diag([1.0, 0.9])), [45.0])
    assert found.residual[0, 1, 1] == 0.9
    assert found.layers_error[0] <= 1e-15


def test_an_estimate_ends_at_the_size_of_the_weights():
    """Two equal hidden units stay equal if they have equal rounding errors."""
    weights = (np.array([[0.3, 0.1], [0.3, 0.1]]), np.array([[0.2, 0.2], [0.1, 0.1]]))
    found = integrated(flow_of(weights, np.array([[1.0, 0.3], [-0.2, 0.8]])), [90.0])
    assert 0.01 <= found.layers_error[0] <= 1.0


def test_the_fixed_point_is_kept():
    weights = (np.eye(2), np.eye(2))
    found = integrated(flow_of(weights, np.eye(2)), [10.0, 20.0])
    assert all(np.array_equal(w, [np.eye(2)] * 2) for w in found.layers)
    assert not np.any(found.residual)
    assert np.all(found.residual_error == 1.0)


def test_integration_stops_at_the_end_of_the_step_that_meets_the_condition():
    weights, sigma_yx = problem((3, 3, 3), seed=9)
    seen = []

    def is_learned(states):
        seen.append(states)
        return bool(np.linalg.norm(states.residual) < 0.5)

    flow = flow_of(weights, sigma_yx, stop=is_learned)
    times = np.linspace(0, 1000, 20_001)
    parts = list(flow.batches(times))
    reached = flow.reached
    assert reached is seen[-1]
    assert np.linalg.norm(reached.residual) < 0.5 <= np.linalg.norm(seen[-2].residual)
    covered = np.concatenate([times[part] for part, _ in parts])
    assert np.array_equal(covered, times[times <= reached.times[0]])
    again = integrated(flow_of(weights, sigma_yx), reached.times)
    assert distance([w[0] for w in again.layers], [w[0] for w in reached.layers]) <= ROUNDING


def test_the_same_flow_again_gives_the_same():
    weights, sigma_yx = problem()
    flow = flow_of(weights, sigma_yx)
    first, second = integrated(flow, [0.3, 0.9]), integrated(flow, [0.3, 0.9])
    assert all(np.array_equal(a, b) for a, b in zip(first.layers, second.layers, strict=True))
    assert np.array_equal(first.layers_error, second.layers_error)


def test_many_times_come_in_bounded_batches():
    weights, sigma_yx = problem((40, 30, 40))
    times = np.concatenate([np.linspace(0, 0.02, 150), np.full(150, 0.02)])
    parts = list(flow_of(weights, sigma_yx).batches(times))
    assert np.array_equal(np.concatenate([times[part] for part, _ in parts]), times)
    assert all(np.array_equal(times[part], states.times) for part, states in parts)
    assert max(len(states.times) for _, states in parts) == 2**18 // 2400


def test_inputs_are_never_written_to():
    weights, sigma_yx = problem()
    times = np.array([0.0, 1.0])
    for each in (*weights, sigma_yx, times):
        each.setflags(write=False)
    for layer, w in zip(
        integrated(flow_of(weights, sigma_yx, np.diag([1.0, 2.0, 3.0])), times).layers, weights, strict=True
    ):
        assert not np.shares_memory(layer, w)


def test_the_limit_of_steps_reports_the_time_reached():
    weights, sigma_yx = problem()
    flow = flow_of(weights, sigma_yx, max_steps=7)
    got = []
    with pytest.raises(FlowError, match="more than 7 steps") as caught:
        got.extend(states.times for _, states in flow.batches(np.array([0.0, 1e-3, 1e6])))
    assert flow.steps == 7
    assert 0 < caught.value.time == flow.reached.times[0] < 1e6
    assert np.array_equal(np.concatenate(got), [0.0, 1e-3])


def test_weights_beyond_float64_fail_at_the_start():
    weights = (1e160 * np.eye(2), 1e160 * np.eye(2))
    with pytest.raises(FlowError, match="step size") as caught:
        integrated(flow_of(weights, np.eye(2)), [0.0, 1.0])
    assert caught.value.time == 0.0
