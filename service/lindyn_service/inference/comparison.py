"""Comparison of models by information criteria."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Criteria:
    """Criteria of Akaike (1974), 10.1109/TAC.1974.1100705, and Schwarz (1978), 10.1214/aos/1176344136."""

    aic: float
    bic: float


@dataclass(frozen=True)
class Ranked:
    """A model in the ranking.

    Attributes:
        model: its name.
        aic: its criterion.
        difference: that to the best model.
        weight: Akaike weight, its relative likelihood among the models.
    """

    model: str
    aic: float
    difference: float
    weight: float


def criteria(log_likelihood: float, n_parameters: int, n_values: int) -> Criteria:
    """Return the information criteria of a model, of which an estimated standard deviation is a parameter."""
    return Criteria(2 * n_parameters - 2 * log_likelihood, float(np.log(n_values)) * n_parameters - 2 * log_likelihood)


def ranking(aic: Mapping[str, float]) -> list[Ranked]:
    """Rank models by Akaike's criterion, the best first.

    Source: Burnham and Anderson (2002), Model Selection and Multimodel Inference, section 2.9.
    """
    order = sorted(aic, key=lambda name: aic[name])
    if not order:
        return []
    least = aic[order[0]]
    differences = {name: 0.0 if aic[name] == least else aic[name] - least for name in order}  # both may be infinite
    total = sum(np.exp(-difference / 2) for difference in differences.values())
    return [Ranked(name, aic[name], differences[name], float(np.exp(-differences[name] / 2) / total)) for name in order]
