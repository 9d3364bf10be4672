"""What a method is asked, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import ServiceError

Quantities = Mapping[str, Any]
"""Arrays by quantity, time first; some quantities are mappings or lists of arrays."""


@dataclass(frozen=True)
class Problem:
    """A learning problem in arrays.

    Attributes:
        weights: initial weights, first layer first; entry l is (width l+1, width l).
        moments: what the network is trained on.
        time_constant: tau, in the unit of times.
        times: ascending, non-negative.
        quantities: names of what is asked.
        lam: balance that the weights were drawn with; None for weights of unknown origin.
    """

    weights: tuple[np.ndarray, ...]
    moments: Moments
    time_constant: float
    times: np.ndarray
    quantities: tuple[str, ...]
    lam: float | None = None


@dataclass(frozen=True)
class Warned:
    """Something about an answer that its reader should know."""

    code: str
    detail: str


@dataclass(frozen=True)
class Outcome:
    """An answered problem."""

    method: str
    reason: str
    lam: float | None
    quantities: Quantities
    diagnostics: Mapping[str, Any]
    warnings: tuple[Warned, ...]


class Applicable(Protocol):
    """A method that was found to cover a problem, with what was measured on the way."""

    def run(self) -> Outcome:
        """Answer the problem."""
        ...


class Method(Protocol):
    """One way to answer problems."""

    name: str

    def examine(self, problem: Problem) -> Applicable | ServiceError:
        """Measure whether the method covers the problem; the error says why not, with numbers and what to do."""
        ...
