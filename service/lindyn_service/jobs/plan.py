"""What a job consists of: numbered points with content addresses, who computes them, and who puts them together."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import orjson

from lindyn.wire.sweep import SweepRequest
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.translate.encode import SOLVER
from lindyn_service.translate.experiment import compute_cells, experiment_table
from lindyn_service.translate.sweep import compute_points, indices, point_keys
from lindyn_service.translate.table import sweep_table

SWEEP = "sweep"

Call = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function at the top of a module, and its arguments: what an engine runs."""


class Plan(Protocol):
    """A deterministic list of points; the same request always makes the same."""

    @property
    def total(self) -> int:
        """How many points there are."""
        ...

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """Content addresses of some points."""
        ...

    def compute(self, numbers: Sequence[int]) -> Call:
        """What computes some points; gives the bytes of each."""
        ...

    def assemble(self, job: str, records: list[bytes]) -> Call:
        """What makes the result of the bytes of all points in their order; gives an archive."""
        ...


@dataclass(frozen=True)
class SweepPlan:
    """Points of a grid."""

    request: SweepRequest

    @cached_property
    def _places(self) -> list[tuple[int, ...]]:
        return list(indices(self.request))

    @property
    def total(self) -> int:
        """See `Plan`."""
        return len(self._places)

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        return point_keys(self.request, [self._places[i] for i in numbers])

    def compute(self, numbers: Sequence[int]) -> Call:
        """See `Plan`."""
        return compute_points, (self.request, [self._places[i] for i in numbers])

    def assemble(self, job: str, records: list[bytes]) -> Call:
        """See `Plan`."""
        return sweep_table, (job, self.request, records)


@dataclass(frozen=True)
class ExperimentPlan:
    """Cells of an experiment."""

    name: str
    parameters: dict[str, Any]

    @cached_property
    def _cells(self) -> list[Any]:
        return EXPERIMENTS[self.name].cells(self.parameters)

    @property
    def total(self) -> int:
        """See `Plan`."""
        return len(self._cells)

    def keys(self, numbers: Sequence[int]) -> list[str]:
        """See `Plan`."""
        contents = [[SOLVER, self.name, self.parameters, self._cells[i]] for i in numbers]
        return [hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest() for content in contents]

    def compute(self, numbers: Sequence[int]) -> Call:
        """See `Plan`."""
        return compute_cells, (self.name, self.parameters, list(numbers))

    def assemble(self, job: str, records: list[bytes]) -> Call:
        """See `Plan`."""
        return experiment_table, (job, self.name, self.parameters, records)


def plan_of(kind: str, request: bytes) -> Plan:
    """Read the plan of a stored job."""
    document = orjson.loads(request)
    if kind == SWEEP:
        return SweepPlan(SweepRequest.model_validate(document))
    return ExperimentPlan(kind, document["parameters"])
