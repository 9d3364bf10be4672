"""Learning rates, schedules and weight decay in requests: valid values, and errors of others."""

import numpy as np
import pytest
from support.documents import document

from lindyn.wire.conflicts import conflicts
from lindyn.wire.digest import digest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.trajectory import TrajectoryRequest


def parsed(**changes):
    return read(TrajectoryRequest, document(**changes), conflicts)


def refused(**changes):
    with pytest.raises(InvalidDocumentError) as error:
        parsed(**changes)
    ((path, detail),) = error.value.errors
    return path, detail


COSINE = {"kind": "cosine", "period": 2.0, "floor": 0.1}
PIECES = {"kind": "piecewise", "times": [1.0, 2.0], "factors": [1.0, 0.5, 0.0]}


def test_defaults_are_the_same_request():
    plain = digest(parsed(), "solver")
    nothing = {"learning_rates": None, "schedule": None, "weight_decay": 0.0}
    assert digest(parsed(**nothing), "solver") == plain
    assert digest(parsed(learning_rates=[1, 1.0], weight_decay=0), "solver") == plain
    assert set(parsed().model_dump()).isdisjoint(nothing)
    several = [{"learning_rates": [1.0, 2.0]}, {"schedule": COSINE}, {"schedule": PIECES}, {"weight_decay": 0.1}]
    assert len({plain, *(digest(parsed(**each), "solver") for each in several)}) == 5


def test_values_are_kept():
    given = {"learning_rates": [0.5, 2.0], "schedule": PIECES, "weight_decay": 0.1}
    request = parsed(**given)
    assert {name: request.model_dump()[name] for name in given} == given
    again = read(TrajectoryRequest, request.model_dump(by_alias=True), conflicts)
    assert digest(again, "solver") == digest(request, "solver")


def test_arrays_are_lists():
    pieces = {"kind": "piecewise", "times": np.array([1.0]), "factors": np.array([1.0, 0.5])}
    request = parsed(learning_rates=np.array([0.5, 2.0]), schedule=pieces, weight_decay=np.float64(0.1))
    assert request.learning_rates == [0.5, 2.0]
    assert request.schedule.factors == [1.0, 0.5]


def test_the_floor_of_a_schedule_is_optional():
    assert parsed(schedule={"kind": "cosine", "period": 2}).schedule.floor == 0.0


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"learning_rates": [1.0, 2.0, 3.0]}, "learning_rates", "got 3 entries and a network of 2 layers; give one"),
        ({"learning_rates": [1.0]}, "learning_rates", "got 1 entry and a network of 2 layers; give one for each"),
        ({"learning_rates": [1.0, 0.0]}, "learning_rates.1", "got 0.0, expected at least 1e-70"),
        ({"learning_rates": [-1.0, 2.0]}, "learning_rates.0", "got -1.0, expected at least 1e-70"),
        ({"learning_rates": [1.0, 1e80]}, "learning_rates.1", "got 1e+80, expected at most 1e+70"),
        ({"learning_rates": [1e-20, 1e20]}, "learning_rates", "got rates from 1e-20 to 1e+20, layers may differ"),
        ({"learning_rates": []}, "learning_rates", "got 0 entries, expected at least 1"),
        ({"learning_rates": 2.0}, "learning_rates", "got 2.0, expected a list"),
        ({"learning_rates": [True, 1.0]}, "learning_rates.0", "got true, expected a number"),
        ({"learning_rates": [float("nan"), 1.0]}, "learning_rates.0", "got nan, expected a finite number"),
        ({"weight_decay": -0.1}, "weight_decay", "got -0.1, expected at least 0"),
        ({"weight_decay": float("inf")}, "weight_decay", "got inf, expected a finite number"),
        ({"schedule": "cosine"}, "schedule", "got 'cosine', expected an object"),
        (
            {"schedule": {"kind": "linear"}},
            "schedule.kind",
            "got 'linear', allowed are 'cosine', 'exponential', 'piece",
        ),
        ({"schedule": {"period": 2.0}}, "schedule.kind", "this field is required"),
        ({"schedule": {"kind": "cosine"}}, "schedule.period", "this field is required"),
        ({"schedule": COSINE | {"floor": 1.5}}, "schedule.floor", "got 1.5, expected at most 1"),
        ({"schedule": COSINE | {"period": 0.0}}, "schedule.period", "got 0.0, expected at least 1e-70"),
        ({"schedule": COSINE | {"half_life": 1.0}}, "schedule.half_life", "this field is unknown, allowed are 'kind'"),
        ({"schedule": {"kind": "exponential", "half_life": -1.0}}, "schedule.half_life", "got -1.0, expected at least"),
        ({"schedule": PIECES | {"times": [2.0, 1.0]}}, "schedule", "got 1 after 2 at times[1], times must ascend"),
        ({"schedule": PIECES | {"times": [1.0, 1.0]}}, "schedule", "got 1 after 1 at times[1], times must ascend"),
        ({"schedule": PIECES | {"times": [0.0, 1.0]}}, "schedule.times.0", "got 0.0, expected at least 1e-70"),
        ({"schedule": PIECES | {"times": [1.0]}}, "schedule", "got 3 factors and 1 times; give one factor more"),
        ({"schedule": PIECES | {"factors": [0.0] * 3}}, "schedule", "factors that are all 0, with which nothing is"),
        ({"schedule": PIECES | {"factors": [1.0, -1.0, 0.0]}}, "schedule.factors.1", "got -1.0, expected at least 0"),
    ],
)
def test_errors_have_the_path_of_the_invalid_field(changes, path, said):
    found = refused(**changes)
    assert found[0] == path
    assert said in found[1], found[1]
