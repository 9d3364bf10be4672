"""Ensembles: each replicate is the trajectory of its seed, and the statistics are those of the trajectories."""

import numpy as np
import pytest

from lindyn.wire.conflicts import conflicts_of_ensemble
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.ensemble import EnsembleRequest
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn.wire.tree import flatten
from lindyn_service.dynamics.alignment import PARTLY_DEFINED
from lindyn_service.errors import DivergedDescentError, InfeasibleBalanceError, InvalidRequestError, NotBalancedError
from lindyn_service.methods.blocks import OF_BLOCKS
from lindyn_service.operations.registry import ENSEMBLE, normalise
from lindyn_service.translate import ensemble as module
from lindyn_service.translate.ensemble import ensemble
from lindyn_service.translate.families import family_of
from lindyn_service.translate.problem import moments
from lindyn_service.translate.trajectory import trajectory

SIGMA_YX = [[1.2, -0.4, 0.3], [0.5, 0.8, -0.9]]
BALANCED = {"kind": "balanced", "dims": [3, 2, 2], "lambda": 0.5, "scale": 0.6}
RANDOM = {"kind": "random", "dims": [3, 4, 2], "scheme": "lecun"}
SPECTRUM = {"kind": "spectrum", "singular_values": [2.0, 1.0], "seed": 3}
SCALE_FREE = ("balance",)  # of balanced weights its residual, and at lambda = 0 all of it, is rounding


def request(network=BALANCED, replicates=6, quantities=("loss", "output"), **changes):
    more = {name: changes.pop(name) for name in ("first_seed", "vary", "quantiles") if name in changes}
    base = {"network": network, "task": SIGMA_YX, "times": {"stop": 5, "num": 7}, "quantities": list(quantities)}
    document = {"base": {**base, **changes}, "replicates": replicates, **more}
    asked = read(EnsembleRequest, document, conflicts_of_ensemble)
    return normalise(ENSEMBLE, asked, lambda: 17)[0]


def alone(asked):
    """Arrays of each replicate by path, from separate requests for trajectories."""
    answers = []
    for seed in asked.seeds:
        document = asked.base.model_dump(by_alias=True)
        for path in asked.vary:
            document[path.partition(".")[0]]["seed"] = seed
        answers.append(trajectory(read(TrajectoryRequest, document), "")["quantities"])
    return {path: np.array([flatten(answer)[path] for answer in answers]) for path in flatten(answers[0])}


def at(tree, path):
    for name in path.split("."):
        tree = tree[int(name)] if isinstance(tree, list) else tree[name]
    return tree


def assert_statistics_of(found, arrays, levels=(0.1, 0.5, 0.9), atol=1e-13):
    for path, values in arrays.items():
        expected = {
            "mean": np.mean(values, axis=0),
            "std": np.std(values, axis=0, ddof=1),
            "quantiles": np.quantile(values, levels, axis=0),
            "standard_error": np.std(values, axis=0, ddof=1) / np.sqrt(len(values)),
        }
        size = 1.0 if path.startswith(SCALE_FREE) else max(1.0, np.max(np.abs(values)))
        got = at(found["quantities"], path)
        assert set(got) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, rtol=0, atol=atol * size, err_msg=f"{path}.{name}")


@pytest.mark.parametrize(
    "network",
    [BALANCED, {**BALANCED, "dims": [3, 3, 2], "lambda": -0.5}, {**BALANCED, "lambda": 0.0}, {**BALANCED, "scale": 2}],
    ids=str,
)
@pytest.mark.parametrize("quantities", [["loss"], ["loss", "output"], sorted(OF_BLOCKS - PARTLY_DEFINED)], ids=len)
def test_blocks_have_the_statistics_of_the_trajectories(network, quantities, monkeypatch):
    asked = request(network, replicates=20, quantities=quantities, first_seed=5)
    computed_alone: list[int] = []
    original = module._Replicates.add
    monkeypatch.setattr(
        module._Replicates, "add", lambda self, place, seed: (computed_alone.append(seed), original(self, place, seed))
    )
    found = ensemble(asked, "k")
    assert len(computed_alone) <= 5
    assert found["seeds"] == list(range(5, 25))
    assert found["methods"] == {"exact": 20}
    assert list(found["quantities"]) == list(asked.base.quantities)
    np.testing.assert_array_equal(found["times"], np.linspace(0, 5, 7))
    assert_statistics_of(found, alone(asked))


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        (RANDOM, {}),
        ({**RANDOM, "dims": [3, 2, 2, 2]}, {"quantities": ["loss", "weights", "balance"]}),
        ({**BALANCED, "aligned": True}, {}),
        (BALANCED, {"quantities": ["weights", "ntk_movement"]}),
        (BALANCED, {"method": {"kind": "descent", "learning_rate": 0.05}}),
        (BALANCED, {"vary": ["task.seed"], "task": SPECTRUM}),
        (BALANCED, {"vary": ["task.seed", "network.seed"], "task": {"kind": "regression", "samples": 5}}),
    ],
    ids=str,
)
def test_replicates_outside_blocks_have_the_same_statistics(network, changes):
    asked = request(network, replicates=3, **changes)
    found = ensemble(asked, "k")
    assert_statistics_of(found, alone(asked))
    assert sum(found["methods"].values()) == 3
    assert found["seed"] == (17 if asked.vary == ["task.seed"] else None)


