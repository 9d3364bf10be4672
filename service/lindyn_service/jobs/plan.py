"""What a job consists of: numbered points with content addresses, who computes them, and who puts them together."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np
import orjson

from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.job import Job
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
from lindyn_service.translate.table import sweep_table
from lindyn_service.worker_speed import FLOPS_PER_SECOND

SWEEP = "sweep"

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function at the top of a module, and its arguments: what an engine runs."""


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
        """Content addresses of some points."""
        ...

    def compute(self, numbers: Sequence[int], seconds: float) -> Call:
        """What computes some points, and begins none after so many seconds; gives the bytes of the first ones."""
        ...

    def assemble(self, job: str, records: list[bytes]) -> Call:
        """What makes the result of the bytes of all points in their order; gives an archive."""
        ...


@dataclass(frozen=True)
class SweepPlan:
    """Points of a grid."""

    request: SweepRequest
    limits: SweepLimits

    @cached_property
    def _keys(self) -> PointKeys:
        return PointKeys(self.request)

    @property
    def total(self) -> int:
        """See `Plan`."""
        return self.request.n_points

    @property
    def flops_of_a_point(self) -> float:
        """See `Plan`."""
        return self._flops_of_the_first

    @cached_property
    def _flops_of_the_first(self) -> float:
        """Its estimate, where it is valid by itself."""
        try:
            first = PointReader(self.request).read((0,) * len(self.request.axes))
        except (InvalidDocumentError, ServiceError):
            return 0.0
        return point_cost(first, self.request.collect).flops

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        return [self._keys.of(place) for place in self._places(numbers)]

    def compute(self, numbers: Sequence[int], seconds: float) -> Call:
        """See `Plan`."""
        return sweep_points, (self.request, self._places(numbers), self.limits, seconds)

    def assemble(self, job: str, records: list[bytes]) -> Call:
        """See `Plan`."""
        return sweep_table, (job, self.request, records, self.limits.result_bytes)

    def _places(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
        """The last axis is the fastest."""
        return [tuple(int(i) for i in np.unravel_index(number, self.request.shape)) for number in numbers]


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

    def compute(self, numbers: Sequence[int], seconds: float) -> Call:
        """See `Plan`."""
        return experiment_cells, (self.name, self.parameters, list(numbers), seconds)

    def assemble(self, job: str, records: list[bytes]) -> Call:
        """See `Plan`."""
        return experiment_table, (job, self.name, self.parameters, records, self.most_bytes)


def plan_of(job: Job, request: bytes | None, limits: SweepLimits) -> Plan:
    """Read the plan of a stored job.

    Raises:
        DamagedJobError: it cannot be read, or means something else in this version.
    """
    if request is None:
        raise DamagedJobError("the store of jobs has lost the request of this job; post it again")
    try:
        plan = _plan(job.kind, request, limits)
        total = plan.total
    except ServiceError as error:
        raise _damaged(job, f"its request is invalid ({error.detail[:200]})") from error
    except Exception as error:  # of stored bytes, anything may be wrong
        raise _damaged(job, f"its request is damaged ({type(error).__name__})") from error
    if total != job.total:
        raise _damaged(job, f"it was posted with {job.total} points, and has {total} now")
    return plan


def _plan(kind: str, request: bytes, limits: SweepLimits) -> Plan:
    document = orjson.loads(request)
    if kind == SWEEP:
        return SweepPlan(SweepRequest.model_validate(document), limits)
    if kind not in EXPERIMENTS:
        raise DamagedJobError(f"no kind of jobs is called {shown(kind)}")
    given = cast("dict[str, Any]", document["parameters"])
    return ExperimentPlan(kind, parameters(EXPERIMENTS[kind], given), limits.result_bytes)


def _damaged(job: Job, why: str) -> DamagedJobError:
    return DamagedJobError(
        f"job {job.id} of kind {shown(job.kind)} cannot be read by version {VERSION} of the service, perhaps because "
        f"another one stored it: {why}; post its request again"
    )
