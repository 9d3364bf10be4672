"""Requests for fits: every rule, with the path and the remedy of a violation."""

import copy

import numpy as np
import pytest
from support.documents import put

from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.fit import MAX_VALUES, FitRequest
from lindyn.wire.fit_conflicts import conflicts_of_fit, free_paths

FIT = {
    "base": {"network": {"kind": "balanced", "dims": [3, 3, 3], "seed": 1}, "task": np.eye(3).tolist()},
    "observations": [{"quantity": "loss", "times": [0.0, 1.0, 2.0], "values": [3.0, 2.0, 1.0], "sigma": 0.1}],
    "free": [
        {"path": "network.lambda", "bounds": [-1.0, 1.0], "start": 0.5},
        {"path": "network.scale", "bounds": [0.01, 1.0], "scale": "log"},
    ],
    "models": [{"name": "rich", "set": {"network.lambda": 0.0}}],
    "starts": 3,
}


def broken(document):
    with pytest.raises(InvalidDocumentError) as caught:
        read(FitRequest, document, conflicts_of_fit)
    return dict(caught.value.errors)


def test_a_request_and_its_defaults():
    request = read(FitRequest, FIT, conflicts_of_fit)
    assert [each.first for each in request.free] == [0.5, pytest.approx(0.1)]
    assert request.observations[0].sigma.tolist() == [0.1]
    assert free_paths(request, request.models[0]) == ["network.scale"]
    assert request.subjects == []
    short = {name: FIT[name] for name in ("base", "observations", "free")}
    assert read(FitRequest, short, conflicts_of_fit).starts == 8


def test_arrays_and_numbers_of_numpy():
    document = copy.deepcopy(FIT)
    document["observations"][0] |= {"times": np.arange(3), "values": np.ones(3, dtype=np.float32), "sigma": np.ones(3)}
    document["free"][0]["bounds"] = np.array([-1, 1])
    document["base"]["task"] = np.eye(3)
    request = read(FitRequest, document, conflicts_of_fit)
    assert request.free[0].bounds == (-1.0, 1.0)
    again = FitRequest.model_validate(request.model_dump(by_alias=True))
    assert again.observations[0].values.tolist() == request.observations[0].values.tolist() == [1.0, 1.0, 1.0]
    assert again.free == request.free


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("observations", [], "observations", "expected at least 1"),
        ("observations.0.quantity", "Loss!", "observations.0.quantity", "expected text like"),
        ("observations.0.times", [0.0, 2.0, 1.0], "observations.0.times", "times must ascend"),
        ("observations.0.times", [-1.0, 0.0, 1.0], "observations.0.times", "times must be >= 0"),
        ("observations.0.times", [0.0, 1.0], "observations.0.values", "give one value for each time"),
        ("observations.0.values", [1.0, float("nan"), 0.0], "observations.0.values", "got nan at [1]; leave out"),
        ("observations.0.values", [1.0, None, 0.0], "observations.0.values", "got null at [1]; leave out"),
        ("observations.0.values", [1.0, float("inf"), 0.0], "observations.0.values", "expected finite numbers"),
        ("observations.0.values", [1.0, "2", 0.0], "observations.0.values", "expected numbers"),
        ("observations.0.values", [True, 2.0, 0.0], "observations.0.values", "got boolean"),
        ("observations.0.sigma", 0.0, "observations.0.sigma", "got 0 at [0], a standard deviation is more than 0"),
        ("observations.0.sigma", [0.1, -0.1, 0.1], "observations.0.sigma", "got -0.1 at [1]"),
        ("observations.0.sigma", [0.1, 0.1], "observations.0.sigma", "give one number, or one for each time"),
        ("observations.0.sigma", float("nan"), "observations.0.sigma", "finite"),
        ("observations.0.more", 1, "observations.0.more", "this field is unknown"),
        ("observations.0.trials", 3, "observations.0.sigma", "got sigma with trials"),
        ("free", [], "free", "expected at least 1"),
        ("free.0.bounds", [1.0, -1.0], "free.0.bounds", "the first bound must be less"),
        ("free.0.bounds", [1.0, 1.0], "free.0.bounds", "the first bound must be less"),
        ("free.0.bounds", [0.0], "free.0.bounds", ""),
        ("free.0.bounds", "all", "free.0.bounds", "expected"),
        ("free.0.start", 2.0, "free.0.start", "outside the bounds -1 to 1; move the start or widen them"),
        ("free.0.start", "x", "free.0.start", "expected a number"),
        ("free.1.bounds", [0.0, 1.0], "free.1.bounds", "a log scale needs bounds above 0"),
        ("free.1.scale", "logarithmic", "free.1.scale", "allowed are 'linear', 'log'"),
        ("free.1.path", "network.lambda", "free.1.path", "overlaps 'network.lambda'"),
        ("free.1.path", "network", "free.1.path", "overlaps 'network.lambda'"),
        ("free.1.path", "times.0", "free.1.path", "which the observations have"),
        ("free.1.path", "observations.0.sigma", "free.1.path", "expected observations.factor"),
        ("free.1.path", "observations.00.offset", "free.1.path", "expected observations.factor"),
        ("free.1.path", "observations.7.offset", "free.1.path", "got observation 7, there are 1"),
        ("free.1.path", "Network Scale", "free.1.path", "expected text like"),
        ("free.1.per_subject", True, "free.1.per_subject", "observation 0 has no subject"),
        ("models.0.name", "full", "models.0.name", "'full' is that of the base"),
        ("models.0.free", ["network.scal"], "models.0.free.0", "did you mean 'network.scale'?"),
        ("models.0.free", ["network.lambda"], "models.0.free.0", "set it or leave it free"),
        ("models.0.set", {"network": {}, "network.seed": 1}, "models.0.set.network.seed", "overlaps 'network'"),
        ("starts", 0, "starts", "expected at least 1"),
        ("starts", 1.5, "starts", "expected an integer"),
        ("base.times", [1.0], "base.times", "those of the observations; leave them out"),
        ("base.quantities", ["loss"], "base.quantities", "those of the observations; leave them out"),
        ("base.evaluate", [[[1.0]]], "base.evaluate", "only trajectories answer with; leave it out"),
        ("models.0.set.times", [1.0], "models.0.set.times", "which all models share; leave them out"),
        ("models.0.set.evaluate", [[[1.0]]], "models.0.set.evaluate", "only trajectories answer with; leave it out"),
        ("more", 1, "more", "this field is unknown"),
    ],
    ids=str,
)
def test_violations_name_the_path_and_the_remedy(path, value, where, text):
    found = broken(put(FIT, path, value))
    assert any(each.startswith(where) for each in found), found
    assert any(text in each for each in found.values()), found
    assert not any("Input should" in each for each in found.values()), found


