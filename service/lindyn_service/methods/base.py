"""Interface of all methods: learning problems, outcomes, refusals, and the choice of a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias, cast

import numpy as np

from lindyn.wire.tree import JSON, Tree
from lindyn_service.dynamics.learning_rates import LearningRates
from lindyn_service.dynamics.regimes import Regime
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.wide_limit import WideLayers
from lindyn_service.errors import ServiceError

Quantity: TypeAlias = Any
"""Values of a quantity: an array, time first, or a mapping or a list of such arrays."""

Quantities: TypeAlias = Mapping[str, Quantity]
"""Values by the name of their quantity."""


@dataclass(frozen=True)
class LearningProblem:
    """A learning problem in arrays.

    Attributes:
        weights: initial weights, first layer first; entry l is (width l+1, width l).
        moments: second moments of the training data, and the samples if they are known.
        time_constant: tau, in the unit of times.
        times: ascending, non-negative.
        quantities: names of the requested quantities.
        lam: lambda that the weights were drawn with; None for weights of unknown balance.
        wide: parameters of the limit of a wide hidden layer, which `weights` represent; None for a network of finite
            width.
        drawn: whether the service drew the weights at random; zeros by cancellation are then rounding errors.
        estimate: whether the errors of the answer are estimated, which takes additional evaluations.
        rates: learning rates of the layers and their schedule, with the same time constant; None for rates of 1.
        weight_decay: gamma; training minimises the loss plus (gamma / 2) sum ||W_l||_F^2.
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
class AnswerWarning:
    """A warning about an answer.

    Attributes:
        code: kind of the warning.
        detail: text for the reader.
        modes: indices of the modes that it concerns; empty for a warning that does not concern single modes.
    """

    code: str
    detail: str
    modes: tuple[int, ...] = ()

    def message(self) -> dict[str, JSON]:
        """Return the warning as JSON, without `modes` if there are none."""
        message: dict[str, JSON] = {"code": self.code, "detail": self.detail}
        return {**message, "modes": list(self.modes)} if self.modes else message


@dataclass(frozen=True)
class Outcome:
    """The answer to a learning problem.

    Attributes:
        method: name of the method.
        reason: why this method was chosen, and how it was run.
        lam: lambda of the initial weights; None if the weights do not have one.
        times: times of the quantities, which descent rounds to steps.
        quantities: requested quantities, time first.
        diagnostics: measured residuals, errors and properties of the task.
        warnings: warnings about the answer.
        regime: rich or lazy; None if rounding errors decide it, or if errors are not estimated.
    """

    method: str
    reason: str
    lam: float | None
    times: np.ndarray
    quantities: Quantities
    diagnostics: Mapping[str, Tree]
    warnings: tuple[AnswerWarning, ...]
    regime: Regime | None = None

    @property
    def errors(self) -> Mapping[str, float]:
        """Bounds on the relative errors of the quantities; empty if errors are not estimated."""
        return cast("Mapping[str, float]", self.diagnostics.get("errors", {}))


@dataclass(frozen=True)
class Convergence:
    """The time at which the excess loss has first fallen to a tolerance.

    Attributes:
        time: in the unit of times; None if the loss never falls to the tolerance, or not by the last time.
        warnings: warnings about the time.
    """

    time: float | None
    warnings: tuple[AnswerWarning, ...]


@dataclass(frozen=True)
class Refusal:
    """Why a method does not cover a problem.

    Attributes:
        finding: what was measured.
        remedy: what the caller can do.
        kind: class of the error that reports both.
        part: field of the request that the finding concerns.
        exceeds_range: whether numbers of the request cannot be squared in float64, so that every exact method refuses.
    """

    finding: str
    remedy: str
    kind: type[ServiceError]
    part: Literal["network", "task", "method", "weight_decay"] = "network"
    exceeds_range: bool = False

    def error(self, task_path: str = "task") -> ServiceError:
        """Return the refusal as an error; `task_path` is the path of the task in the request."""
        path = task_path if self.part == "task" else self.part
        return self.kind(f"{self.finding}; {self.remedy}", ((path, self.finding),))


class Applicable(Protocol):
    """A method that covers a problem, together with the measurements that showed it."""

    def run(self) -> Outcome:
        """Answer the problem."""
        ...


class Method(Protocol):
    """A method that solves learning problems."""

    def examine(self, problem: LearningProblem) -> Applicable | Refusal:
        """Measure whether the method covers the problem."""
        ...


def answer(candidates: Sequence[Method], problem: LearningProblem) -> Outcome:
    """Answer with the first method that covers the problem; the reason says why the methods before it do not.

    Raises:
        ServiceError: no method covers the problem; the error has the findings of all methods and the remedy of the
            last one, which covers most problems.
    """
    chosen, findings = choose(candidates, problem)
    outcome = chosen.run()
    return replace(outcome, reason="; ".join([*findings, outcome.reason]))


def choose(candidates: Sequence[Method], problem: LearningProblem) -> tuple[Applicable, list[str]]:
    """Return the first method that covers the problem, and the findings of the methods before it.

    Raises:
        ServiceError: no method covers the problem, as in `answer`.
    """
    refusals: list[Refusal] = []
    for method in candidates:
        verdict = method.examine(problem)
        if not isinstance(verdict, Refusal):
            return verdict, [refusal.finding for refusal in refusals]
        refusals.append(verdict)
    findings = "; ".join(refusal.finding for refusal in refusals)
    raise replace(refusals[-1], finding=findings).error()
