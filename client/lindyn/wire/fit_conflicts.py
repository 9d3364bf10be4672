"""Rules between fields of a fit, such as that a subject is named where parameters are those of subjects."""

from collections.abc import Iterator, Sequence

import numpy as np

from lindyn.wire.fit import FULL, MAX_VALUES, ComparedModel, FitRequest, Observation
from lindyn.wire.tree import list_index
from lindyn.wire.wording import cut, with_choices

_OF_OBSERVATIONS = "observations"
_COEFFICIENTS = ("factor", "offset")
_GIVEN_BY_OBSERVATIONS = ("times", "quantities")
_NO_EVALUATION = "got tasks, whose losses only trajectories answer with; leave it out"

Conflict = tuple[str, str]
"""A path into the request, and a message about the value there."""


def conflicts_of_fit(request: FitRequest) -> list[Conflict]:
    """Return the violated rules between fields."""
    return [
        *_of_base(request),
        *_of_sizes(request.observations),
        *(found for i, each in enumerate(request.observations) for found in _of_trials(i, each)),
        *_of_sigmas(request.observations),
        *_of_free(request),
        *_of_models(request),
        *_of_degrees(request),
    ]


def overlap(first: str, second: str) -> bool:
    """Return whether one of two paths leads into the part that the other names."""
    return f"{first}.".startswith(f"{second}.") or f"{second}.".startswith(f"{first}.")


def free_paths(request: FitRequest, model: ComparedModel) -> list[str]:
    """Return the paths of the parameters that are free in a model."""
    if model.free is not None:
        return [each.path for each in request.free if each.path in model.free]
    return [each.path for each in request.free if not any(overlap(each.path, path) for path in model.set)]


def _of_base(request: FitRequest) -> Iterator[Conflict]:
    for name in _GIVEN_BY_OBSERVATIONS:
        if name in request.base:
            yield f"base.{name}", f"got {name}, which are those of the observations; leave them out"
    if request.base.get("evaluate") is not None:
        yield "base.evaluate", _NO_EVALUATION


def _of_sizes(observations: Sequence[Observation]) -> Iterator[Conflict]:
    total = sum(len(each.values) for each in observations)
    if total > MAX_VALUES:
        detail = f"got {total} values in all, at most {MAX_VALUES}; average neighbouring ones, or leave some out"
        yield _OF_OBSERVATIONS, detail


def _of_trials(number: int, observation: Observation) -> Iterator[Conflict]:
    if observation.trials is None:
        return
    path = f"{_OF_OBSERVATIONS}.{number}"
    if observation.sigma is not None:
        yield f"{path}.sigma", "got sigma with trials, whose numbers of successes are not Gaussian; leave one out"
    trials = np.broadcast_to(observation.trials, observation.values.shape)
    values = observation.values
    wrong = np.flatnonzero((values < 0) | (values > trials) | (values != np.round(values)))
    if len(wrong):
        i = int(wrong[0])
        detail = f"got {values[i]:g} at [{i}], expected a whole number of successes from 0 to {trials[i]:g}"
        yield f"{path}.values", detail


def _of_sigmas(observations: Sequence[Observation]) -> Iterator[Conflict]:
    """Residuals can weigh observations only if all of them have one unknown standard deviation."""
    unknown = [i for i, each in enumerate(observations) if each.sigma is None and each.trials is None]
    if not unknown:
        return
    first = observations[unknown[0]].quantity
    for i, each in enumerate(observations):
        path = f"{_OF_OBSERVATIONS}.{i}"
        if i not in unknown:
            told = "trials" if each.trials is not None else "sigma"
            detail = f"got no sigma, and {told} for observation {i}; give sigma for all Gaussian values or for none"
            yield f"{_OF_OBSERVATIONS}.{unknown[0]}.sigma", detail
            return
        if each.quantity != first:
            detail = (
                f"got no sigma for {first} and {each.quantity}, which have different units; give the standard "
                "deviations of both"
            )
            yield f"{path}.sigma", detail
            return


