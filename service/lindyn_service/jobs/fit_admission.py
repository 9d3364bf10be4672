"""Admission of fits, in worker processes: their paths lead to numbers, their curves exist, their work is bounded."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import orjson

from lindyn.wire.document import InvalidDocumentError
from lindyn.wire.fit import FitRequest
from lindyn.wire.fit_conflicts import conflicts_of_fit, overlap
from lindyn.wire.tree import JSON, PathError
from lindyn.wire.validation_messages import UNKNOWN_FIELD
from lindyn_service.errors import InfeasibleBalanceError, InvalidRequestError, ServiceError, TooLargeError
from lindyn_service.jobs.admission import EncodedJob, seeded
from lindyn_service.jobs.job_limits import SweepLimits, check_work
from lindyn_service.operations.fit_costs import curve_flops, fit_cost
from lindyn_service.translate.body import Body
from lindyn_service.translate.fit_curves import LAMBDA, CurveSource
from lindyn_service.translate.fit_models import FitModel, models_of
from lindyn_service.translate.fit_numbers import number_of
from lindyn_service.translate.fit_points import FitPoints

_SEEDED = ("network", "task")
_BYTES_PER_VALUE = 8 * 4  # of the result, for each model: the curve, its errors, residuals and their share of others


def read_and_admit_fit(body: Body, limits: SweepLimits) -> EncodedJob:
    """Parse a fit, check it, draw its omitted seeds, and encode it for the job store.

    Raises:
        InvalidRequestError: a field is invalid, or a model has no curve at its first start.
        TooLargeError: the fit has more work or numbers than the limits allow.
    """
    request = _with_drawn_seeds(_plain(body.read(FitRequest, conflicts_of_fit)))
    models = models_of(request)
    for number, model in enumerate(models):
        _Check(request, number, model).run()
        _check_curves(limits, curve_flops(request, model))
    flops = fit_cost(request, models)
    check_work(limits, flops)
    return _encoded(request, limits, flops, len(models))


def _plain(request: FitRequest) -> FitRequest:
    """Return the request with lists for arrays, as it will be read from the store."""
    return FitRequest.model_validate(orjson.loads(_json(request)))


def _json(request: FitRequest) -> bytes:
    try:
        return orjson.dumps(request.model_dump(by_alias=True), option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise InvalidRequestError(
            f"got a value in base or models that is not a number, a text or a list of these; send only these: {error}"
        ) from error


def _encoded(request: FitRequest, limits: SweepLimits, flops: float, n_models: int) -> EncodedJob:
    document = _json(request)
    if len(document) > limits.request_bytes:
        raise TooLargeError(
            f"the fit takes {len(document)} bytes as JSON, the limit is {limits.request_bytes} (an eighth of "
            "LINDYN_STORE_BYTES): give a task or network by its kind and seed, not by its numbers, or fewer values"
        )
    n_values = sum(len(each.values) for each in request.observations)
    size = n_models * n_values * _BYTES_PER_VALUE
    if size > limits.result_bytes:
        raise TooLargeError(
            f"the result is estimated to take {size} bytes, the limit is {limits.result_bytes}; give fewer values or "
            "models"
        )
    total = len(FitPoints(request).points)
    if total > limits.points:
        raise TooLargeError(
            f"the fit has {total} descents and profiles, the limit is {limits.points}; ask for fewer starts, models or "
            "parameters"
        )
    return EncodedJob(document, total, flops)


def _check_curves(limits: SweepLimits, flops: Sequence[float]) -> None:
    if max(flops) > limits.point_flops:
        raise TooLargeError(
            f"a curve is estimated to take {max(flops):.3g} floating-point operations, the limit is "
            f"{limits.point_flops:.3g}; give fewer times, or smaller widths"
        )


class _Check:
    """Checks one model at its first start and at the bounds of each parameter, at one time."""

    def __init__(self, request: FitRequest, number: int, model: FitModel) -> None:
        self._request, self._number, self._model = request, number, model
        first_time = np.array([min(float(each.times[0]) for each in request.observations)])
        numbers = list(dict.fromkeys(each.quantity for each in request.observations))
        free = [each for each in model.parameters if not each.is_coefficient]
        self._fields = {each.path: each.field for each in free}
        self._source = CurveSource(model.base, list(self._fields), first_time, numbers)

    def run(self) -> None:
        """Raise an InvalidRequestError with the path of the field that is wrong."""
        first = [each.first for each in self._fields.values()]
        self._read(first, None)
        self._curve(first)
        for i, field in enumerate(self._fields.values()):
            for bound in field.bounds:
                values = [*first[:i], bound, *first[i + 1 :]]
                self._read(values, field.path)
                self._feasible(values, field.path, bound)

    def _read(self, values: Sequence[float], moved: str | None) -> None:
        try:
            self._source.read(values)
        except PathError as error:
            raise _invalid(self._place_of_path(error.path), f"{error.path!r} {error.detail}") from None
        except InvalidDocumentError as error:
            errors = tuple(self._located(path, detail, moved) for path, detail in error.errors)
            raise InvalidRequestError(f"{errors[0][0]}: {errors[0][1]}", errors) from None

    def _curve(self, values: Sequence[float]) -> None:
        """Refuse a first start without a curve, and observations of something else than one number at each time."""
        try:
            quantities = self._source.quantities(values)
        except InfeasibleBalanceError as error:
            raise _invalid(self._place_of_balance(), f"{error.detail}; give other bounds or widths") from None
        except ServiceError as error:
            whole = "base" if self._number == 0 else f"models.{self._number - 1}"
            place = f"{whole}.{error.errors[0][0]}" if error.errors else whole
            detail = f"there is no curve at the first start: {error.detail}"
            raise type(error)(f"{place}: {detail}", ((place, detail),)) from None
        for i, each in enumerate(self._request.observations):
            try:
                number_of(quantities, each.quantity)
            except InvalidRequestError as error:
                raise _invalid(f"observations.{i}.quantity", error.detail) from None

    def _feasible(self, values: Sequence[float], path: str, bound: float) -> None:
        """Refuse a bound at which no weights exist."""
        try:
            self._source.problem(self._source.read(values))
        except InfeasibleBalanceError as error:
            number = [each.path for each in self._request.free].index(path)
            raise _invalid(f"free.{number}.bounds", f"got {bound:g}; {error.detail}; narrow the bounds") from None

    def _located(self, path: str, detail: str, moved: str | None) -> tuple[str, str]:
        """Translate the path of an error in a trajectory request to its path in the fit."""
        if path.partition(".")[0] == "quantities":
            return f"observations.{self._observation_of(path, detail)}.quantity", detail
        for free in self._fields:
            if free == path and detail.startswith(UNKNOWN_FIELD):
                choices = detail.removeprefix(UNKNOWN_FIELD)
                return self._place_of_path(free), f"{free!r} is not a field of a trajectory request{choices}"
            if not overlap(free, path):
                continue
            if free == moved:
                number = [each.path for each in self._request.free].index(free)
                return f"free.{number}.bounds", f"{detail}; narrow the bounds"
            return self._place_of_path(free), (
                f"{free!r} is no number that can vary: {detail}; compare values of it by models"
            )
        if self._number:
            for given in self._request.models[self._number - 1].set:
                if f"{path}.".startswith(f"{given}."):
                    return f"models.{self._number - 1}.set.{given}{path.removeprefix(given)}", detail
        return f"base.{path}", detail

    def _observation_of(self, path: str, detail: str) -> int:
        """Return the number of the first observation of the quantity that an error is about."""
        names = [each.quantity.split(".")[0] for each in self._request.observations]
        number = path.removeprefix("quantities").removeprefix(".")
        if number.isdecimal():
            return names.index(list(dict.fromkeys(names))[int(number)])
        return next((i for i, name in enumerate(names) if f"got {name}," in detail), 0)

    def _place_of_balance(self) -> str:
        """Return where the request names lambda, or the bounds from which its start follows."""
        paths = [each.path for each in self._request.free]
        if self._number or LAMBDA not in paths:
            return self._place_of_path(LAMBDA)
        return f"free.{paths.index(LAMBDA)}.bounds"

    def _place_of_path(self, path: str) -> str:
        """Return where the request names a path that is free."""
        if self._number:
            model = self._request.models[self._number - 1]
            return f"models.{self._number - 1}.{'set' if model.free is None else 'free'}"
        paths = [each.path for each in self._request.free]
        return f"free.{paths.index(path)}.path" if path in paths else f"base.{path}"


def _with_drawn_seeds(request: FitRequest) -> FitRequest:
    """Return the request with seeds for the networks and tasks of its base and its models that have none."""
    base = {name: seeded(cast("JSON", part)) if name in _SEEDED else part for name, part in request.base.items()}
    models = [
        model.model_copy(
            update={
                "set": {
                    path: seeded(cast("JSON", part)) if path in _SEEDED else part for path, part in model.set.items()
                }
            }
        )
        for model in request.models
    ]
    return request.model_copy(update={"base": base, "models": models})


def _invalid(path: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path}: {detail}", ((path, detail),))
