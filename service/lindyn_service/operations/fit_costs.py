"""Cost estimate of fits."""

from collections.abc import Sequence

import numpy as np

from lindyn.wire.fit import FitRequest
from lindyn_service.operations.costs import point_cost
from lindyn_service.translate.fit_curves import CurveSource
from lindyn_service.translate.fit_models import FitModel

_DESCENT_STEPS = 20  # of a descent, each with the derivatives with respect to all parameters
_PROFILE_STEPS = 30  # of the descents for a profile
_MAX_STEPS_FACTOR = 1.5  # for the sign of lambda, and for more precise derivatives


def curve_flops(request: FitRequest, model: FitModel) -> list[float]:
    """Estimate the work of one curve of each subject, or of the only curve if subjects share all parameters."""
    has_subjects = any(each.subject is not None for each in model.parameters)
    subjects = request.subjects if has_subjects else [None]
    flops: list[float] = []
    for subject in subjects:
        parameters = [each for each in model.parameters if each.subject in (None, subject) and not each.is_coefficient]
        own = [each for each in request.observations if subject is None or each.subject == subject]
        times = np.unique(np.concatenate([each.times for each in own]))
        names = sorted({each.quantity for each in own})
        source = CurveSource(model.base, [each.path for each in parameters], times, names)
        first = source.read([each.field.first for each in parameters])
        flops.append(point_cost(first, first.quantities).flops)
    return flops


def fit_cost(request: FitRequest, models: Sequence[FitModel]) -> float:
    """Estimate the flops of a fit: descents from all starts, and a profile of each parameter, for each model."""
    return sum(_model_cost(request, model) for model in models)


def _model_cost(request: FitRequest, model: FitModel) -> float:
    n_parameters = len(model.parameters)
    steps = request.starts * _DESCENT_STEPS + n_parameters * _PROFILE_STEPS if n_parameters else 1
    n_subjects = len({each.subject for each in model.parameters} - {None}) or 1
    own = sum(1 for each in model.parameters if each.subject is None)
    own += (n_parameters - own) / n_subjects
    return _MAX_STEPS_FACTOR * steps * (1 + 2 * own) * sum(curve_flops(request, model))
