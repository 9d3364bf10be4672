"""Points of a fit: descents of each model, then a summary of each model and a profile of each parameter.

Summaries and profiles start from the descents of their model, whose records they are given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson

from lindyn.wire.fit import FitRequest
from lindyn_service.inference.comparison import criteria
from lindyn_service.inference.minimum import Minimum, NoCurveError, minimum_from
from lindyn_service.inference.objective import Objective
from lindyn_service.inference.optima import different_minima, separate_minima
from lindyn_service.inference.profile import profile
from lindyn_service.inference.uncertainty import Uncertainty, threshold, uncertainty
from lindyn_service.translate.fit_models import FitModel, models_of
from lindyn_service.translate.fit_objective import objective_of
from lindyn_service.translate.fit_warnings import sign_warning, warnings_of

Record = dict[str, Any]

Kind = Literal["descent", "summary", "profile"]

_MAX_EVALUATIONS = 200
_TOLERANCE = 1e-5  # of the first descents; the best one goes on to the default


@dataclass(frozen=True)
class FitPoint:
    """A point of a fit.

    Attributes:
        kind: what is computed.
        model: number of the model.
        part: number of the start of a descent, or of the parameter of a profile.
    """

    kind: Kind
    model: int
    part: int = 0


class FitPoints:
    """The points of a fit in their order, and their computation."""

    def __init__(self, request: FitRequest) -> None:
        self._request = request
        self.models = models_of(request)
        self._objectives: dict[int, Objective] = {}
        self._n_starts = [request.starts if each.parameters else 1 for each in self.models]
        descents = [FitPoint("descent", i, part) for i, n in enumerate(self._n_starts) for part in range(n)]
        summaries = [FitPoint("summary", i) for i in range(len(self.models))]
        profiles = [
            FitPoint("profile", i, part) for i, model in enumerate(self.models) for part in range(len(model.parameters))
        ]
        self.points = [*descents, *summaries, *profiles]
        self.n_descents = len(descents)

    def needs(self, number: int) -> range:
        """Return the numbers of the points whose records a point is computed from."""
        point = self.points[number]
        if point.kind == "descent":
            return range(0)
        first = sum(self._n_starts[: point.model])
        return range(first, first + self._n_starts[point.model])

    def number(self, point: FitPoint) -> int:
        """Return the number of a point."""
        return self.points.index(point)

    def compute(self, number: int, records: Sequence[bytes]) -> bytes:
        """Compute a point.

        Args:
            number: of the point.
            records: of the points that it needs.
        """
        point = self.points[number]
        model, objective = self.models[point.model], self._objective(point.model)
        if point.kind == "descent":
            record = _descent(model, objective, self._n_starts[point.model], point.part)
        else:
            minima = [_minimum(found) for found in map(orjson.loads, records) if "position" in found]
            if not minima:
                record = {"problem": _told(records)}
            elif point.kind == "summary":
                record = _summary(model, objective, minima, len(records))
            else:
                record = _profile(objective, minima, point.part)
        return orjson.dumps(record, option=orjson.OPT_SERIALIZE_NUMPY)

    def _objective(self, number: int) -> Objective:
        if number not in self._objectives:
            self._objectives[number] = objective_of(self._request, self.models[number])
        return self._objectives[number]


def _descent(model: FitModel, objective: Objective, n_starts: int, part: int) -> Record:
    box = objective.box
    start = box.starts(n_starts, box.position(model.first))[part]
    try:
        found = minimum_from(objective, start, max_evaluations=_MAX_EVALUATIONS, tolerance=_TOLERANCE)
    except NoCurveError:
        values = dict(zip([each.name for each in model.parameters], box.values(start).tolist(), strict=True))
        return {"no_curve": values}
    return {
        "position": found.position,
        "squares": found.squares,
        "evaluations": found.evaluations,
        "converged": found.converged,
    }


def _minimum(record: Record) -> Minimum:
    position = np.array(record["position"], dtype=np.float64)
    return Minimum(position, record["squares"], record["evaluations"], converged=record["converged"])


def _told(records: Sequence[bytes]) -> str:
    """Say from where no descent was possible."""
    first: Record = orjson.loads(records[0])
    at = ", ".join(f"{name} = {value:.6g}" for name, value in first["no_curve"].items())
    return (
        f"no curve exists at any of {len(records)} starts, the first of which is {at or 'the base request'}; ask for a "
        "trajectory there to see the reason, or narrow the bounds"
    )


def _best(objective: Objective, minima: Sequence[Minimum]) -> Minimum:
    """Return the end of the best descent, which goes on to the precision of the result."""
    best = min(minima, key=lambda found: found.squares)
    return minimum_from(objective, best.position, max_evaluations=_MAX_EVALUATIONS)


def _summary(model: FitModel, objective: Objective, minima: Sequence[Minimum], n_starts: int) -> Record:
    best = _best(objective, minima)
    observed, box = objective.observed, objective.box
    known = uncertainty(objective, best.position, best.squares)
    curve = objective.curves(best.position[None])[0]
    log_likelihood = observed.log_likelihood(curve)
    found = criteria(log_likelihood, len(box) + observed.is_sigma_unknown, len(observed))
    return {
        "values": box.values(best.position),
        "standard_errors": np.sqrt(np.diagonal(known.values)),
        "covariance": known.values,
        "log_likelihood": log_likelihood,
        "chi2": best.squares / known.dispersion,
        "dof": len(observed) - len(box),
        "sigma": float(np.sqrt(known.dispersion)) if observed.is_sigma_unknown else None,
        "aic": found.aic,
        "bic": found.bic,
        "condition": known.condition,
        "fitted": observed.expected(curve),
        "fitted_standard_errors": known.curve * observed.expected_slopes(curve),
        "evaluations": best.evaluations + sum(each.evaluations for each in minima),
        "starts": n_starts,
        "descents": len(minima),
        **_warnings(model, objective, best, known, minima),
    }


def _warnings(
    model: FitModel, objective: Objective, best: Minimum, known: Uncertainty, minima: Sequence[Minimum]
) -> Record:
    """Return the warnings of a model, and the paths of the parameters in directions that are not determined."""
    increase = _increase(objective)
    separate = separate_minima(objective, different_minima(objective, [best, *minima]), known.dispersion, increase)
    warnings = warnings_of(model, objective, best, known, separate)
    undetermined = [path for each in warnings if each.code == "unidentifiable" for path in each.parameters]
    warnings += sign_warning(model, objective, best, known.dispersion * increase)
    return {"undetermined": undetermined, "warnings": [each.message() for each in warnings]}


def _increase(objective: Objective) -> float:
    """Return the increase of the deviance, in units of the dispersion, up to which a fit is as good."""
    n_values, n_parameters = len(objective.observed), len(objective.box)
    return threshold(n_values, n_parameters, is_sigma_unknown=objective.observed.is_sigma_unknown)


def _profile(objective: Objective, minima: Sequence[Minimum], index: int) -> Record:
    best, box = _best(objective, minima), objective.box
    known = uncertainty(objective, best.position, best.squares)
    found = profile(objective, best, index, known.positions, known.dispersion, _increase(objective))

    def value(coordinate: float) -> float:
        position = best.position.copy()
        position[index] = coordinate
        return float(box.values(position)[index])

    return {
        "values": [value(coordinate) for coordinate in found.coordinates],
        "increases": found.increases,
        "ends": [box.values(found.low), box.values(found.high)],
        "open": [found.is_open_below, found.is_open_above],
    }