def test_names_of_models_are_different():
    document = put(FIT, "models", [FIT["models"][0], FIT["models"][0]])
    assert "got 'rich' again" in broken(document)["models.1.name"]


def test_curves_longer_than_the_limits():
    many = np.arange(MAX_VALUES + 1.0)
    one = put(put(FIT, "observations.0.times", many), "observations.0.values", many)
    assert f"at most {MAX_VALUES}; average neighbouring ones" in broken(one)["observations.0.times"]
    half = many[: MAX_VALUES // 2 + 1]
    curve = {**FIT["observations"][0], "times": half, "values": half}
    assert f"at most {MAX_VALUES}" in broken(put(FIT, "observations", [curve, curve]))["observations"]


def test_more_parameters_than_values():
    document = put(put(FIT, "observations.0.times", [1.0, 2.0]), "observations.0.values", [1.0, 2.0])
    read(FitRequest, document, conflicts_of_fit)
    del document["observations"][0]["sigma"]
    assert broken(document)["free"] == (
        "got 2 parameters and an unknown sigma for 2 values; give more values or fewer parameters"
    )


def test_standard_deviations_that_residuals_cannot_tell():
    """Of two quantities, or of some observations beside others whose standard deviations are given."""
    other = {**FIT["observations"][0], "quantity": "ntk_norm"}
    without = {name: value for name, value in other.items() if name != "sigma"}
    mixed = broken(put(FIT, "observations", [FIT["observations"][0], without]))
    assert "for all Gaussian values or for none" in mixed["observations.1.sigma"]
    loss = {**without, "quantity": "loss"}
    units = broken(put(FIT, "observations", [loss, without]))
    assert "which have different units" in units["observations.1.sigma"]
    read(FitRequest, put(FIT, "observations", [loss, loss]), conflicts_of_fit)


@pytest.mark.parametrize(
    ("values", "trials", "path", "text"),
    [
        ([1.0, 5.0, 0.0], 4, "values", "got 5 at [1], expected a whole number of successes from 0 to 4"),
        ([1.0, 0.5, 0.0], 4, "values", "got 0.5 at [1]"),
        ([1.0, 1.0, 0.0], [1, 0, 1], "trials", "got 0 at [1], expected numbers of trials"),
        ([1.0, 1.0, 0.0], [1, 2], "trials", "one for each time"),
    ],
)
def test_successes_are_counted_in_trials(values, trials, path, text):
    document = put(put(FIT, "observations.0.values", values), "observations.0.trials", trials)
    del document["observations"][0]["sigma"]
    assert text in broken(document)[f"observations.0.{path}"]


def test_one_number_is_no_curve():
    document = copy.deepcopy(FIT)
    document["observations"][0]["values"] = 3.0
    with pytest.raises(InvalidDocumentError, match=r"observations\.0\.values"):
        read(FitRequest, document, conflicts_of_fit)
