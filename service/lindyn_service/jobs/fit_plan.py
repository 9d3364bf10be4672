"""Plan of a fit: descents of each model, and then its summary and its profiles, which start from the descents."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import orjson

from lindyn.wire.fit import FitRequest
from lindyn_service.operations.fit_costs import fit_cost
from lindyn_service.translate.encode import SOLVER
from lindyn_service.translate.fit_document import fit_archive
from lindyn_service.translate.fit_models import FitModel
from lindyn_service.translate.fit_points import FitPoints
from lindyn_service.translate.table import Archive


@dataclass(frozen=True)
class FitPlan:
    """The points of a fit."""

    request: FitRequest
    max_bytes: int

    @cached_property
    def _points(self) -> FitPoints:
        return FitPoints(self.request)

    @property
    def total(self) -> int:
        """See `Plan`."""
        return len(self._points.points)

    @property
    def flops_per_point(self) -> float:
        """See `Plan`."""
        return fit_cost(self.request, self._points.models) / self.total

    @property
    def needs(self) -> Mapping[int, range]:
        """See `Plan`."""
        points = self._points
        return {number: points.needs(number) for number in range(points.n_descents, self.total)}

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """Return the content addresses of points, which do not depend on the other models of the request."""
        models = [self._model_digest(model) for model in self._points.models]
        points = [self._points.points[number] for number in numbers]
        return [
            hashlib.sha256(f"{models[point.model]} {point.kind} {point.part}".encode()).hexdigest() for point in points
        ]

    def compute(self, numbers: Sequence[int], seconds: float, records: Mapping[int, bytes]) -> list[bytes]:
        """See `Plan`."""
        started = time.perf_counter()
        computed: list[bytes] = []
        for number in numbers:
            needed = [records[need] for need in self._points.needs(number)]
            computed.append(self._points.compute(number, needed))
            if time.perf_counter() - started >= seconds:
                break
        return computed

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """See `Plan`."""
        return fit_archive(job, self.request, self._points, records, self.max_bytes)

    def _model_digest(self, model: FitModel) -> str:
        parameters = [[each.field.model_dump(), each.subject] for each in model.parameters]
        observations = [each.model_dump() for each in self.request.observations]
        content = [SOLVER, model.base, parameters, observations, self.request.starts]
        options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS
        return hashlib.sha256(orjson.dumps(content, option=options)).hexdigest()
