"""Warnings about estimates, in words: what the observations cannot tell, and where descents ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lindyn.wire.tree import JSON
from lindyn_service.inference.box import FloatArray
from lindyn_service.inference.minimum import Minimum, NoCurveError, minimum_from
from lindyn_service.inference.objective import Objective, Part
from lindyn_service.inference.uncertainty import Uncertainty
from lindyn_service.translate.fit_curves import LAMBDA
from lindyn_service.translate.fit_models import FitModel

_LARGEST_LOGARITHM = 99.0
_TAKES_PART = 0.1  # of the largest relative change in a direction, from which a parameter is named
_ALIKE = 0.15  # between relative changes whose ratio or product is said to be determined
_AT_BOUND = 1e-6  # of the range


@dataclass(frozen=True)
class FitWarning:
    """A warning about the estimates of a model.

    Attributes:
        code: `unidentifiable`, `at-bound`, `several-minima` or `not-converged`.
        detail: text for the reader.
        parameters: paths of the parameters that it is about.
    """

    code: str
    detail: str
    parameters: tuple[str, ...] = ()

    def message(self) -> dict[str, JSON]:
        """Return the warning as it is sent."""
        return {"code": self.code, "detail": self.detail, "parameters": list(self.parameters)}


def warnings_of(
    model: FitModel, objective: Objective, best: Minimum, known: Uncertainty, separate: Sequence[Minimum]
) -> list[FitWarning]:
    """Return the warnings that follow from a minimum and its uncertainty.

    Args:
        model: the model.
        objective: its objective.
        best: its best minimum.
        known: the uncertainty of its estimates.
        separate: other minima that fit as well.
    """
    warnings: list[FitWarning] = []
    if not best.converged:
        detail = (
            f"the descent ended after {best.evaluations} evaluations, before it reached a minimum; start nearer to the "
            "estimates, or free fewer parameters"
        )
        warnings.append(FitWarning("not-converged", detail))
    for changes in known.open_directions:
        scaled = changes / changes[np.argmax(np.abs(changes))]
        warnings.append(direction_warning(model, scaled, known, best.position))
    warnings += _at_bounds(model, objective, best)
    warnings += [_elsewhere(model, objective, best, each) for each in separate]
    return warnings


def direction_warning(model: FitModel, changes: FloatArray, known: Uncertainty, position: FloatArray) -> FitWarning:
    """Say in which direction the parameters are not determined.

    Args:
        model: the model.
        changes: relative changes of the parameters together, (parameter,); the largest is 1.
        known: the uncertainty of the estimates.
        position: that of the estimates.
    """
    order = sorted(range(len(changes)), key=lambda i: -round(abs(float(changes[i])), 1))
    named = [i for i in order if abs(changes[i]) > _TAKES_PART]
    paths = tuple(dict.fromkeys(model.parameters[i].path for i in named))
    names = [model.parameters[i].name for i in named]
    relative = float(np.sqrt(known.positions[named[0], named[0]])) / model.box.units(position)[named[0]]
    error = "unlimited" if np.isinf(relative) else f"a factor of {np.exp(min(relative, _LARGEST_LOGARITHM)):.3g}"
    if len(named) == 1:
        detail = f"the observations do not determine {names[0]}: its standard error is {error}"
        return FitWarning("unidentifiable", f"{detail}{_determined(names, changes[named])}", paths)
    along = " and ".join(f"{name} x {2 ** changes[i]:.3g}" for name, i in zip(names, named, strict=True))
    detail = (
        f"the observations do not determine {_listed(names)} one by one: {along} together fit about as well (standard "
        f"error of {names[0]}: {error})"
    )
    return FitWarning("unidentifiable", f"{detail}{_determined(names, changes[named])}", paths)


def _determined(names: Sequence[str], changes: FloatArray) -> str:
    """Say what the observations determine instead, if that is a ratio or a product of two parameters."""
    remedy = f"; fix {'it' if len(names) == 1 else 'one of them'}, or observe other times or quantities"
    if len(names) != 2:
        return remedy
    if abs(changes[1] - 1) < _ALIKE:
        return f"; they determine only the ratio {names[0]} / {names[1]}{remedy}"
    if abs(changes[1] + 1) < _ALIKE:
        return f"; they determine only the product {names[0]} x {names[1]}{remedy}"
    return remedy


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])


def open_warning(model: FitModel, number: int, side: str, estimates: FloatArray, end: FloatArray) -> FitWarning:
    """Say that the interval of a parameter ends at a bound, not where the fit becomes worse.

    Args:
        model: the model.
        number: of the parameter.
        side: where the interval is open, `below` or `above`.
        estimates: values of all parameters, (parameter,).
        end: the best values at the bound, (parameter,).
    """
    changes = _logarithms(end, estimates)
    relative = changes / changes[number] if changes[number] else np.zeros(len(changes))
    others = [i for i in range(len(changes)) if i != number and abs(relative[i]) > _TAKES_PART]
    named = [number, *others]
    names = [model.parameters[i].name for i in named]
    at = " and ".join(f"{name} = {end[i]:.6g}" for name, i in zip(names, named, strict=True))
    detail = (
        f"the observations do not bound {names[0]} from {side} within its bounds: {at} fit about as well"
        f"{_determined(names, relative[named])}"
    )
    return FitWarning("unidentifiable", detail, tuple(dict.fromkeys(model.parameters[i].path for i in named)))


def _logarithms(end: FloatArray, estimates: FloatArray) -> FloatArray:
    """Return the logarithms of the ratios of values of one sign; 0 for others."""
    ratios = np.divide(end, estimates, out=np.ones(len(end)), where=estimates != 0)
    return np.log(np.where(ratios > 0, ratios, 1.0))


def _at_bounds(model: FitModel, objective: Objective, best: Minimum) -> list[FitWarning]:
    box = objective.box
    near = _AT_BOUND * (box.upper - box.lower)
    warnings: list[FitWarning] = []
    for i, parameter in enumerate(model.parameters):
        is_low = best.position[i] - box.lower[i] <= near[i]
        if is_low or box.upper[i] - best.position[i] <= near[i]:
            side, bound = ("lower", box.low[i]) if is_low else ("upper", box.high[i])
            detail = f"the estimate of {parameter.name} is its {side} bound, {bound:.6g}; widen the bounds, or fix it"
            warnings.append(FitWarning("at-bound", detail, (parameter.path,)))
    return warnings


def _elsewhere(model: FitModel, objective: Objective, best: Minimum, other: Minimum) -> FitWarning:
    values = objective.box.values(other.position)
    at = ", ".join(f"{each.name} = {value:.6g}" for each, value in zip(model.parameters, values, strict=True))
    difference = other.squares - best.squares
    detail = (
        f"another minimum fits about as well, its sum of squared residuals is larger by {difference:.3g}: {at}; use "
        "narrower bounds to choose one"
    )
    return FitWarning("several-minima", detail, tuple(dict.fromkeys(each.path for each in model.parameters)))


def sign_warning(model: FitModel, objective: Objective, best: Minimum, allowed: float) -> list[FitWarning]:
    """Warn if the other sign of lambda fits as well, since the loss does not tell it at equal widths, or better.

    Args:
        model: the model.
        objective: its objective.
        best: its best minimum.
        allowed: increase of the sum of squares up to which a fit is as good.
    """
    balances = [i for i, each in enumerate(model.parameters) if each.path == LAMBDA]
    values = objective.box.values(best.position)
    if not balances or not np.any(values[balances]):
        return []
    try:
        other = minimum_from(_mirrored(objective, balances), best.position)
    except NoCurveError:
        return []
    increase = other.squares - best.squares
    if increase > allowed:
        return []
    mirrored = objective.box.values(other.position)
    shown = ", ".join(f"{-mirrored[i]:.6g} for {values[i]:.6g}" for i in balances)
    if increase < -allowed:
        detail = (
            f"the other sign of {LAMBDA} fits better: with {shown} the sum of squared residuals is smaller by "
            f"{-increase:.3g}; choose bounds with that sign"
        )
        return [FitWarning("several-minima", detail, (LAMBDA,))]
    detail = (
        f"the observations do not determine the sign of {LAMBDA}: with {shown} the sum of squared residuals differs by "
        f"{abs(increase):.3g}; observe representations or the kernel"
    )
    return [FitWarning("unidentifiable", detail, (LAMBDA,))]


def _mirrored(objective: Objective, balances: Sequence[int]) -> Objective:
    """Return the objective of the networks with the opposite lambda, in the same coordinates."""
    return replace(objective, parts=[_mirrored_part(part, balances) for part in objective.parts])


def _mirrored_part(part: Part, balances: Sequence[int]) -> Part:
    signs = np.where(np.isin(part.parameters, balances), -1.0, 1.0)

    def curve(values: FloatArray) -> FloatArray:
        return part.curve(values * signs)

    return replace(part, curve=curve)