def _of_free(request: FitRequest) -> Iterator[Conflict]:
    paths = [each.path for each in request.free]
    yield from _overlaps(paths, [f"free.{i}.path" for i in range(len(paths))])
    for i, each in enumerate(request.free):
        missing = _missing_coefficient(each.path, len(request.observations))
        if missing is not None:
            yield f"free.{i}.path", missing
        for name in _GIVEN_BY_OBSERVATIONS:
            if overlap(each.path, name):
                yield f"free.{i}.path", f"got {each.path!r}, which the observations have; name another field"
        if each.per_subject:
            yield from _of_subjects(i, request.observations)


def _missing_coefficient(path: str, n_observations: int) -> str | None:
    """Return what is wrong with a path to a factor or an offset of observations."""
    first, *rest = path.split(".")
    if first != _OF_OBSERVATIONS:
        return None
    if len(rest) == 2 and (number := list_index(rest[0])) is not None:
        if number >= n_observations:
            return f"got observation {cut(rest[0])}, there are {n_observations}; they are numbered from 0"
        rest = rest[1:]
    if len(rest) == 1 and rest[0] in _COEFFICIENTS:
        return None
    return f"got {cut(path)!r}, expected observations.factor, observations.offset, or those of one, such as " + (
        "observations.0.offset"
    )


def _of_subjects(number: int, observations: Sequence[Observation]) -> Iterator[Conflict]:
    nameless = [i for i, each in enumerate(observations) if each.subject is None]
    if nameless:
        detail = f"got true, and observation {nameless[0]} has no subject; name the subject of every observation"
        yield f"free.{number}.per_subject", detail


def _of_models(request: FitRequest) -> Iterator[Conflict]:
    known = [each.path for each in request.free]
    names = [FULL]
    for i, model in enumerate(request.models):
        if model.name in names:
            detail = f"got {model.name!r} again; give each model a name of its own, {FULL!r} is that of the base"
            yield f"models.{i}.name", detail
        names.append(model.name)
        paths = list(model.set)
        yield from _overlaps(paths, [f"models.{i}.set.{cut(path)}" for path in paths])
        yield from _of_values(i, paths)
        for j, path in enumerate(model.free or ()):
            if path not in known:
                detail = with_choices(f"got {cut(path)!r}, which is not among the free parameters", path, known)
                yield f"models.{i}.free.{j}", detail
            elif any(overlap(path, other) for other in paths):
                yield f"models.{i}.free.{j}", f"got {path!r}, which the model sets; set it or leave it free"


def _of_values(number: int, paths: Sequence[str]) -> Iterator[Conflict]:
    for path in paths:
        name = path.split(".")[0]
        if name in _GIVEN_BY_OBSERVATIONS:
            yield f"models.{number}.set.{cut(path)}", f"got {name}, which all models share; leave them out"
        elif name == "evaluate":
            yield f"models.{number}.set.{cut(path)}", _NO_EVALUATION


def _overlaps(paths: Sequence[str], places: Sequence[str]) -> Iterator[Conflict]:
    for i, path in enumerate(paths):
        for earlier in paths[:i]:
            if overlap(path, earlier):
                yield places[i], f"got {cut(path)!r}, which overlaps {cut(earlier)!r}; name different fields"
                return


def _of_degrees(request: FitRequest) -> Iterator[Conflict]:
    n_values = sum(len(each.values) for each in request.observations)
    n_subjects = max(1, len(request.subjects))
    n_parameters = sum(n_subjects if each.per_subject else 1 for each in request.free)
    is_estimated = any(each.sigma is None and each.trials is None for each in request.observations)
    if n_values < n_parameters + is_estimated:
        what = "parameters and an unknown sigma" if is_estimated else "parameters"
        yield "free", f"got {n_parameters} {what} for {n_values} values; give more values or fewer parameters"
