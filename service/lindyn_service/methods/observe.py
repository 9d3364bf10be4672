"""Quantities of a closed form: from its weights at each time, or by interpolation of its network function."""

from collections.abc import Sequence

import numpy as np

from lindyn_service.dynamics.closed_form import ClosedForm
from lindyn_service.dynamics.dense import Samples, sample, worthwhile
from lindyn_service.dynamics.exact import Factors, Solution
from lindyn_service.dynamics.frame import Frame
from lindyn_service.dynamics.objective import Objective
from lindyn_service.dynamics.observables import output
from lindyn_service.methods.collect import Collector

INTERPOLATED = frozenset({"loss", "excess_loss", "output"})
"""Quantities that need the network function alone, and its smallest entries no better than its largest."""

_OF_CHANGE = frozenset({"ntk_distance", "ntk_movement"})


def observe(
    solution: ClosedForm,
    objective: Objective,
    times: np.ndarray,
    quantities: Sequence[str],
    *,
    hidden: int,
    time_constant: float,
) -> Collector:
    """Read quantities at ascending times, which are in units of the white-input problem's time constant."""
    collected = Collector(quantities, len(times))
    if INTERPOLATED.issuperset(quantities) and isinstance(solution, Solution):
        samples = sample(solution, times, worthwhile(solution, len(times)))
        if samples is not None:
            _interpolate(samples, objective, times, quantities, collected)
            return collected
    start = None
    if not _OF_CHANGE.isdisjoint(quantities):
        start = factors_frame(objective, solution.at(np.zeros(1)), hidden, time_constant)
    for part, factors in solution.batches(times):
        collected.observe(part, factors_frame(objective, factors, hidden, time_constant, start))
    return collected


def factors_frame(
    objective: Objective, factors: Factors, hidden: int, time_constant: float, start: Frame | None = None
) -> Frame:
    """Put weights of the white-input problem into the frame that observables are read from."""
    return Frame(objective, (factors.into.transpose(0, 2, 1), factors.out), (hidden,), time_constant, start)


def _interpolate(
    samples: Samples, objective: Objective, times: np.ndarray, quantities: Sequence[str], collected: Collector
) -> None:
    """The output is linear in the network function, the loss is not: it is that of the interpolated function."""
    nodes = output(_function(objective, samples.strengths))
    outputs = np.empty((len(times) if "output" in quantities else 0, *nodes.shape[1:]))
    for part, weights in samples.batches(times):
        if len(outputs):
            np.matmul(weights, nodes.reshape(len(nodes), -1), out=outputs[part].reshape(len(weights), -1))
        if set(quantities) != {"output"}:
            strengths = np.tensordot(weights, samples.strengths, 1)
            collected.observe(part, _function(objective, strengths), skip=("output",))
    if len(outputs):
        collected.place("output", outputs)


def _function(objective: Objective, strengths: np.ndarray) -> Frame:
    """A network function alone: a network of one layer."""
    return Frame(objective, (strengths,), (), 1.0)
