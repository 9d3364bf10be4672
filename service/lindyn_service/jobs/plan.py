"""Plan of a job: its numbered, content-addressed points, their computation and the assembly of the result.

Plans are parsed and used in worker processes; the service itself has only the `Outline` of a plan.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast

import numpy as np
import orjson

from lindyn.wire.conflicts import conflicts_of_point
from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.fit import FitRequest
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.tree import JSON
from lindyn.wire.wording import shown_json
from lindyn_service.errors import ServiceError
from lindyn_service.experiments.base import Cell, Values
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.jobs.errors import DamagedJobError
from lindyn_service.jobs.fit_plan import FitPlan
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.points import experiment_cells, sweep_points
from lindyn_service.operations.costs import point_cost
from lindyn_service.translate.encode import SOLVER, VERSION
from lindyn_service.translate.experiment import experiment_table, parameters
from lindyn_service.translate.fit_document import FIT
from lindyn_service.translate.sweep import PointKeys, PointReader
from lindyn_service.translate.sweep_table import sweep_table
from lindyn_service.translate.table import Archive
from lindyn_service.worker_speed import FLOPS_PER_SECOND

SWEEP = "sweep"


class Plan(Protocol):
    """A deterministic list of points, which depends only on the request."""

    @property
    def total(self) -> int:
        """The number of points."""
        ...

    @property
    def flops_per_point(self) -> float:
        """The approximate flops that were charged for each point when the job was posted."""
        ...

    @property
    def needs(self) -> Mapping[int, range]:
        """The numbers of the points that a point is computed from, for points that are computed from others."""
        ...

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """Return the content addresses of points: SHA-256 in hexadecimal digits."""
        ...

    def compute(self, numbers: Sequence[int], seconds: float, records: Mapping[int, bytes]) -> list[bytes]:
        """Compute points in their order, and start no further one after `seconds`; returns the computed records.

        Args:
            numbers: of the points.
            seconds: time after which no further point is started.
            records: of the points that these are computed from.
        """
        ...

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """Assemble the result from the records of all points in their order, which are iterated once."""
        ...


@dataclass(frozen=True)
class SweepPlan:
    """The points of the grid of a sweep."""

    request: SweepRequest
    limits: SweepLimits

    @cached_property
    def _keys(self) -> PointKeys:
        return PointKeys(self.request)

    @cached_property
    def _reader(self) -> PointReader:
        return PointReader(self.request, conflicts_of_point)

    @property
    def needs(self) -> Mapping[int, range]:
        """See `Plan`."""
        return {}

    @property
    def total(self) -> int:
        """See `Plan`."""
        return self.request.n_points

    @property
    def flops_per_point(self) -> float:
        """The estimate for the first point, or 0 if that point is invalid."""
        try:
            first = self._reader.read((0,) * len(self.request.axes))
        except (InvalidDocumentError, ServiceError):
            return 0.0
        return point_cost(first, self.request.collect).flops

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        return [self._keys.of(index) for index in self._indices(numbers)]

    def compute(self, numbers: Sequence[int], seconds: float, records: Mapping[int, bytes]) -> list[bytes]:
        """See `Plan`."""
        return sweep_points(self.request, self._indices(numbers), self.limits, seconds, self._reader)

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """See `Plan`."""
        return sweep_table(job, self.request, records, self.limits.result_bytes)

    def _indices(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the grid indices of points; the last axis varies fastest."""
        along_axes = np.unravel_index(np.asarray(numbers, dtype=np.intp), self.request.shape)
        return list(zip(*(indices.tolist() for indices in along_axes), strict=True))


@dataclass(frozen=True)
class ExperimentPlan:
    """The cells of an experiment."""

    name: str
    parameters: Values
    max_bytes: int

    @cached_property
    def _cells(self) -> Sequence[Cell]:
        return EXPERIMENTS[self.name].cells(self.parameters)

    @property
    def needs(self) -> Mapping[int, range]:
        """See `Plan`."""
        return {}

    @property
    def total(self) -> int:
        """See `Plan`."""
        return len(self._cells)

    @property
    def flops_per_point(self) -> float:
        """See `Plan`."""
        return FLOPS_PER_SECOND * EXPERIMENTS[self.name].seconds(self.parameters)

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        contents = [[SOLVER, self.name, self.parameters, self._cells[i]] for i in numbers]
        return [hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest() for content in contents]

    def compute(self, numbers: Sequence[int], seconds: float, records: Mapping[int, bytes]) -> list[bytes]:
        """See `Plan`."""
        return experiment_cells(self.name, self.parameters, list(numbers), seconds)

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """See `Plan`."""
        return experiment_table(job, self.name, self.parameters, records, self.max_bytes)


def plan_of(kind: str, request: bytes, limits: SweepLimits) -> Plan:
    """Parse the plan of a stored request.

    Raises:
        DamagedJobError: the request is damaged, or not valid in this version of the service.
    """
    try:
        plan = _plan(kind, request, limits)
        _ = plan.total
    except ServiceError as error:
        raise damaged(kind, f"its request is invalid ({error.detail[:200]})") from error
    except Exception as error:  # parsing damaged bytes may raise any error
        raise damaged(kind, f"its request is damaged ({type(error).__name__})") from error
    return plan


def damaged(kind: str, why: str) -> DamagedJobError:
    """Return the error for a stored job that this version of the service cannot execute as it was posted."""
    return DamagedJobError(
        f"a job of kind {shown_json(kind)} cannot be read by version {VERSION} of the service, perhaps because another "
        f"version stored it: {why}; post its request again"
    )


def _plan(kind: str, request: bytes, limits: SweepLimits) -> Plan:
    document = orjson.loads(request)
    if kind == SWEEP:
        return SweepPlan(SweepRequest.model_validate(document), limits)
    if kind == FIT:
        return FitPlan(FitRequest.model_validate(document), limits.result_bytes)
    if kind not in EXPERIMENTS:
        raise DamagedJobError(f"there is no kind of job called {shown_json(kind)}")
    values = cast("dict[str, JSON]", document["parameters"])
    return ExperimentPlan(kind, parameters(EXPERIMENTS[kind], values), limits.result_bytes)
