"""All experiments by their names."""

from collections.abc import Mapping

from lindyn_service.experiments.base import Experiment

_ALL: tuple[Experiment, ...] = ()

EXPERIMENTS: Mapping[str, Experiment] = {experiment.name: experiment for experiment in _ALL}
