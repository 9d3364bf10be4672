"""Radau collocation: against functions that solve their equations."""

import numpy as np
import pytest

from lindyn_service.dynamics.radau_collocation import (
    NODES,
    NotConvergedError,
    TooManyStepsError,
    integrate,
    is_smooth,
    linear_solution,
    radau_rule,
    solve,
)


def tangent(u):
    return 1 + u * u, -2 * u


def step(values, _time, length):
    solution = solve(tangent, values[:, None], np.zeros((len(values), NODES)), length)
    return solution if is_smooth(solution, 1 + np.max(np.abs(solution), axis=1), length * 10) else None


def test_the_rule_is_exact_for_polynomials():
    rule, powers = radau_rule(), np.arange(1, NODES + 1)
    points = np.append(0.0, rule.nodes)
    values = points[:, None] ** powers
    assert np.allclose(rule.derivative @ values[1:], powers * rule.nodes[:, None] ** (powers - 1), rtol=0, atol=1e-11)
    assert np.allclose(rule.integrals @ values, points[:, None] ** (powers + 1) / (powers + 1), rtol=0, atol=1e-14)


def test_steps_that_are_too_long_are_shortened():
    """The tangent has a pole at pi / 2, over which no polynomial goes."""
    pieces, time, end = integrate(step, np.array([0.0, 0.5]), 100.0, lambda _time, _values: False, 1.0)
    assert time == 1.0
    assert np.allclose(end, [np.tan(1.0), np.tan(1.0 + np.arctan(0.5))], rtol=1e-13, atol=0)
    times = np.array([0.0, 0.3, 0.99, 1.0])
    assert np.allclose(pieces.at(times)[:, 0], np.tan(times), rtol=1e-13, atol=1e-15)


def test_a_pole_takes_too_many_steps(monkeypatch):
    monkeypatch.setattr("lindyn_service.dynamics.radau_collocation._MAX_STEPS", 50)
    with pytest.raises(TooManyStepsError, match="more than 50 steps"):
        integrate(step, np.array([0.0]), 1.0, lambda _time, _values: False, 2.0)


def test_an_equation_without_solution_does_not_converge():
    with pytest.raises(NotConvergedError):
        solve(tangent, np.zeros((1, 1)), np.zeros((1, NODES)), 50.0)


def test_values_that_are_no_numbers_end_the_iteration():
    with pytest.raises(NotConvergedError, match="change of nan"):
        solve(lambda u: (np.full(u.shape, np.nan), u), np.zeros((1, 1)), np.zeros((1, NODES)), 1.0)


def test_nothing_is_integrated_where_the_start_is_the_end():
    pieces, time, end = integrate(step, np.array([0.25]), 1.0, lambda _time, _values: True)
    assert (time, end.tolist(), len(pieces.starts)) == (0.0, [0.25], 0)
    assert pieces.at(np.zeros(0)).shape == (0, 1)


def test_linear_equations():
    nodes = radau_rule().nodes
    found = linear_solution(np.array([[3.0]]), np.full((1, NODES), 2.0), np.array([[1.0]]), 0.7)
    assert np.allclose(found[0, 1:], 1.5 - 0.5 * np.exp(-1.4 * nodes), rtol=1e-14, atol=0)
