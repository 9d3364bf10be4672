"""Requests moved across the conditions of the closed forms change by no more than the move explains.

How much a move of a given size changes the network function is found by integration of the weights from the definition,
for moves that are much larger than any tolerance of a condition. Answers add no more to that than the errors that they
state.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.aligned import chain, commuting, two_layers
from support.analyses import learn
from support.answers import TIMES, request
from support.training import trained

from lindyn_service.dynamics.initialization import balanced_weights

STEP = 1e-3  # of the integrated moves
SLACK = 1.5  # for the curvature of the answer between the moves


@dataclass(frozen=True)
class Problem:
    """A network and what it learns, as a request has it."""

    weights: list[np.ndarray]
    sigma_yx: np.ndarray
    sigma_xx: np.ndarray
    decay: float = 0.0
    rates: tuple[float, float] | None = None

    def answer(self):
        changes = {"weight_decay": self.decay, "learning_rates": self.rates, "quantities": ["output"]}
        return learn(**request(self.weights, self.sigma_yx, self.sigma_xx, **changes))

    def integrated(self):
        layers = trained(self.weights, self.sigma_yx, self.sigma_xx, TIMES, rates=self.rates, decay=self.decay)
        function = layers[0]
        for layer in layers[1:]:
            function = layer @ function
        return function


def alignment(size, rng):
    """Modes that learn alone, and then not."""
    sigma_yx, sigma_xx, u, v, *_ = commuting(3, 3, rng)
    w1, w2 = two_layers(u, v, 6, rng)
    return Problem([w1 + size * rng.standard_normal(w1.shape), w2], sigma_yx, sigma_xx)


def depth(size, rng):
    """Three layers whose modes learn alone, and then not."""
    sigma_yx, sigma_xx, u, v, *_ = commuting(3, 3, rng)
    layers = chain(u, v, [3, 3], rng)
    return Problem([layers[0] + size * rng.standard_normal((3, 3)), *layers[1:]], sigma_yx, sigma_xx)


def balance(size, rng):
    """Balanced layers on white inputs, and then others."""
    w1, w2 = balanced_weights((3, 3, 3), rng.uniform(-1, 1), 0.5, rng)
    return Problem([w1, w2 + size * rng.standard_normal((3, 3))], rng.standard_normal((3, 3)), np.eye(3))


def rates(size, rng):
    """Learning rates that differ."""
    w1, w2 = balanced_weights((3, 3, 3), 0.7, 0.5, rng)
    return Problem([w1, w2], rng.standard_normal((3, 3)), np.eye(3), rates=(1.0, 1.0 + size))


def decay_from_zero(size, rng):
    """Weight decay of layers with lambda = 0, whose closed form has it, and of others."""
    w1, w2 = balanced_weights((3, 2, 3), rng.choice([0.0, 0.5]), 0.5, rng)
    return Problem([w1, w2], rng.standard_normal((3, 3)), np.eye(3), decay=abs(size))


def white_inputs(size, rng):
    """White inputs, and then coloured ones."""
    w1, w2 = balanced_weights((3, 3, 3), 0.7, 0.5, rng)
    turn = rng.standard_normal((3, 3))
    return Problem([w1, w2], rng.standard_normal((3, 3)), np.eye(3) + size * (turn + turn.T))


def commuting_inputs(size, rng):
    """Inputs that commute with the task, and then not."""
    sigma_yx, sigma_xx, u, v, *_ = commuting(3, 3, rng)
    turn = rng.standard_normal((3, 3))
    return Problem(two_layers(u, v, 6, rng), sigma_yx, sigma_xx + size * (turn + turn.T))


def hidden_units(size, rng):
    """Hidden units without weights, which are left out, and then with some."""
    first, second = rng.standard_normal((2, 3, 3)) / 2
    w1 = np.vstack([first, size * rng.standard_normal((6, 3))])
    w2 = np.hstack([second, size * rng.standard_normal((3, 6))])
    return Problem([w1, w2], rng.standard_normal((3, 3)), np.eye(3))


Move = Callable[[float, np.random.Generator], Problem]
MOVES: list[Move] = [
    alignment,
    depth,
    balance,
    rates,
    decay_from_zero,
    white_inputs,
    commuting_inputs,
    hidden_units,
]


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), exponent=st.floats(-14, -6))
def test_answers_change_by_what_the_move_explains(move: Move, seed: int, exponent: float) -> None:
    size = 10.0**exponent
    at, beyond = (move(moved, np.random.default_rng(seed)).answer() for moved in (0.0, size))
    ahead, behind = (move(moved, np.random.default_rng(seed)).integrated() for moved in (STEP, 0.0))
    slope = np.linalg.norm(ahead - behind, axis=(1, 2)) / STEP
    outputs = [np.array(answer["quantities"]["output"]) for answer in (at, beyond)]
    norms = np.linalg.norm(outputs[0], axis=(1, 2))
    stated = sum(answer["diagnostics"]["errors"]["output"] for answer in (at, beyond))
    change = np.linalg.norm(outputs[1] - outputs[0], axis=(1, 2))
    # rounding errors of requests: numbers of size 1 in the weights, of which the moved ones are rounded anew
    assert np.all(change <= SLACK * slope * size + stated * norms + 1e-14 * np.max(norms))


@pytest.mark.parametrize("move", [alignment, balance, white_inputs, commuting_inputs], ids=lambda move: move.__name__)
def test_moves_cross_a_condition(move: Move) -> None:
    found = [move(size, np.random.default_rng(1)).answer() for size in (0.0, 1e-6)]
    assert [answer["method"] for answer in found] == ["exact", "flow"]
