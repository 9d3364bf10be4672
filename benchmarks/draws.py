"""Random requests of every operation, for `estimates.py`: of all kinds of networks, tasks, methods and quantities."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log, prod
from typing import Any

import numpy as np

from lindyn.wire.trajectory import QUANTITIES
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.translate.experiment import parameters

MAX_NUMBERS = 2e7  # in an answer, or in the arrays of a request
RNG = np.random.Generator
SCALARS = ["final_loss", "convergence_time", "ntk_movement", "kernel_distance", "task_specificity_input"]


@dataclass(frozen=True)
class Drawn:
    """A request as a client sends it, or a cell of an experiment.

    Attributes:
        group: row of the table that it belongs to.
        operation: name, `point` or `cell`.
        document: the request; name, parameters and number of a cell.
    """

    group: str
    operation: str
    document: Any


def drawn(rng: RNG, only: str = "") -> Drawn:
    """A request of a random group, or of one."""
    return GROUPS[only or str(rng.choice(list(GROUPS)))](rng)


def between(rng: RNG, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return exp(rng.uniform(log(low), log(high)))


def whole(rng: RNG, low: int, high: int) -> int:
    """The same, a whole number."""
    return int(between(rng, low, high + 0.999))


def widths(rng: RNG, n_layers: int, largest: int) -> list[int]:
    """Widths of all sizes; sometimes all equal."""
    if rng.random() < 0.4:
        return [whole(rng, 1, largest)] * (n_layers + 1)
    return [whole(rng, 1, largest) for _ in range(n_layers + 1)]


def task(rng: RNG, n_in: int, n_out: int, *, white: bool) -> dict[str, Any]:
    """A task of any kind for these widths."""
    strength = between(rng, 0.1, 10)
    kind = str(rng.choice(["correlation", "data", "regression", "spectrum"]))
    if kind == "regression":
        return {"kind": kind, "samples": max(n_in, whole(rng, 1, 2000)), "seed": seed(rng)}
    if kind == "spectrum":
        values = np.sort(strength * rng.random(min(n_in, n_out)))[::-1]
        return {"kind": kind, "singular_values": values, "seed": seed(rng)}
    if kind == "data":
        inputs = rng.standard_normal((max(n_in, whole(rng, 1, 2000)), n_in)) * rng.uniform(0.3, 2, n_in)
        targets = strength * rng.standard_normal((len(inputs), n_out)) + inputs @ rng.standard_normal((n_in, n_out))
        return {"kind": kind, "inputs": inputs, "targets": targets, "whiten": white or bool(rng.random() < 0.5)}
    sigma_yx = strength * rng.standard_normal((n_out, n_in)) / np.sqrt(n_in)
    if white:
        return {"kind": kind, "sigma_yx": sigma_yx}
    root = rng.standard_normal((n_in, 2 * n_in)) / np.sqrt(2 * n_in)
    return {"kind": kind, "sigma_yx": sigma_yx @ root @ root.T, "sigma_xx": root @ root.T}


def balanced(rng: RNG, dims: list[int]) -> dict[str, Any]:
    """A balanced network, whose balance is possible for its widths."""
    n_in, n_hidden, n_out = dims
    signs = [0, *([1] if n_hidden <= n_out else []), *([-1] if n_hidden <= n_in else [])]
    lam = float(rng.choice(signs)) * between(rng, 0.01, 10)
    return {
        "kind": "balanced",
        "dims": dims,
        "lambda": lam,
        "scale": between(rng, 1e-3, 1),
        "aligned": bool(rng.random() < 0.2),
        "seed": seed(rng),
    }


def random(rng: RNG, dims: list[int]) -> dict[str, Any]:
    """A random network, or weights that are as large."""
    scheme = str(rng.choice(["lecun", "glorot", "he", "scaled"]))
    gain = between(rng, 0.1, 1.5)
    if rng.random() < 0.5:
        return {"kind": "random", "dims": dims, "scheme": scheme, "gain": gain, "seed": seed(rng)}
    pairs = pairwise(dims)
    return {"kind": "weights", "weights": [gain * rng.standard_normal((b, a)) / np.sqrt(a) for a, b in pairs]}


def times(rng: RNG, numbers: float, most: int = 200_000, longest: float = 1e3) -> dict[str, Any]:
    """A grid of times, so many that the answer has not too many numbers."""
    spacing = str(rng.choice(["linear", "log"]))
    stop = between(rng, 0.1, longest)
    num = whole(rng, 1, max(1, min(most, int(MAX_NUMBERS / numbers))))
    return {"start": stop * 1e-4 if spacing == "log" else 0.0, "stop": stop, "num": num, "spacing": spacing}


def quantities(rng: RNG, dims: list[int], samples: int, leave_out: tuple[str, ...] = ()) -> tuple[list[str], float]:
    """Some quantities, or all of them where they are small, and how many numbers they have at one time."""
    allowed = [name for name in QUANTITIES if name not in leave_out]
    count = int(rng.choice([1, 2, 3, len(allowed)], p=[0.4, 0.3, 0.2, 0.1]))
    names = [str(name) for name in rng.choice(allowed, count, replace=False)]
    sizes = {
        "ntk": (dims[-1] * samples) ** 2,
        "rsm_input": samples**2,
        "rsm_output": samples**2,
        "qqt": (dims[0] + dims[-1]) ** 2,
    }
    kept = [name for name in names if sizes.get(name, 0) < MAX_NUMBERS / 10] or ["loss"]
    weights = sum(a * b for a, b in pairwise(dims))
    return kept, 1.0 + sum(sizes.get(name, max(weights, max(dims) ** 2)) for name in kept)


def rows(asked: dict[str, Any], n_in: int) -> int:
    """How many samples a task has for quantities."""
    return len(asked["inputs"]) if "inputs" in asked else int(asked.get("samples", n_in))


def exact(rng: RNG) -> Drawn:
    """A closed form."""
    dims = widths(rng, 2, 300)
    asked = task(rng, dims[0], dims[-1], white=True)
    names, numbers = quantities(rng, dims, rows(asked, dims[0]))
    method = str(rng.choice(["auto", "exact"]))
    return _trajectory("exact", balanced(rng, dims), asked, times(rng, numbers), names, method)


def flow(rng: RNG, group: str = "flow of 2", layers: tuple[int, int] = (2, 2), largest: int = 100) -> Drawn:
    """An integration."""
    n_layers = whole(rng, *layers)
    dims = widths(rng, n_layers, largest)
    asked = task(rng, dims[0], dims[-1], white=bool(rng.random() < 0.5))
    leave_out = ("qqt",) if n_layers > 2 else ()
    names, numbers = quantities(rng, dims, rows(asked, dims[0]), leave_out)
    chosen = ["auto", {"kind": "flow"}, {"kind": "flow", "rtol": between(rng, 1e-12, 1e-4)}]
    method = chosen[int(rng.integers(3))]
    return _trajectory(group, random(rng, dims), asked, times(rng, numbers), names, method)


def descent(rng: RNG) -> Drawn:
    """Training, of linear and other networks."""
    dims = widths(rng, whole(rng, 2, 6), 100)
    asked = task(rng, dims[0], dims[-1], white=bool(rng.random() < 0.5))
    activation = str(rng.choice(["linear", "relu", "tanh"]))
    leave_out = ("qqt",) if len(dims) > 3 else ()
    if activation != "linear" and asked["kind"] not in ("data", "regression"):
        activation = "linear"
    if activation != "linear":
        leave_out += ("excess_loss", "ntk", "ntk_distance", "ntk_norm", "rsm_input", "rsm_output")
    names, numbers = quantities(rng, dims, rows(asked, dims[0]), leave_out)
    grid = times(rng, numbers, 20_000, 100)
    rate = max(between(rng, 1e-4, 1e-2), grid["stop"] / 1e6)
    method = {"kind": "descent", "learning_rate": rate, "activation": activation}
    return _trajectory("descent", random(rng, dims), asked, grid, names, method)


def point(rng: RNG) -> Drawn:
    """A point of a sweep, whose base request is one of those above."""
    base = [exact, flow, descent][int(rng.integers(3))](rng).document
    activation = isinstance(base["method"], dict) and base["method"].get("activation", "linear")
    quantities = base["quantities"]
    collect = [str(rng.choice(SCALARS))] if activation in (False, "linear") and rng.random() < 0.7 else quantities[:1]
    base = {name: value for name, value in base.items() if name != "quantities"}
    axes = [{"path": "time_constant", "values": [between(rng, 0.5, 2)]}]
    return Drawn("point of a sweep", "point", {"base": base, "axes": axes, "collect": collect})


def cell(rng: RNG) -> Drawn:
    """A cell of an experiment with its published parameters."""
    name = str(rng.choice(list(EXPERIMENTS)))
    values = parameters(EXPERIMENTS[name], {})
    number = int(rng.integers(len(EXPERIMENTS[name].cells(values))))
    return Drawn("cell of an experiment", "cell", {"name": name, "values": values, "number": number})


def initialization(rng: RNG) -> Drawn:
    """Initial weights."""
    deep = rng.random() < 0.5
    dims = widths(rng, whole(rng, 2, 8) if deep else 2, 1000)
    network = random(rng, dims) if deep else balanced(rng, dims)
    document: dict[str, Any] = {"network": network}
    if network.get("aligned") or rng.random() < 0.5:
        document["task"] = task(rng, dims[0], dims[-1], white=True)
    return Drawn("initializations", "initializations", document)


def balance(rng: RNG) -> Drawn:
    """The balance of given weights."""
    dims = widths(rng, whole(rng, 2, 8), 600)
    pairs = pairwise(dims)
    return Drawn("balance", "balance", {"weights": [rng.standard_normal((b, a)) for a, b in pairs]})


def statistics(rng: RNG) -> Drawn:
    """How balanced random weights are."""
    dims = widths(rng, 2, 500)
    samples = whole(rng, 2, max(2, min(10**6, int(2e9 / prod([dims[1], sum(dims)])))))
    document = {"dims": dims, "scheme": "he", "samples": samples, "seed": seed(rng)}
    return Drawn("balance-statistics", "balance-statistics", document)


def limits(rng: RNG) -> Drawn:
    """Limits of learning."""
    dims = widths(rng, 2, 300)
    asked = task(rng, dims[0], dims[-1], white=True)
    document = {"network": balanced(rng, dims), "task": asked, "tolerance": between(rng, 1e-12, 1e-2)}
    return Drawn("limits", "limits", document)


def continual(rng: RNG) -> Drawn:
    """Several tasks."""
    dims = widths(rng, 2, 100)
    n_tasks = whole(rng, 1, 8)
    tasks = [{"task": task(rng, dims[0], dims[-1], white=True)} for _ in range(n_tasks)]
    for each in tasks:
        if rng.random() < 0.5:
            each["duration"] = between(rng, 0.1, 100)
    document = {"network": balanced(rng, dims), "tasks": tasks, "num": whole(rng, 2, 20_000)}
    return Drawn("continual", "continual", document)


def ensemble(rng: RNG) -> Drawn:
    """Balanced networks, most of them in blocks, or random ones by themselves."""
    in_blocks = rng.random() < 0.7
    dims = widths(rng, 2, 60 if in_blocks else 20)
    asked = task(rng, dims[0], dims[-1], white=in_blocks)
    if in_blocks:
        network = balanced(rng, dims)
        names = [str(rng.choice(["loss", "singular_values", "output", "task_specificity", "qqt", "effective_rank"]))]
    else:
        network = {"kind": "random", "dims": dims, "scheme": "lecun", "gain": between(rng, 0.1, 1.5), "seed": 0}
        names = ["loss"]
    grid = times(rng, 1, 400, 100)
    numbers = grid["num"] * (sum(dims) ** 2 if in_blocks else 1)
    base = {"network": network, "task": asked, "times": grid, "quantities": names}
    replicates = whole(rng, 1, max(1, min(2_000 if in_blocks else 20, int(MAX_NUMBERS / numbers))))
    vary = ["task.seed"] if "seed" in asked and rng.random() < 0.1 else ["network.seed"]
    return Drawn("ensembles", "ensembles", {"base": base, "replicates": replicates, "vary": vary})


def seed(rng: RNG) -> int:
    """One that requests may have."""
    return int(rng.integers(2**31))


def _trajectory(
    group: str, network: dict[str, Any], asked: dict[str, Any], grid: Any, names: list[str], method: Any
) -> Drawn:
    document = {"network": network, "task": asked, "times": grid, "quantities": names, "method": method}
    return Drawn(group, "trajectories", document)


GROUPS: dict[str, Callable[[RNG], Drawn]] = {
    "exact": exact,
    "flow of 2": flow,
    "flow of more": lambda rng: flow(rng, "flow of more", (3, 64), 30),
    "descent": descent,
    "point": point,
    "cell": cell,
    "initializations": initialization,
    "balance": balance,
    "balance-statistics": statistics,
    "limits": limits,
    "continual": continual,
    "ensembles": ensemble,
}
