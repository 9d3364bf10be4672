"""Integration of the flow against 45-digit references, and its diagnostics."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from support.frames import drawn_layers

from lindyn_service.dynamics.flow import Flow, FlowError
from lindyn_service.dynamics.flow_checks import balance_drift, distance
from lindyn_service.dynamics.flow_series import FlowSeries, FlowState, Task

REFERENCES = json.loads((Path(__file__).parents[1] / "reference" / "flow_weights.json").read_text())["cases"]


def integrated(flow, times):
    """Concatenate the layers of all batches."""
    parts = list(flow.batches(np.asarray(times)))
    return tuple(np.concatenate(layers) for layers in zip(*[networks.layers for _, networks in parts], strict=True))


def problem(dims=(3, 2, 4), seed=0, sigma_xx=None):
    rng = np.random.default_rng(seed)
    return drawn_layers(dims, rng, 1)[0], rng.standard_normal((dims[-1], dims[0])), sigma_xx


def flow_of(weights, sigma_yx, sigma_xx, rtol=1e-12, atol=1e-12):
    return Flow(weights, sigma_yx, sigma_xx, rtol=rtol, atol=atol)


@pytest.mark.parametrize("case", REFERENCES, ids=lambda case: case["name"])
def test_references_of_45_digits(case):
    weights = tuple(np.array(w) for w in case["weights"])
    sigma_yx, sigma_xx = np.array(case["sigma_yx"]), np.array(case["sigma_xx"])
    times = np.array(case["times"]) / case["time_constant"]
    inputs = [sigma_xx, None] if np.array_equal(sigma_xx, np.eye(len(sigma_xx))) else [sigma_xx]
    for given in inputs:
        layers = integrated(flow_of(weights, sigma_yx, given), times)
        for i, expected in enumerate(case["trajectory"]):
            for got, reference in zip(layers, expected, strict=True):
                assert np.linalg.norm(got[i] - reference) <= 1e-10 * np.linalg.norm(reference)


def test_time_zero_and_repeated_times():
    weights, *task = problem()
    times = np.array([0.0, 0.0, 0.5, 0.5, 1.0, 1.0])
    layers = integrated(flow_of(weights, *task), times)
    for layer, w in zip(layers, weights, strict=True):
        assert np.array_equal(layer[0], w)
        assert all(np.array_equal(layer[i], layer[i + 1]) for i in (0, 2, 4))
    apart = integrated(flow_of(weights, *task), np.array([0.5, 1.0]))
    assert all(np.array_equal(layer[[2, 4]], other) for layer, other in zip(layers, apart, strict=True))


def test_a_short_time_has_the_same_bits_alone():
    """It is within the first step."""
    (weights, *task), time = problem(), 0.1047
    both = integrated(flow_of(weights, *task), np.array([time, 10.0]))
    alone = integrated(flow_of(weights, *task), np.array([time]))
    assert all(np.array_equal(layer[:1], other) for layer, other in zip(both, alone, strict=True))


def test_only_time_zero_needs_no_evaluation():
    weights, *task = problem()
    flow = flow_of(weights, *task)
    layers = integrated(flow, [0.0])
    assert all(np.array_equal(layer[0], w) for layer, w in zip(layers, weights, strict=True))
    assert flow.evaluations == 0


def test_evaluations_are_counted():
    weights, *task = problem()
    loose, tight = flow_of(weights, *task, rtol=1e-6), flow_of(weights, *task, rtol=1e-12)
    integrated(loose, [0.0, 2.0])
    integrated(tight, [0.0, 2.0])
    assert 12 <= loose.evaluations < tight.evaluations


def test_many_times_come_in_bounded_batches():
    weights, *task = problem((64, 48, 64))
    times = np.linspace(0, 1, 100)
    parts = [part for part, _ in flow_of(weights, *task, rtol=1e-8).batches(times)]
    assert len(parts) > 2
    assert np.array_equal(np.concatenate([times[part] for part in parts]), times)
    layers = integrated(flow_of(weights, *task, rtol=1e-8), times)
    few = integrated(flow_of(weights, *task, rtol=1e-8), times[[0, 50, 99]])
    assert all(np.array_equal(layer[[0, 50, 99]], other) for layer, other in zip(layers, few, strict=True))


def test_inputs_are_never_written_to():
    weights, sigma_yx, sigma_xx = problem(sigma_xx=np.diag([1.0, 2.0, 3.0]))
    times = np.array([0.0, 1.0])
    for each in (*weights, sigma_yx, sigma_xx, times):
        each.setflags(write=False)
    for layer, w in zip(integrated(flow_of(weights, sigma_yx, sigma_xx), times), weights, strict=True):
        assert not np.shares_memory(layer, w)


def test_weights_beyond_float64_fail_at_the_start():
    weights = (1e120 * np.eye(2), 1e120 * np.eye(2))
    with pytest.raises(FlowError, match="step size") as caught:
        integrated(flow_of(weights, np.eye(2), None), [0.0, 1.0])
    assert caught.value.time == 0.0


@pytest.mark.parametrize(("size", "depth"), [(1e-8, 9), (1e-20, 5), (1e-50, 3)])
def test_weights_so_small_that_nothing_changes(size, depth):
    """The relative velocity is about size^(depth - 2), and that of the residual size^(2 depth - 2)."""
    weights, sigma_yx, _ = problem((2,) * (depth + 1))
    weights = tuple(size * w for w in weights)
    flow, times = Flow(weights, sigma_yx, None, rtol=1e-13, atol=1e-13 * size), np.array([0.0, 1.0, 1e3])
    ((_, networks),) = flow.batches(times)
    for layer, w in zip(networks.layers, weights, strict=True):
        assert np.allclose(layer, w, rtol=1e-13, atol=0)
    assert np.allclose(networks.residual, sigma_yx, rtol=1e-13, atol=0)


def test_a_task_that_is_learned_already_changes_nothing():
    weights = (np.diag([2.0, 1.0]), np.diag([0.5, 3.0]))
    ((_, networks),) = flow_of(weights, np.diag([1.0, 3.0]), None).batches(np.array([0.0, 1.0, 1e9]))
    assert np.array_equal(networks.residual, np.zeros((3, 2, 2)))
    for layer, w in zip(networks.layers, weights, strict=True):
        assert np.array_equal(layer, [w] * 3)


def first_step(unit):
    """The first step of a flow, from a unit of time in which powers may overflow or vanish."""
    weights, *task = problem()
    flow = flow_of(weights, *task)
    series = FlowSeries(Task(*task), [w.shape for w in weights], 20)
    return flow._step(series, Task(*task).accurate(FlowState(weights, Task(*task).residual(weights))), unit)


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e30, 1e300])
def test_the_unit_of_time_hardly_matters(unit):
    assert np.isclose(first_step(unit).length, first_step(1.0).length, rtol=1e-6, atol=0)


def test_a_unit_between_those_that_are_too_short_and_too_long_is_a_step(monkeypatch):
    weights, *task = problem()
    expected = integrated(flow_of(weights, *task), [1e-3])
    lengths = iter([math.inf, 0.0])
    monkeypatch.setattr(Flow, "_length", lambda _self, _series: next(lengths))
    step = first_step(1e-3)
    assert step.length == 1e-3
    for layer, other in zip(step.end().layers, expected, strict=True):
        assert np.allclose(layer, other[0], rtol=1e-14, atol=0)


def test_steps_that_underflow_report_the_time_reached():
    """Three layers of 1e-20 leave the saddle at time 1e20, faster than the spacing of float64 numbers there."""
    weights = (np.array([[1e-20]]),) * 3
    with pytest.raises(FlowError, match="step size") as caught:
        integrated(flow_of(weights, np.eye(1), None), [1.0, 1e30])
    assert 1e19 < caught.value.time < 1e21


def test_a_stiff_problem_ends_at_the_limit_of_evaluations():
    """Rates of the order of 1 limit steps to about 3, of which 1e30 would need too many.

    A bottleneck leaves a residual, so that the layers do not come to rest.
    """
    weights, *task = problem((2, 1, 2))
    flow = flow_of(weights, *task, rtol=1e-6)
    with pytest.raises(FlowError, match="evaluations") as caught:
        integrated(flow, [1.0, 1e30])
    assert 10_000 < flow.evaluations < 100_000
    assert 1e3 < caught.value.time < 1e6


def test_balance_is_conserved():
    weights, *task = problem((4, 3, 5, 2))
    layers = integrated(flow_of(weights, *task), np.linspace(0, 5, 20))
    moved = np.linalg.norm(layers[1][-1] - weights[1])
    assert moved > 0.1
    assert balance_drift(layers, weights) <= 1e-11


def test_drift_of_a_wrong_trajectory():
    """Two layers (1) and (2): B = 3; later (3) and (4): B = 7, squared norm 25."""
    initial = (np.array([[1.0]]), np.array([[2.0]]))
    layers = (np.array([[[1.0]], [[3.0]]]), np.array([[[2.0]], [[4.0]]]))
    assert np.isclose(balance_drift(layers, initial), 4 / 25, rtol=1e-15, atol=0)


def test_drift_is_that_of_the_worst_pair():
    """The upper two of three layers lose their balance by a rotation of the hidden units of one of them."""
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    initial = (np.eye(2), np.eye(2), np.diag([2.0, 0.0]))
    layers = (np.eye(2)[None], np.eye(2)[None], (np.diag([2.0, 0.0]) @ turn)[None])
    # B = diag(4, 0) - I becomes turn^T diag(4, 0) turn - I; the squared norms are 2 + 2 + 4
    expected = np.linalg.norm(turn.T @ np.diag([4.0, 0.0]) @ turn - np.diag([4.0, 0.0])) / 8
    assert np.isclose(balance_drift(layers, initial), expected, rtol=1e-14, atol=0)


def test_weights_of_zero_do_not_drift():
    zeros = (np.zeros((2, 2, 3)), np.zeros((2, 1, 2)))
    assert balance_drift(zeros, tuple(w[0] for w in zeros)) == 0.0
    assert distance(zeros, zeros) == 0.0


def test_distance_is_the_largest_over_times_relative_to_the_first():
    first = (np.array([[[3.0]], [[0.0]]]), np.array([[[4.0]], [[1.0]]]))
    second = (np.array([[[3.0]], [[0.3]]]), np.array([[[4.5]], [[1.4]]]))
    # 0.5 of 5, then 0.5 of 1
    assert np.isclose(distance(first, second), 0.5, rtol=1e-15, atol=0)
    assert np.isclose(distance(second, first), 0.5 / np.sqrt(1.4**2 + 0.3**2), rtol=1e-15, atol=0)
    assert distance(first, first) == 0.0


def test_the_distance_of_a_looser_integration_is_its_error():
    weights, *task = problem((3, 3, 3, 3), seed=4)
    times = np.linspace(0, 3, 7)
    exact, loose = (integrated(flow_of(weights, *task, rtol=r, atol=r), times) for r in (1e-13, 1e-2))
    worst = max(
        np.linalg.norm(np.concatenate([(a[i] - b[i]).ravel() for a, b in zip(exact, loose, strict=True)]))
        / np.linalg.norm(np.concatenate([a[i].ravel() for a in exact]))
        for i in range(len(times))
    )
    assert np.isclose(distance(exact, loose), worst, rtol=1e-12, atol=0)
    assert 1e-9 < worst < 1e-3
