"""The values of a parameter at which a scalar meets a target."""

from collections.abc import Iterator

import numpy as np

from lindyn.wire.conflicts import conflicts_of_point, quantity_conflict
from lindyn.wire.design import FINAL_SCALARS, DesignRequest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.sweep import Axis, SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn.wire.tree import Tree
from lindyn_service.dynamics.level_crossings import Crossings, level_crossings
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.errors import InvalidRequestError, ServiceError, UnreachableError
from lindyn_service.methods.base import AnswerWarning
from lindyn_service.methods.sweep_scalars import summarise
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.point_records import Record, unpack_record
from lindyn_service.translate.problem import learning_problem, moments
from lindyn_service.translate.sweep import compute_points
from lindyn_service.translate.trajectory import candidates

_FEWEST = 4  # places of which some may be computed in blocks


def design(request: DesignRequest, key: str) -> dict[str, Tree]:
    """Find all values of the parameter within its bounds at which the scalar meets the target.

    Raises:
        UnreachableError: there are none.
        ServiceError: no run within the bounds can be computed.
    """
    curve = _Curve(request)
    low, high = request.vary.bounds
    found = level_crossings(curve.values, low, high, request.target.value)
    if not np.isfinite(found.lowest):
        raise curve.problem()
    if not found.places:
        raise _unreachable(request, found)
    return {
        "key": key,
        "path": request.vary.path,
        "bounds": request.vary.bounds,
        "scalar": request.target.scalar,
        "target": request.target.value,
        "solutions": [{"value": x, "reached": y} for x, y in zip(found.places, found.values, strict=True)],
        "range": [found.lowest, found.highest],
        "curve": {"value": found.scanned[0], "reached": found.scanned[1]},
        "evaluations": len(found.scanned[0]),
        "seed": getattr(request.base.network, "seed", None),
        "task_seed": getattr(request.base.task, "seed", None),
        "warnings": [warned.message() for warned in _warnings(request, curve, found)],
        "version": VERSION,
    }


class _Curve:
    """The scalar as a function of the parameter; NaN where it has no value."""

    def __init__(self, request: DesignRequest) -> None:
        self._request = request
        self._moments: tuple[object, tuple[int, ...], Moments] | None = None
        self._problems: dict[float, ServiceError] = {}
        self.warnings: dict[float, list[AnswerWarning]] = {}

    def values(self, places: np.ndarray) -> np.ndarray:
        """Values at ascending places, in blocks where there are several."""
        if len(places) < _FEWEST or self._request.target.scalar in FINAL_SCALARS:
            return np.array([self._alone(float(place)) for place in places])
        scalar, base = self._request.target.scalar, self._request.base
        sweep = SweepRequest.model_validate(
            {
                "base": base.model_dump(by_alias=True),
                "axes": [Axis(path=self._request.vary.path, values=places.tolist())],
                "collect": [scalar],
                "tolerance": self._request.tolerance,
            }
        )
        records = compute_points(sweep, ((i,) for i in range(len(places))))
        return np.array(
            [self._of_record(float(at), unpack_record(each)) for at, each in zip(places, records, strict=True)]
        )

    def problem(self) -> ServiceError:
        """The problem at the first place that has one, or that the scalar has no value anywhere."""
        if self._problems:
            return self._problems[min(self._problems)]
        scalar, path = self._request.target.scalar, self._request.vary.path
        return UnreachableError(
            f"{scalar} has no value for any {path} within the bounds; convergence_time has none where the loss does "
            "not fall to the tolerance: raise it, or give other bounds",
            (("target.scalar", scalar),),
        )

    @property
    def first_problem(self) -> tuple[float, ServiceError] | None:
        """The first place that has a problem, and the problem; None for none."""
        return next(((place, self._problems[place]) for place in sorted(self._problems)), None)

    def _of_record(self, place: float, record: Record) -> float:
        if "problem" in record:
            return self._alone(place)  # which knows the kind of the problem
        return float(record["values"][self._request.target.scalar])

    def _alone(self, place: float) -> float:
        try:
            return self._computed(place)
        except InvalidDocumentError as error:
            self._problems[place] = InvalidRequestError(
                str(error), tuple((f"base.{path}", detail) for path, detail in error.errors)
            )
        except ServiceError as error:
            self._problems[place] = error
        return np.nan

    def _computed(self, place: float) -> float:
        base = read(TrajectoryRequest, self._request.at(place), conflicts_of_point)
        scalar = self._request.target.scalar
        misfit = quantity_conflict([scalar], base.network)
        if misfit is not None:
            raise InvalidRequestError(f"target.scalar: {misfit}", (("target.scalar", misfit),))
        times = base.resolved_times()
        problem = learning_problem(base, self._trained_on(base), times[-1:] if scalar in FINAL_SCALARS else times, ())
        found = summarise(candidates(base.method), problem, [scalar], self._request.tolerance)
        self.warnings[place] = found.warnings
        return float(np.ravel(found.values[scalar])[-1])

    def _trained_on(self, base: TrajectoryRequest) -> Moments:
        """Moments of the task, which are computed once where the parameter is not in the task."""
        if self._moments is None or self._moments[0] is not base.task or self._moments[1] != base.dims:
            self._moments = (base.task, base.dims, moments(base.task, base.dims, "base.task"))
        return self._moments[2]


def _unreachable(request: DesignRequest, found: Crossings) -> UnreachableError:
    scalar, path, (low, high) = request.target.scalar, request.vary.path, request.vary.bounds
    over = "" if not found.jumps else f"; it jumps over the target at {path} = {found.jumps[0]:.6g}"
    detail = (
        f"got {request.target.value:g}, and {scalar} is from {found.lowest:.10g} to {found.highest:.10g} for {path} "
        f"from {low:g} to {high:g}{over}; give a value in between, or other bounds"
    )
    return UnreachableError(detail, (("target.value", detail),))


def _warnings(request: DesignRequest, curve: _Curve, found: Crossings) -> Iterator[AnswerWarning]:
    path = request.vary.path
    if found.jumps:
        places = ", ".join(f"{place:.6g}" for place in found.jumps)
        yield AnswerWarning("jumps", f"{request.target.scalar} jumps over the target at {path} = {places}")
    problem = curve.first_problem
    if problem is not None:
        yield AnswerWarning(
            "failed-points", f"some runs within the bounds failed, at {path} = {problem[0]:.6g}: {problem[1].detail}"
        )
    told: list[AnswerWarning] = []
    for place in found.places:
        for warned in curve.warnings.get(place, ()):
            if warned not in told:
                told.append(warned)
                yield warned
