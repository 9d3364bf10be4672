"""Parameters, cells and pictures of experiments, as computed by a worker."""

import pytest
from support.jobs import LIMITS

from lindyn_service.errors import DivergedDescentError, InvalidRequestError
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.jobs.plan import ExperimentPlan, plan_of
from lindyn_service.translate.experiment import compute_cells, experiment_picture, parameters
from lindyn_service.translate.table import read_table


def test_there_is_an_experiment_for_each_figure_of_the_thesis():
    figures = {f"figure-3.{i}" for i in range(1, 7)} | {f"figure-4.{i}" for i in range(1, 9)}
    assert figures | {"reversal-learning", "wide-limit"} == set(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_defaults_are_valid_overrides(name):
    experiment = EXPERIMENTS[name]
    assert parameters(experiment, {}) == experiment.defaults()
    lists = {key: list(value) if isinstance(value, tuple) else value for key, value in experiment.defaults().items()}
    assert {key: list(v) if isinstance(v, tuple) else v for key, v in parameters(experiment, lists).items()} == lists
    assert len(experiment.cells(experiment.defaults())) >= 1


def test_integers_are_accepted_for_float_parameters():
    found = parameters(EXPERIMENTS["figure-3.2"], {"scale": 2})
    assert isinstance(found["scale"], float)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ({"none": 1}, "unknown, allowed are"),
        ({"sizes": 3}, "expected a list of numbers"),
        ({"sizes": None}, "got null, expected a list of numbers"),
        ({"sizes": [None]}, "got null, expected an integer"),
        ({"sizes": []}, "got 0 values"),
        ({"trials": True}, "got true, expected an integer"),
        ({"sizes": [3.5]}, "expected an integer"),
        ({"trials": "x"}, "expected an integer"),
        ({"trials": 0}, "expected 1 to"),
        ({"trials": 10**400}, "got an integer of more than 80 digits, expected 1 to"),
    ],
)
def test_invalid_overrides_are_refused(overrides, text):
    with pytest.raises(InvalidRequestError) as caught:
        parameters(EXPERIMENTS["figure-3.4"], overrides)
    assert caught.value.errors[0][0] == f"parameters.{next(iter(overrides))}"
    assert text in caught.value.errors[0][1]


def test_an_experiment_from_cells_to_picture():
    name = "figure-4.1"
    values = parameters(EXPERIMENTS[name], {})
    plan = ExperimentPlan(name, values, 2**30)
    records = plan.compute(range(plan.total), 1e9, {})
    archive = plan.table("job", iter(records)).pack()
    _, metadata = read_table(archive)
    assert (metadata["job"], metadata["kind"]) == ("job", name)
    assert experiment_picture(archive, "png").startswith(b"\x89PNG")
    assert experiment_picture(archive, "svg") == experiment_picture(archive, "svg")
    same = plan_of(name, b'{"parameters": {}}', LIMITS)
    assert same.keys(range(plan.total)) == plan.keys(range(plan.total))
    assert len(set(plan.keys(range(plan.total)))) == plan.total


def test_divergence_has_a_message_for_the_user():
    values = parameters(EXPERIMENTS["figure-3.2"], {"learning_rate": 0.1, "scale": 10.0})
    with pytest.raises(DivergedDescentError, match="decrease the learning rate or the scale"):
        list(compute_cells("figure-3.2", values, [0]))
