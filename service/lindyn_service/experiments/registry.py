"""Registry of all experiments by name."""

from collections.abc import Mapping

from lindyn_service.experiments import (
    figure_3_1,
    figure_3_2,
    figure_3_3,
    figure_3_4,
    figure_3_5,
    figure_3_6,
    figure_4_1,
    figure_4_2,
    figure_4_3,
    figure_4_4,
    figure_4_5,
    figure_4_6,
    figure_4_7,
    figure_4_8,
    reversal_learning,
    wide_limit,
)
from lindyn_service.experiments.base import Experiment

_MODULES = (
    figure_3_1,
    figure_3_2,
    figure_3_3,
    figure_3_4,
    figure_3_5,
    figure_3_6,
    figure_4_1,
    figure_4_2,
    figure_4_3,
    figure_4_4,
    figure_4_5,
    figure_4_6,
    figure_4_7,
    figure_4_8,
    reversal_learning,
    wide_limit,
)

EXPERIMENTS: Mapping[str, Experiment] = {module.EXPERIMENT.name: module.EXPERIMENT for module in _MODULES}
