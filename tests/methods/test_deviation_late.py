"""Deviations of the exact loss from training, where both are far below the rounding errors of the weights."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from support.descent import decimal_descent

from lindyn_service.dynamics.tasks import Moments
from lindyn_service.methods.base import LearningProblem
from lindyn_service.methods.descent import DescentSolver
from lindyn_service.methods.sweep_scalars import summarise

ETA = 0.01


def deviation(weights, sigma_yx, times):
    return summarise(
        (DescentSolver(ETA),), LearningProblem(weights, Moments(sigma_yx), 1.0, times, ()), ["deviation"], 1e-3
    )


def test_deviations_after_convergence():
    """By closed-form sigmoids and descent in 80 digits."""
    w = np.diag([0.5, 0.4])
    found = deviation((w, w), np.diag([1.0, 0.8]), 0.01 + 0.1 * np.arange(400))
    assert found.values["deviation"] == pytest.approx(0.6859311231053391, rel=1e-9)


def sigmoid_loss(s, a0, time):
    """(s - a)^2 / 2 of s / (1 + (s / a0 - 1) e^{-2 s t})."""
    s, a0, time = Decimal(s), Decimal(a0), Decimal(time)
    return (s / (1 + (2 * s * time).exp() / (s / a0 - 1))) ** 2 / 2


def test_losses_below_1e_300_are_left_out_of_deviations():
    """One mode."""
    w, s, steps = np.array([[0.5]]), np.array([[1.0]]), [1, 100, 1000, 10_000, 17_000, 18_000]
    with localcontext() as context:
        context.prec = 350
        losses = [error.item() ** 2 / 2 for _, error in decimal_descent((w, w), s, None, ETA, steps, 350)]
        times = [Decimal(ETA) * step for step in steps]
        compared = [(sigmoid_loss(1.0, 0.25, t) - x) / x for t, x in zip(times, losses, strict=True) if x > 1e-300]
    found = deviation((w, w), s, ETA * np.array(steps))
    assert 3 < len(compared) < len(steps)
    assert found.values["deviation"] == pytest.approx(float(sum(compared) / len(compared)), rel=1e-8)
    assert "vanishing-loss" in {warned.code for warned in found.warnings}
