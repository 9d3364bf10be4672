"""The requests that compare theory with training, and their answers as one result. The service trains the networks."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, cast

import numpy as np

from lindyn import _endpoints
from lindyn._endpoints import Network, Task
from lindyn._transport.calls import Call
from lindyn.arrays import as_tree
from lindyn.errors import ArgumentError
from lindyn.results.comparison import Comparison
from lindyn.results.labels import THEORY
from lindyn.results.trajectory import Trajectory
from lindyn.wire.array import FloatArray
from lindyn.wire.ensemble import EnsembleWarning
from lindyn.wire.trajectory import ReplyWarning

_WITH_SEED = ("balanced", "random", "wide")
_DRAWN_TASKS = ("regression", "spectrum")
_MAX_SEEDS = 1000
_ABOUT_OTHER_QUANTITIES = "nonlinear"  # than the losses


@dataclass(frozen=True)
class Plan:
    """What is asked to compare theory with training: for each seed one call for each curve, in the order of `names`."""

    calls: Sequence[Call[Trajectory]]
    names: Sequence[str]
    seeds: Sequence[int | None]
    learning_rate: float

    def result(self, answers: Sequence[Trajectory]) -> Comparison:
        """Put the answers together."""
        count = len(self.names)
        losses = {name: np.array([each.loss for each in answers[i::count]]) for i, name in enumerate(self.names)}
        times = answers[list(self.names).index("linear")].times
        reply = answers[0].reply
        warnings = _counted([warning for each in answers for warning in each.reply.warnings])
        return Comparison(times, losses, self.seeds, self.learning_rate, reply.method, reply.version, warnings)


def _counted(warnings: Sequence[ReplyWarning]) -> list[EnsembleWarning]:
    """Return the first warning of each code with the number of runs that have one, of those about losses."""
    counts = Counter(each.code for each in warnings if each.code != _ABOUT_OTHER_QUANTITIES)
    first = {each.code: each for each in reversed(warnings)}
    return [EnsembleWarning(**first[code].model_dump(), replicates=count) for code, count in counts.items()]


def plan(
    network: Network,
    task: Task,
    learning_rate: float,
    steps: int,
    seeds: int | Sequence[int],
    activations: Sequence[str],
    num: int,
) -> Plan:
    """Return the calls of a comparison.

    Raises:
        ArgumentError: steps, seeds or num are not positive, or there are too many seeds.
    """
    times = _times(learning_rate, steps, num)
    methods: dict[str, object] = {
        THEORY: "auto",
        "linear": {"kind": "descent", "learning_rate": learning_rate},
        "corrected": {"kind": "flow", "step": learning_rate},
    }
    for name in [activations] if isinstance(activations, str) else activations:
        methods[name] = {"kind": "descent", "learning_rate": learning_rate, "activation": name}
    drawn, networks = _networks(network, seeds)
    task = _with_seed(task)
    calls = [
        _endpoints.trajectory(network=each, task=task, times=times, quantities=["loss"], method=method)
        for each in networks
        for method in methods.values()
    ]
    return Plan(calls, list(methods), drawn, learning_rate)


def _times(learning_rate: float, steps: int, num: int) -> FloatArray:
    """Times of steps, about evenly spaced."""
    for name, value in (("steps", steps), ("num", num)):
        if not isinstance(value, int | np.integer) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(f"{name}: got {value!r}, expected a whole number of at least 1")
    if not isinstance(learning_rate, Real) or not 0 < learning_rate < float("inf"):
        raise ArgumentError(f"learning_rate: got {learning_rate!r}, expected a positive number")
    return learning_rate * np.unique(np.linspace(0, steps, min(num, steps) + 1).round())


def _networks(network: Network, seeds: int | Sequence[int]) -> tuple[Sequence[int | None], Sequence[object]]:
    """Return the networks of all seeds; given weights are one network without a seed."""
    numbers = list(range(seeds)) if isinstance(seeds, int) else [_plain(each) for each in seeds]
    if not 1 <= len(numbers) <= _MAX_SEEDS:
        raise ArgumentError(f"seeds: got {len(numbers)}, expected 1 to {_MAX_SEEDS}")
    fields = as_tree("network", network)
    if not isinstance(fields, Mapping) or fields.get("kind") not in _WITH_SEED:
        return [None], [network]
    return numbers, [{**fields, "seed": seed} for seed in numbers]


def _plain(seed: int | np.integer[Any]) -> int:
    return int(seed) if isinstance(seed, np.integer) else seed


def _with_seed(task: Task) -> Task:
    """Give a task that is drawn a seed, so that all networks learn the same."""
    if not isinstance(task, Mapping) or task.get("kind") not in _DRAWN_TASKS or task.get("seed") is not None:
        return task
    return {**cast("Mapping[str, Any]", task), "seed": secrets.randbelow(2**53)}
