"""The result of a fit: estimates, intervals, warnings and curves of all models, and their ranking."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
import orjson

from lindyn.wire.fit import FitRequest
from lindyn.wire.tree import JSON, Tree, split
from lindyn_service.errors import NotApplicableError
from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.comparison import ranking
from lindyn_service.inference.uncertainty import LEVEL
from lindyn_service.translate.encode import VERSION
from lindyn_service.translate.fit_models import FitModel, Parameter
from lindyn_service.translate.fit_points import FitPoint, FitPoints, Record
from lindyn_service.translate.fit_warnings import open_warning
from lindyn_service.translate.table import Archive, check_size

FIT = "fit"
"""Kind of the jobs."""

_COPIED = ("log_likelihood", "chi2", "dof", "sigma", "aic", "bic", "condition", "evaluations", "starts", "descents")


def fit_archive(job: str, request: FitRequest, points: FitPoints, records: Iterable[bytes], max_bytes: int) -> Archive:
    """Assemble the result from the records of all points.

    Raises:
        NotApplicableError: no model could be fitted.
        TooLargeError: the result takes more bytes.
    """
    found = [orjson.loads(record) for record in records]
    models = [_model(request, points, number, found) for number in range(len(points.models))]
    fitted = {each["name"]: each["aic"] for each in models if "problem" not in each}
    if not fitted:
        raise NotApplicableError(f"no model could be fitted: {models[0]['problem']['detail']}")
    document: dict[str, Tree] = {
        "job": job,
        "kind": FIT,
        "models": models,
        "ranking": [asdict(each) for each in ranking(fitted)],
        "level": LEVEL,
        "request": orjson.loads(orjson.dumps(request.model_dump(by_alias=True), option=orjson.OPT_SERIALIZE_NUMPY)),
        "version": VERSION,
    }
    metadata, arrays = split(document)
    archive = Archive(orjson.loads(orjson.dumps(metadata)), arrays, max_bytes)
    check_size(archive.size, max_bytes)
    return archive


def _model(request: FitRequest, points: FitPoints, number: int, found: Sequence[Record]) -> Record:
    """Return the result of a model."""
    model = points.models[number]
    summary = found[points.number(FitPoint("summary", number))]
    shared: Record = {"name": model.name, "parameters": [_named(each) for each in model.parameters]}
    if "problem" in summary:
        return {**shared, "problem": {"code": NotApplicableError.code, "detail": summary["problem"]}}
    profiles = [found[points.number(FitPoint("profile", number, i))] for i in range(len(model.parameters))]
    fitted = np.array(summary["fitted"], dtype=np.float64)
    errors = np.array(summary["fitted_standard_errors"], dtype=np.float64)
    ends = np.cumsum([len(each.values) for each in request.observations])[:-1]
    curves = np.split(fitted, ends)
    return {
        **shared,
        "estimates": _by_path(model, summary["values"]),
        "standard_errors": _by_path(model, summary["standard_errors"]),
        "intervals": _by_path(model, [[end[i] for end in each["ends"]] for i, each in enumerate(profiles)]),
        "covariance": _floats(summary["covariance"]).reshape(len(profiles), len(profiles)),
        **{name: summary[name] for name in _COPIED},
        "fitted": curves,
        "fitted_standard_errors": np.split(errors, ends),
        "residuals": [each.values - curve for each, curve in zip(request.observations, curves, strict=True)],
        "profiles": [
            {
                "values": _floats(each["values"]),
                "log_likelihood_ratios": -0.5 * _floats(each["increases"]),
            }
            for each in profiles
        ],
        "warnings": [*summary["warnings"], *_open_warnings(model, summary, profiles)],
    }


def _floats(values: Sequence[JSON]) -> FloatArray:
    """Return numbers as an array, where null, which stands for infinity, becomes NaN."""
    return np.array(values, dtype=np.float64)


def _named(parameter: Parameter) -> dict[str, JSON]:
    return {"path": parameter.path, "subject": parameter.subject, "scale": parameter.field.scale}


def _by_path(model: FitModel, values: Sequence[JSON]) -> dict[str, JSON]:
    """Return values by path, and where they are those of subjects, by subject below it."""
    shared: dict[str, JSON] = {}
    own: dict[str, dict[str, JSON]] = {}
    for parameter, value in zip(model.parameters, values, strict=True):
        if parameter.subject is None:
            shared[parameter.path] = value
        else:
            own.setdefault(parameter.path, {})[parameter.subject] = value
    return shared | own


def _open_warnings(model: FitModel, summary: Record, profiles: Sequence[Record]) -> list[dict[str, JSON]]:
    """Warn of intervals that end at a bound, unless a warning of a direction already names the parameter."""
    warnings: list[dict[str, JSON]] = []
    for i, (parameter, each) in enumerate(zip(model.parameters, profiles, strict=True)):
        if parameter.path in summary["undetermined"]:
            continue
        for is_open, side, end in zip(each["open"], ("below", "above"), each["ends"], strict=True):
            if is_open:
                warnings.append(open_warning(model, i, side, _floats(summary["values"]), _floats(end)).message())
    return warnings
