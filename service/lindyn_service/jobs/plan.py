"""What a job consists of: numbered points with content addresses, what computes them, and what puts them together.

A plan is read, and asked, in worker processes; the service itself knows only the `Outline` of it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
import orjson

from lindyn.wire.conflicts import conflicts
from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.sweep import SweepRequest
from lindyn.wire.wording import shown
from lindyn_service.errors import ServiceError
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.jobs.errors import DamagedJobError
from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.points import experiment_cells, sweep_points
from lindyn_service.operations.costs import point_cost
from lindyn_service.translate.encode import SOLVER, VERSION
from lindyn_service.translate.experiment import experiment_table, parameters
from lindyn_service.translate.sweep import PointKeys, PointReader
from lindyn_service.translate.sweep_table import sweep_table
from lindyn_service.translate.table import Archive
from lindyn_service.worker_speed import FLOPS_PER_SECOND

SWEEP = "sweep"


class Plan(Protocol):
    """A deterministic list of points; the same request always makes the same."""

    @property
    def total(self) -> int:
        """How many points there are."""
        ...

    @property
    def flops_of_a_point(self) -> float:
        """What was counted for each when the job was posted, or about that."""
        ...

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """Content addresses of some points, SHA-256 in hexadecimal digits."""
        ...

    def compute(self, numbers: Sequence[int], seconds: float) -> list[bytes]:
        """Compute the first of some points, and begin none after so many seconds; gives the bytes of each."""
        ...

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """Make the result of the bytes of all points in their order, which are read once."""
        ...


@dataclass(frozen=True)
class SweepPlan:
    """Points of a grid."""

    request: SweepRequest
    limits: SweepLimits

    @cached_property
    def _keys(self) -> PointKeys:
        return PointKeys(self.request)

    @cached_property
    def _reader(self) -> PointReader:
        return PointReader(self.request, conflicts)

    @property
    def total(self) -> int:
        """See `Plan`."""
        return self.request.n_points

    @property
    def flops_of_a_point(self) -> float:
        """The estimate of the first one, where that is valid by itself."""
        try:
            first = self._reader.read((0,) * len(self.request.axes))
        except (InvalidDocumentError, ServiceError):
            return 0.0
        return point_cost(first, self.request.collect).flops

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        return [self._keys.of(place) for place in self._places(numbers)]

    def compute(self, numbers: Sequence[int], seconds: float) -> list[bytes]:
        """See `Plan`."""
        return sweep_points(self.request, self._places(numbers), self.limits, seconds, self._reader)

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """See `Plan`."""
        return sweep_table(job, self.request, records, self.limits.result_bytes)

    def _places(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """The last axis is the fastest."""
        shape = self.request.shape
        return [tuple(int(i) for i in np.unravel_index(number, shape)) for number in numbers]


@dataclass(frozen=True)
class ExperimentPlan:
    """Cells of an experiment."""

    name: str
    parameters: dict[str, Any]
    most_bytes: int

    @cached_property
    def _cells(self) -> list[Any]:
        return EXPERIMENTS[self.name].cells(self.parameters)

    @property
    def total(self) -> int:
        """See `Plan`."""
        return len(self._cells)

    @property
    def flops_of_a_point(self) -> float:
        """See `Plan`."""
        return FLOPS_PER_SECOND * EXPERIMENTS[self.name].seconds(self.parameters)

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        contents = [[SOLVER, self.name, self.parameters, self._cells[i]] for i in numbers]
        return [hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest() for content in contents]

    def compute(self, numbers: Sequence[int], seconds: float) -> list[bytes]:
        """See `Plan`."""
        return experiment_cells(self.name, self.parameters, list(numbers), seconds)

    def table(self, job: str, records: Iterable[bytes]) -> Archive:
        """See `Plan`."""
        return experiment_table(job, self.name, self.parameters, records, self.most_bytes)


def plan_of(kind: str, request: bytes, limits: SweepLimits) -> Plan:
    """Read the plan of a stored request.

    Raises:
        DamagedJobError: it cannot be read, or means something else in this version.
    """
    try:
        plan = _plan(kind, request, limits)
        _ = plan.total
    except ServiceError as error:
        raise damaged(kind, f"its request is invalid ({error.detail[:200]})") from error
    except Exception as error:  # of stored bytes, anything may be wrong
        raise damaged(kind, f"its request is damaged ({type(error).__name__})") from error
    return plan


def damaged(kind: str, why: str) -> DamagedJobError:
    """The error of a job of this kind that is not what it was posted as."""
    return DamagedJobError(
        f"a job of kind {shown(kind)} cannot be read by version {VERSION} of the service, perhaps because another one "
        f"stored it: {why}; post its request again"
    )


def _plan(kind: str, request: bytes, limits: SweepLimits) -> Plan:
    document = orjson.loads(request)
    if kind == SWEEP:
        return SweepPlan(SweepRequest.model_validate(document), limits)
    if kind not in EXPERIMENTS:
        raise DamagedJobError(f"no kind of jobs is called {shown(kind)}")
    given = cast("dict[str, Any]", document["parameters"])
    return ExperimentPlan(kind, parameters(EXPERIMENTS[kind], given), limits.result_bytes)
