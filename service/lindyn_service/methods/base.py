"""What a method is asked, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np

from lindyn.wire.tree import JSON
from lindyn_service.dynamics.learning_rates import LearningRates
from lindyn_service.dynamics.regimes import Regime
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.wide_limit import WideLayers
from lindyn_service.errors import ServiceError

Quantities = Mapping[str, Any]
"""Arrays by quantity, time first; some quantities are mappings or lists of arrays."""


@dataclass(frozen=True)
class LearningProblem:
    """A learning problem in arrays.

    Attributes:
        weights: initial weights, first layer first; entry l is (width l+1, width l).
        moments: what the network is trained on.
        time_constant: tau, in the unit of times.
        times: ascending, non-negative.
        quantities: names of what is asked.
        lam: balance that the weights were drawn with; None for weights of unknown origin.
        wide: sizes of the wide layers whose limit is asked for, which `weights` stand for; None for the weights
            themselves.
        drawn: whether the weights are random numbers of the service, in which zeros by cancellation mean nothing.
        estimate: whether the errors of the answer are estimated, which takes some more evaluations.
        rates: learning rates of the layers and their schedule, with the same time constant; None for rates of 1.
        weight_decay: gamma, of the loss with (gamma / 2) sum ||W_l||_F^2 added, which is descended.
    """

    weights: tuple[np.ndarray, ...]
    moments: Moments
    time_constant: float
    times: np.ndarray
    quantities: tuple[str, ...]
    lam: float | None = None
    wide: WideLayers | None = None
    drawn: bool = False
    estimate: bool = True
    rates: LearningRates | None = None
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Warned:
    """Something about an answer that its reader should know.

    Attributes:
        code: kind of the warning.
        detail: text for the reader.
        modes: indices of the modes that it is about; empty for a warning that is not about single modes.
    """

    code: str
    detail: str
    modes: tuple[int, ...] = ()

    def message(self) -> dict[str, JSON]:
        """Return the warning as it is sent, without `modes` where there are none."""
        message: dict[str, JSON] = {"code": self.code, "detail": self.detail}
        return {**message, "modes": list(self.modes)} if self.modes else message


@dataclass(frozen=True)
class Outcome:
    """An answered problem; `times` are those that the method really has.

    The regime is None where it cannot be told, or the errors of the answer are not estimated.
    """

    method: str
    reason: str
    lam: float | None
    times: np.ndarray
    quantities: Quantities
    diagnostics: Mapping[str, Any]
    warnings: tuple[Warned, ...]
    regime: Regime | None = None


@dataclass(frozen=True)
class Reached:
    """When a loss has fallen to a tolerance, in the unit of times; None for never, or not by the last time."""

    time: float | None
    warnings: tuple[Warned, ...]


@dataclass(frozen=True)
class Refusal:
    """Why a method does not cover a problem.

    Attributes:
        finding: what was measured.
        remedy: what to do.
        kind: the error that says both.
        part: what of the request it is about.
        exceeds_range: whether numbers of the request cannot be squared in float64, by any exact method.
    """

    finding: str
    remedy: str
    kind: type[ServiceError]
    part: Literal["network", "task", "method", "weight_decay"] = "network"
    exceeds_range: bool = False

    def error(self, task_path: str = "task") -> ServiceError:
        """The refusal as an answer, given where the request has its task."""
        path = task_path if self.part == "task" else self.part
        return self.kind(f"{self.finding}; {self.remedy}", ((path, self.finding),))


class Applicable(Protocol):
    """A method that was found to cover a problem, with what was measured on the way."""

    def run(self) -> Outcome:
        """Answer the problem."""
        ...


class Method(Protocol):
    """One way to answer problems."""

    def examine(self, problem: LearningProblem) -> Applicable | Refusal:
        """Measure whether the method covers the problem."""
        ...


def answer(candidates: Sequence[Method], problem: LearningProblem) -> Outcome:
    """Answer with the first method that covers the problem, and say why not with those before it.

    Raises:
        ServiceError: what each method found, and what the last one, which covers most, asks for.
    """
    chosen, findings = choose(candidates, problem)
    outcome = chosen.run()
    return replace(outcome, reason="; ".join([*findings, outcome.reason]))


def choose(candidates: Sequence[Method], problem: LearningProblem) -> tuple[Applicable, list[str]]:
    """The first method that covers the problem, and what kept those before it from doing so.

    Raises:
        ServiceError: as above.
    """
    refusals: list[Refusal] = []
    for method in candidates:
        verdict = method.examine(problem)
        if not isinstance(verdict, Refusal):
            return verdict, [refusal.finding for refusal in refusals]
        refusals.append(verdict)
    findings = "; ".join(refusal.finding for refusal in refusals)
    raise replace(refusals[-1], finding=findings).error()
