"""All keys of stored results depend on the solver, so that a new version never serves results of an old one."""

import pytest
from support.documents import document
from support.jobs import LIMITS, sweep

from lindyn.wire.sweep import SweepRequest
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.jobs import plan
from lindyn_service.jobs.plan import ExperimentPlan, SweepPlan
from lindyn_service.operations import registry
from lindyn_service.operations.registry import TRAJECTORY, normalise
from lindyn_service.translate import sweep as points


def of_an_answer() -> list[str]:
    return [normalise(TRAJECTORY, TrajectoryRequest.model_validate(document()))[1]]


def of_points() -> list[str]:
    return SweepPlan(SweepRequest.model_validate(sweep()), LIMITS).keys(range(2))


def of_cells() -> list[str]:
    return ExperimentPlan("figure-3.1", EXPERIMENTS["figure-3.1"].defaults(), 2**30).keys(range(2))


@pytest.mark.parametrize(("module", "keys"), [(registry, of_an_answer), (points, of_points), (plan, of_cells)])
def test_the_solver_is_part_of_every_key(module, keys, monkeypatch):
    before = keys()
    assert keys() == before
    monkeypatch.setattr(module, "SOLVER", "another")
    assert not set(keys()) & set(before)
