"""The objective of a model: its observations, and the curves that it predicts for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lindyn.wire.fit import FitRequest, Observation
from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.likelihood import Observed
from lindyn_service.inference.objective import Objective, Part
from lindyn_service.translate.fit_curves import CurveSource
from lindyn_service.translate.fit_models import OBSERVATIONS, FitModel, Parameter


def objective_of(request: FitRequest, model: FitModel) -> Objective:
    """Return the objective of a model, in which each subject is a part if parameters are those of subjects."""
    ends = np.cumsum([len(each.values) for each in request.observations])
    subjects = request.subjects if any(each.subject is not None for each in model.parameters) else [None]
    parts: list[Part] = []
    for subject in subjects:
        numbers = [i for i, each in enumerate(request.observations) if subject is None or each.subject == subject]
        parameters = [i for i, each in enumerate(model.parameters) if each.subject in (None, subject)]
        own = [(i, request.observations[i]) for i in numbers]
        prediction = _Prediction(model, [model.parameters[i] for i in parameters], own)
        places = np.concatenate([_places(int(ends[i]), each) for i, each in own])
        parts.append(Part(np.array(parameters, dtype=np.intp), places, prediction.curve))
    return Objective(observed_of(request), parts, model.box)


def observed_of(request: FitRequest) -> Observed:
    """Return the values of all observations, one observation after the other."""
    observations = request.observations
    sigmas = [_for_each(each, each.sigma, 1.0) for each in observations]
    trials = [_for_each(each, each.trials, 0.0) for each in observations]
    is_unknown = any(each.sigma is None and each.trials is None for each in observations)
    values = np.concatenate([each.values for each in observations])
    return Observed(values, np.concatenate(sigmas), np.concatenate(trials), is_unknown)


def _places(end: int, observation: Observation) -> npt.NDArray[np.intp]:
    """Return the places of an observation among all values, given that of the first value after it."""
    return np.arange(end - len(observation.values), end)


def _for_each(observation: Observation, given: FloatArray | None, default: float) -> FloatArray:
    return np.array(np.broadcast_to(default if given is None else given, observation.values.shape))


@dataclass(frozen=True)
class _Place:
    """Where an observation finds its curve, and the columns of its factor and offset among the parameters.

    Attributes:
        observation: the observation.
        number: index of its number among the curves.
        times: indices of its times.
        factor: column of its factor; None if the request gives it.
        offset: column of its offset; None if the request gives it.
    """

    observation: Observation
    number: int
    times: npt.NDArray[np.intp]
    factor: int | None
    offset: int | None


class _Prediction:
    """Predicts the curves of some observations from the values of some parameters."""

    def __init__(
        self, model: FitModel, parameters: Sequence[Parameter], observations: Sequence[tuple[int, Observation]]
    ) -> None:
        paths = [each.path for each in parameters]
        self._columns = [i for i, each in enumerate(parameters) if not each.is_coefficient]
        times, inverse = np.unique(np.concatenate([each.times for _, each in observations]), return_inverse=True)
        numbers = list(dict.fromkeys(each.quantity for _, each in observations))
        self._source = CurveSource(model.base, [paths[i] for i in self._columns], times, numbers)
        ends = np.cumsum([len(each.times) for _, each in observations])
        self._places = [
            _Place(
                each,
                numbers.index(each.quantity),
                inverse[end - len(each.times) : end],
                _coefficient(paths, number, "factor"),
                _coefficient(paths, number, "offset"),
            )
            for end, (number, each) in zip(ends, observations, strict=True)
        ]

    def curve(self, values: FloatArray) -> FloatArray:
        """Return the curves of sets of values (set, parameter) as (set, value)."""
        networks, inverse = np.unique(values[:, self._columns], axis=0, return_inverse=True)
        curves = self._source.curves(networks)[inverse.reshape(-1)]
        return np.concatenate([_predicted(place, values, curves) for place in self._places], axis=1)


def _predicted(place: _Place, values: FloatArray, curves: FloatArray) -> FloatArray:
    factor = place.observation.factor if place.factor is None else values[:, place.factor, None]
    offset = place.observation.offset if place.offset is None else values[:, place.offset, None]
    return factor * curves[:, place.number, place.times] + offset


def _coefficient(paths: Sequence[str], number: int, name: str) -> int | None:
    """Return the column of a coefficient of an observation, of its own or of all."""
    for path in (f"{OBSERVATIONS}.{number}.{name}", f"{OBSERVATIONS}.{name}"):
        if path in paths:
            return paths.index(path)
    return None