@pytest.mark.parametrize("lam", [1.0, 0.0])
def test_singular_values_of_many_matrices_are_those_of_the_trajectories(lam):
    """More than two thousand matrices in a block, whose singular values are computed all together."""
    task = np.random.default_rng(5).standard_normal((5, 5)).tolist()
    network = {**BALANCED, "dims": [5, 5, 5], "lambda": lam}
    times = {"stop": 10, "num": 150}
    asked = request(network, replicates=20, quantities=["singular_values", "effective_rank"], task=task, times=times)
    assert_statistics_of(ensemble(asked, "k"), alone(asked))


def test_blocks_of_any_size_have_the_same_statistics(monkeypatch):
    asked = request(replicates=11, quantities=["loss", "singular_values"])
    whole = flatten(ensemble(asked, "k")["quantities"])
    monkeypatch.setattr("lindyn_service.translate.families._MAX_ENTRIES", 3 * 7 * 6)
    for path, array in flatten(ensemble(asked, "k")["quantities"]).items():
        np.testing.assert_allclose(array, whole[path], rtol=0, atol=1e-15)


def test_modes_that_some_replicates_do_not_have_are_left_out():
    """With one hidden unit there is one mode: the other has no direction in any replicate."""
    asked = request({**BALANCED, "dims": [3, 1, 2]}, quantities=["alignment"])
    found = at(ensemble(asked, "k")["quantities"], "alignment.input")
    assert np.all(np.isfinite(found["mean"][:, 0]))
    assert np.all(np.isnan(found["mean"][:, 1]))


def test_saddles_are_counted():
    """A network of width one has the sign of the task or not, by chance; if not, the task is never learned."""
    network = {**BALANCED, "dims": [1, 1, 1], "lambda": 0.0}
    asked = request(network, replicates=20, quantities=["loss", "output"], task=[[1.5]])
    found = ensemble(asked, "k")
    expected = sum(trajectory(asked.replicate(seed), "")["quantities"]["output"][0, 0, 0] < 0 for seed in asked.seeds)
    assert 0 < expected < 20
    assert found["saddles"] == expected
    assert {each["code"]: each["replicates"] for each in found["warnings"]} == {
        "saddle": expected,
        "irreducible-loss-unknown": 20,
    }
    assert_statistics_of(found, alone(asked))


DIVERGING = {"method": {"kind": "descent", "learning_rate": 0.2}, "times": {"stop": 400, "num": 3}}


def test_replicates_that_fail_are_named_and_left_out():
    network = {**RANDOM, "gain": 1.6}
    asked = request(network, replicates=12, quantities=["loss"], **DIVERGING)
    failed, values = [], []
    for seed in asked.seeds:
        try:
            values.append(trajectory(asked.replicate(seed), "")["quantities"]["loss"])
        except DivergedDescentError as error:
            failed.append((seed, error.code, error.detail))
    assert 0 < len(failed) < 12
    found = ensemble(asked, "k")
    assert [(each["seed"], each["code"], each["detail"]) for each in found["problems"]] == failed
    assert found["replicates"] == 12
    assert sum(found["methods"].values()) == len(values)
    assert_statistics_of(found, {"loss": np.array(values)})


def test_an_ensemble_all_of_whose_replicates_fail_is_refused():
    with pytest.raises(DivergedDescentError):
        ensemble(request({**RANDOM, "gain": 30.0}, quantities=["loss"], **DIVERGING), "k")
    with pytest.raises(NotBalancedError):
        ensemble(request(RANDOM, method="exact"), "k")


