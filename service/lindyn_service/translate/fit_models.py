"""Models of a fit: their base requests, and their parameters in the order in which they are estimated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lindyn.wire.fit import FULL, FitRequest, FreeParameter
from lindyn.wire.fit_conflicts import free_paths
from lindyn.wire.tree import PathError, Tree, replaced
from lindyn_service.errors import InvalidRequestError
from lindyn_service.inference.box import Box, FloatArray

OBSERVATIONS = "observations"


@dataclass(frozen=True)
class Parameter:
    """A number that is estimated.

    Attributes:
        field: the free parameter of the request.
        subject: name of the subject whose number it is; None for one that all share.
    """

    field: FreeParameter
    subject: str | None

    @property
    def path(self) -> str:
        """Its path in the request."""
        return self.field.path

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self.path if self.subject is None else f"{self.path} of {self.subject}"

    @property
    def is_coefficient(self) -> bool:
        """Whether it is a factor or an offset of observations, not a number of the base request."""
        return self.path.split(".")[0] == OBSERVATIONS


@dataclass(frozen=True)
class FitModel:
    """One of the models that are fitted to all observations.

    Attributes:
        name: its name.
        base: request for a trajectory, without times, quantities and free parameters.
        parameters: the numbers that are estimated.
    """

    name: str
    base: Mapping[str, Tree]
    parameters: tuple[Parameter, ...]

    @property
    def box(self) -> Box:
        """The bounds of the parameters."""
        bounds = np.array([each.field.bounds for each in self.parameters], dtype=np.float64).reshape(-1, 2)
        logarithmic = np.array([each.field.scale == "log" for each in self.parameters], dtype=np.bool_)
        return Box(bounds[:, 0], bounds[:, 1], logarithmic)

    @property
    def first(self) -> FloatArray:
        """The first start, as values."""
        return np.array([each.field.first for each in self.parameters], dtype=np.float64)


def models_of(request: FitRequest) -> list[FitModel]:
    """Return the models of a request, the full one first.

    Raises:
        InvalidRequestError: a path of a model leads through something that has no parts.
    """
    free = {each.path: each for each in request.free}
    models = [FitModel(FULL, request.base, _parameters(request, list(free.values())))]
    for i, model in enumerate(request.models):
        base = request.base
        for path, value in model.set.items():
            try:
                base = replaced(base, path, value)
            except PathError as error:
                place = f"models.{i}.set.{path}"
                raise InvalidRequestError(f"{place}: {path!r} {error.detail}", ((place, error.detail),)) from None
        fields = [free[path] for path in free_paths(request, model)]
        models.append(FitModel(model.name, base, _parameters(request, fields)))
    return models


def _parameters(request: FitRequest, fields: Sequence[FreeParameter]) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(field, subject)
        for field in fields
        for subject in (request.subjects if field.per_subject else (None,))
    )
