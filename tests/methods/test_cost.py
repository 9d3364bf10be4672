"""Cost estimates against the numbers of real answers, and against measured computing times."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from lindyn.wire import npz
from lindyn.wire.asymptotics import LimitsRequest
from lindyn.wire.balance import BalanceRequest, InitializationRequest, StatisticsRequest
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.document import read
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn_service.engine.worker import timed
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.operations.costs import point_cost
from lindyn_service.operations.registry import (
    BALANCE,
    CONTINUAL,
    ENSEMBLE,
    INITIALIZATION,
    LIMITS,
    STATISTICS,
    TRAJECTORY,
    with_seeds,
)
from lindyn_service.translate.encode import encode
from lindyn_service.translate.experiment import compute_cells
from lindyn_service.worker_speed import FLOPS_PER_SECOND

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "estimates.py"
FACTOR = 10  # on any machine, where the benchmark has 5
SECONDS_PER_FLOP = 2e-11  # of products of large matrices alone, on the machine that the estimates were fitted on
METHODS = {"exact": "exact", "flow": "flow", "descent": {"kind": "descent", "learning_rate": 0.01}}


def numbers(quantities):
    if isinstance(quantities, list):
        return sum(map(numbers, quantities))
    return sum(map(numbers, quantities.values())) if isinstance(quantities, dict) else np.size(quantities)


def request(dims, n_times, quantities, task=None, method="auto", stop=5.0, **network) -> TrajectoryRequest:
    """A request for a balanced network, unless another kind of network is given."""
    drawn = {"kind": "balanced", "dims": list(dims), "lambda": 0.0, "seed": 1} if "kind" not in network else network
    return read(
        TrajectoryRequest,
        {
            "network": drawn if "weights" in drawn else {**drawn, "dims": list(dims)},
            "task": np.ones((dims[-1], dims[0])) if task is None else task,
            "times": {"start": 0.0, "stop": stop, "num": n_times},
            "quantities": list(quantities),
            "method": method,
        },
    )


def flops(*arguments, **more) -> float:
    return TRAJECTORY.cost(request(*arguments, **more)).flops


@settings(deadline=None, max_examples=30)
@given(
    dims=st.tuples(*[st.integers(1, 6)] * 3),
    n_times=st.integers(1, 5),
    quantities=st.lists(st.sampled_from(QUANTITIES), min_size=1, unique=True),
)
def test_estimated_numbers_are_those_of_the_answer(dims, n_times, quantities):
    asked = request(dims, n_times, quantities)
    _, arrays = npz.unpack(encode(TRAJECTORY.compute(asked, ""), "npz"), largest_bytes=2**20)
    assert TRAJECTORY.cost(asked).numbers == numbers(arrays)


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("quantities", [["loss"], ["output", "alignment", "weights"]])
def test_estimated_numbers_of_an_ensemble_are_those_of_its_arrays(quantities, levels):
    """The seeds are included; the values of all replicates are held in memory."""
    whole = ensemble(6, SPECTRUM, quantities) | {"quantiles": [0.5] * levels}
    asked = read(EnsembleRequest, whole)
    _, arrays = npz.unpack(encode(ENSEMBLE.compute(asked, ""), "npz"), largest_bytes=2**20)
    found = ENSEMBLE.cost(asked)
    assert found.numbers == numbers(arrays) + 6
    assert found.work_numbers >= 6 * numbers(TRAJECTORY.compute(asked.replicate(0), "")["quantities"])


def test_more_replicates_cost_more_and_in_blocks_far_less():
    def cost(replicates=100, **network):
        return ENSEMBLE.cost(read(EnsembleRequest, ensemble(replicates, SPECTRUM, ["loss"], **network)))

    assert cost().flops < cost(200).flops < 2 * cost().flops
    assert cost().work_numbers < cost(200).work_numbers
    alone = TRAJECTORY.cost(read(EnsembleRequest, ensemble(1, SPECTRUM, ["loss"])).base)
    assert cost().flops < 30 * alone.flops
    assert cost(aligned=True).flops > 100 * alone.flops


@pytest.mark.parametrize("kind", METHODS)
@pytest.mark.parametrize("name", QUANTITIES)
def test_more_of_anything_never_costs_less(name, kind):
    random = {"kind": "random", "scheme": "lecun", "gain": 1.0, "seed": 1}
    network = {} if kind == "exact" else random

    def data(dims, copies):
        """The same moments, whatever the number of samples."""
        rng = np.random.default_rng(0)
        inputs, targets = (np.tile(rng.standard_normal((100, width)), (copies, 1)) for width in (dims[0], dims[-1]))
        return {"kind": "data", "inputs": inputs, "targets": targets, "whiten": True}

    def cost(dims=(4, 3, 5), n_times=10, quantities=(name,), copies=1, stop=5.0):
        return TRAJECTORY.cost(request(dims, n_times, quantities, data(dims, copies), METHODS[kind], stop, **network))

    base = cost()
    more = [
        cost(dims=(8, 3, 5)),
        cost(dims=(4, 6, 5)),
        cost(dims=(4, 3, 10)),
        cost(n_times=20),
        cost(copies=2),
        cost(quantities=[name, "qqt" if name != "qqt" else "output"]),
    ]
    wider = [] if kind == "flow" else more[:3]  # there, widths change how fast a random network learns
    for other in [*wider, *more[3:], cost(stop=50.0)]:
        assert other.flops >= base.flops
    assert more[3].flops > base.flops < more[5].flops
    for other in more:
        assert other.numbers >= base.numbers
        assert other.work_numbers >= base.work_numbers


def test_harder_flows_cost_more():
    """Longer horizons, tighter tolerances, more layers and stronger tasks."""
    random = {"kind": "random", "scheme": "lecun", "gain": 1.0, "seed": 1}

    def cost(layers=2, strength=1.0, stop=10.0, rtol=1e-8):
        task = {"kind": "correlation", "sigma_yx": strength * np.eye(4)}
        method = {"kind": "flow", "rtol": rtol}
        return flops((4,) * (layers + 1), 10, ["loss"], task, method, stop, **random)

    assert cost() < cost(stop=100.0) < cost(stop=1000.0)
    assert cost() < cost(rtol=1e-12)
    assert cost(stop=0.01) < cost(layers=8, stop=0.01) < cost(layers=64, stop=0.01)
    assert cost() < cost(strength=10.0) < cost(strength=100.0)


def test_samples_cost_memory():
    """Inputs and targets, and the factors of the inputs: at least as many numbers as the data have."""
    task = {"kind": "regression", "samples": 10**6, "seed": 1}
    assert TRAJECTORY.cost(request((50, 5, 50), 1, ["loss"], task)).work_numbers >= 10**8


def test_a_closed_form_costs_less_than_an_integration():
    """White inputs and balanced weights are also recognised in data and matrices of any size."""
    rng = np.random.default_rng(0)
    inputs, _ = np.linalg.qr(rng.standard_normal((200, 6)))
    rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    white = {"kind": "data", "inputs": inputs, "targets": rng.standard_normal((200, 6)), "whiten": False}
    coloured = {**white, "inputs": inputs * np.arange(1, 7)}
    balanced = {"kind": "weights", "weights": [0.5 * rotation, 0.5 * rotation]}
    other = {"kind": "weights", "weights": [0.5 * rotation, np.diag(np.arange(1.0, 7))]}
    exact, *others = (
        flops((6, 6, 6), 100, ["loss"], task, stop=100.0, **network)
        for network, task in ((balanced, white), (balanced, coloured), (other, white))
    )
    assert all(3 * exact < other for other in others)


def machine_seconds() -> float:
    """Ratio of the time of products of large matrices to that on the machine where the estimates were fitted."""
    first = np.random.default_rng(0).standard_normal((500, 500))
    seconds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(8):
            first @ first
        seconds.append(time.process_time() - began)
    return min(seconds) / (8 * 2 * 500**3) / SECONDS_PER_FLOP


@contextmanager
def untraced() -> Iterator[None]:
    """Suspend line tracing, which makes some requests take fifteen times as long."""
    tracing = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracing)


@pytest.fixture(scope="module")
def calibration() -> float:
    with threadpool_limits(1):
        return machine_seconds()


RANDOM = {"kind": "random", "scheme": "lecun", "gain": 1.0, "seed": 1}
SPECTRUM = {"kind": "spectrum", "singular_values": [2.0], "seed": 1}
DEEP = {"kind": "random", "dims": [2] * 65, "scheme": "glorot", "gain": 1.0, "seed": 1}
TASKS = [{"task": {**SPECTRUM, "seed": seed}, "duration": 5.0} for seed in range(3)]
SCHEME = {"scheme": "he", "seed": 1}
BALANCED = {"kind": "balanced", "lambda": 1.0, "seed": 1}


def ensemble(replicates, task, quantities, **network):
    """An ensemble of balanced networks, unless another kind of network is given."""
    drawn = {**({} if "kind" in network else BALANCED), "dims": [5, 5, 5], **network}
    base = {"network": drawn, "task": task, "times": {"stop": 5.0, "num": 100}, "quantities": quantities}
    return {"base": base, "replicates": replicates}


TIMED = {
    "statistics of wide networks": (
        STATISTICS,
        StatisticsRequest,
        {"dims": [1, 400, 1], "scheme": "he", "samples": 200},
    ),
    "statistics of narrow networks": (
        STATISTICS,
        StatisticsRequest,
        {"dims": [1, 1, 1], "scheme": "he", "samples": 10**6},
    ),
    "width 1, many times": ((1, 1, 1), 40_000, QUANTITIES, None, "auto"),
    "width 1, many times of a flow": ((1, 1, 1), 20_000, ["loss"], None, "flow", 20.0),
    "flow of many layers": ((2,) * 65, 3, ["loss"], SPECTRUM, "flow", 0.5),
    "flow of two layers": ((30, 20, 10), 3, ["loss"], SPECTRUM, "auto", 50.0),
    "stiff flow": ((10, 10, 10), 3, ["loss"], 20.0 * np.eye(10), {"kind": "flow", "rtol": 1e-6}, 50.0),
    "many times of a flow": ((8, 8, 8), 5_000, ["loss"], SPECTRUM, "flow"),
    "weights of a closed form": ((30, 30, 30), 10, ["weights"], SPECTRUM, "exact", 100.0),
    "kernels": ((20, 2, 20), 5, ["ntk"], SPECTRUM, "exact"),
    "closed form of wide networks": ((300, 300, 300), 4, ["loss", "alignment"], SPECTRUM, "exact"),
    "training": ((5, 5, 5), 10, ["loss"], None, {"kind": "descent", "learning_rate": 2.5e-4}),
    "limits": (
        LIMITS,
        LimitsRequest,
        {"task": SPECTRUM, "network": {"kind": "balanced", "dims": [200] * 3, "lambda": 1.0}},
    ),
    "continual": (
        CONTINUAL,
        ContinualRequest,
        {"network": {**BALANCED, "dims": [20] * 3}, "tasks": TASKS, "num": 2_000},
    ),
    "ensemble in blocks": (ENSEMBLE, EnsembleRequest, ensemble(2000, SPECTRUM, ["loss"])),
    "ensemble of large networks": (ENSEMBLE, EnsembleRequest, ensemble(50, SPECTRUM, ["output"], dims=[40, 40, 40])),
    "ensemble one by one": (ENSEMBLE, EnsembleRequest, ensemble(20, SPECTRUM, ["loss"], **RANDOM)),
    "many quantiles": (ENSEMBLE, EnsembleRequest, {**ensemble(500, SPECTRUM, ["qqt"]), "quantiles": [0.5] * 50}),
    "initial weights": (INITIALIZATION, InitializationRequest, {"network": {**DEEP, "dims": [1200] * 4}}),
    "balance": (BALANCE, BalanceRequest, {"weights": [np.eye(600)] * 10}),
}


@pytest.mark.timed
@pytest.mark.parametrize("name", TIMED)
def test_estimated_times_are_those_that_computations_take(name, calibration):
    """Within a factor of 10 on any machine, in units of the time of its matrix products."""
    first, *rest = TIMED[name]
    if isinstance(first, tuple):
        operation = TRAJECTORY
        network = RANDOM if len(first) > 3 or "flow" in name or name == "training" else {}
        asked = request(first, *rest, **network)
    else:
        operation, (model, content) = first, rest
        asked = with_seeds(read(model, content))
    estimated = operation.cost(asked).flops / FLOPS_PER_SECOND * calibration
    with threadpool_limits(1), untraced():
        began = time.process_time()
        encode(operation.compute(asked, ""), "npz")
        seconds = time.process_time() - began
    assert seconds / FACTOR < estimated < max(seconds, 0.02) * FACTOR, (seconds, calibration)


@pytest.mark.timed
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_cells_of_experiments_are_estimated(name, calibration):
    """The mean of all cells, by one in the middle."""
    experiment = EXPERIMENTS[name]
    values = experiment.defaults()
    with threadpool_limits(1), untraced():
        began = time.process_time()
        list(compute_cells(name, values, [len(experiment.cells(values)) // 2]))
        seconds = time.process_time() - began
    estimated = experiment.seconds(values) * calibration
    assert seconds / FACTOR < estimated < max(seconds, 0.02) * FACTOR, (seconds, calibration)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_smaller_experiments_never_cost_more(name):
    experiment = EXPERIMENTS[name]
    values = experiment.defaults()
    for parameter in {"steps", "trials", "size", "sizes", "draws", "points"} & set(values):
        fewer = [1] if isinstance(values[parameter], list | tuple) else 1
        assert experiment.seconds({**values, parameter: fewer}) <= experiment.seconds(values)


def test_points_of_sweeps_cost_what_they_collect():
    """Errors are not estimated, and scalars of the last time cost a single time."""
    asked = request((5, 5, 5), 100_000, ["loss"], SPECTRUM, "exact")
    last, all_times, search = (point_cost(asked, [name]).flops for name in ("final_loss", "loss", "convergence_time"))
    assert last < all_times / 10
    assert search < all_times / 2
    assert all_times <= TRAJECTORY.cost(asked).flops
    training = request((5, 5, 5), 10, ["loss"], SPECTRUM, {"kind": "descent", "learning_rate": 0.01}, **RANDOM)
    assert point_cost(training, ["deviation"]).flops > point_cost(training, ["final_loss"]).flops


@pytest.mark.timed
@pytest.mark.parametrize("dims", [(1, 1, 1), (2,) * 65, (300, 300, 300)], ids=["narrow", "deep", "wide"])
@pytest.mark.parametrize("kind", ["correlation", "data"])
def test_estimates_are_fast(dims, kind, calibration):
    """They run in the event loop for each request: about as long as a few small products, not as the answer."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.standard_normal((2_000, dims[0])), rng.standard_normal((2_000, dims[-1]))
    sigma_xx = inputs.T @ inputs / len(inputs)
    task = {"kind": kind, "inputs": inputs, "targets": targets, "whiten": False}
    if kind == "correlation":
        task = {"kind": kind, "sigma_yx": targets.T @ inputs / len(inputs), "sigma_xx": sigma_xx}
    weights = [rng.standard_normal((b, a)) for a, b in pairwise(dims)]
    asked = request(dims, 10, ["loss"], task, kind="weights", weights=weights)
    seconds = min(timed(TRAJECTORY.cost, (asked,))[0] for _ in range(50))
    assert seconds < 0.01 * max(1.0, calibration)


def benchmarked(*options: str) -> str:
    command = [sys.executable, str(BENCHMARK), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.fuzz
def test_estimates_of_random_requests_are_within_a_factor():
    """Nine of ten requests above 50 ms are within the factor that the benchmark reports."""
    table = benchmarked("--requests", "100", "--seconds", "10")
    print(table)
    total = next(line for line in table.splitlines() if line.startswith("all "))
    assert float(total.split()[-1].rstrip("%")) > 85


def test_the_benchmark_runs():
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--requests", "6", "--seconds", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "share" in done.stdout
    assert "estimating takes" in done.stdout