def test_refusals_have_paths_in_the_base_request():
    with pytest.raises(InfeasibleBalanceError) as found:
        ensemble(request({**BALANCED, "dims": [3, 3, 2]}), "k")
    assert [path for path, _ in found.value.errors] == ["base.network.lambda"]
    task = {"kind": "correlation", "sigma_yx": SIGMA_YX, "sigma_yy_trace": 0.1}
    for network in (BALANCED, RANDOM):
        with pytest.raises(InvalidRequestError) as refused:
            ensemble(request(network, task=task), "k")
        assert [path for path, _ in refused.value.errors] == ["base.task.sigma_yy_trace"]
        assert refused.value.detail.startswith("base.task.sigma_yy_trace: ")


def test_requests_with_fields_that_blocks_do_not_support_are_computed_singly():
    class Newer(TrajectoryRequest):
        weight_decay: float = 0.0

    plain = {"network": {**BALANCED, "seed": 1}, "task": SIGMA_YX, "times": [0.0, 1.0]}
    for more, has_family in (({}, True), ({"weight_decay": 0.1}, False)):
        asked = read(Newer, {**plain, **more})
        assert (family_of(asked, moments(asked.task, asked.dims)) is not None) == has_family


@pytest.mark.parametrize(
    ("changes", "path", "text"),
    [
        ({"network": {"kind": "weights", "weights": [np.eye(3), np.ones((2, 3))]}}, "vary", "kind weights has no seed"),
        ({"vary": ["task.seed"]}, "vary", "kind correlation has no seed"),
        ({"first_seed": 2**53 - 6}, "first_seed", f"at most {2**53 - 7}"),
        ({"task": [[1.0]]}, "base.task.sigma_yx", "got shape (1, 1)"),
        ({"vary": ["network.scale"]}, "vary.0", "'network.seed', 'task.seed'"),
        ({"vary": []}, "vary", "at least 1"),
        ({"replicates": 0}, "replicates", "at least 1"),
        ({"replicates": 100_001}, "replicates", "at most 100000"),
        ({"quantiles": []}, "quantiles", "at least 1"),
        ({"quantiles": [1.5]}, "quantiles.0", "at most 1"),
        ({"quantities": ["accuracy"]}, "base.quantities.0", "got 'accuracy'"),
    ],
)
def test_refused_requests(changes, path, text):
    with pytest.raises(InvalidDocumentError) as refused:
        request(**{"replicates": 7, **changes})
    ((found, detail),) = refused.value.errors
    assert found == path
    assert text in detail


def test_seeds_that_are_replaced_do_not_change_the_key():
    keys = {normalise(ENSEMBLE, request({**BALANCED, "seed": seed}))[1] for seed in (None, 0, 7)}
    assert len(keys) == 1
    keys |= {normalise(ENSEMBLE, request(first_seed=1))[1], normalise(ENSEMBLE, request(replicates=5))[1]}
    assert len(keys) == 3


def test_ensembles_have_all_quantities():
    asked = request(replicates=2, quantities=QUANTITIES)
    found = ensemble(asked, "k")
    arrays = alone(asked)
    partly = {path for path in arrays if path.partition(".")[0] in PARTLY_DEFINED}
    assert_statistics_of(found, {path: values for path, values in arrays.items() if path not in partly})
    assert len(found["quantities"]["weights"]) == 2


def test_ensembles_of_random_networks_include_the_wide_limit():
    """With 4,000 hidden units losses deviate by about n^(-1/2); small gains make them start near zero."""
    network = {"kind": "random", "dims": [3, 4000, 2], "scheme": "lecun", "gain": [0.3, 0.01]}
    quantities = ["loss", "output", "singular_values"]
    found = ensemble(request(network, replicates=3, quantities=quantities, times={"stop": 0.02, "num": 5}), "k")
    assert list(found["wide"]) == quantities
    wide, drawn = found["wide"]["loss"], found["quantities"]["loss"]["mean"]
    assert wide[-1] < 0.1 * wide[0]
    np.testing.assert_allclose(drawn, wide, rtol=0, atol=0.1 * wide[0])
    for changes in (
        {"network": BALANCED},
        {"network": {**RANDOM, "dims": [3, 4, 4, 2]}},
        {"network": RANDOM, "vary": ["task.seed"], "task": SPECTRUM},
        {"network": RANDOM, "method": {"kind": "descent", "learning_rate": 0.05}},
        {"network": RANDOM, "task": {"kind": "correlation", "sigma_yx": SIGMA_YX, "sigma_xx": np.diag([1.0, 2, 3])}},
        {"network": RANDOM, "quantities": ["weights"]},
    ):
        assert ensemble(request(**{"replicates": 1, **changes}), "k")["wide"] is None
