"""Evaluations, designs and comparisons in the client, with both clients."""

import pickle

import anyio
import numpy as np
import pytest

import lindyn

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

W = np.array([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, -0.5]])
TASK, HELD_OUT = lindyn.teacher(W, 8, noise=0.8, held_out=300, seed=1)
NETWORK = lindyn.balanced([4, 2, 2], lam=0.0, scale=0.2, seed=3)


def test_a_teacher():
    task, held_out = lindyn.teacher(W, 20_000, noise=0.5, held_out=10, seed=4)
    assert task["whiten"]
    assert not held_out["whiten"]
    assert held_out["inputs"].shape == (10, 4)
    noise = task["targets"] - task["inputs"] @ W.T
    assert np.std(noise) == pytest.approx(0.5, rel=0.02)
    assert np.std(task["inputs"]) == pytest.approx(1.0, rel=0.02)
    again, _ = lindyn.teacher(W, 20_000, noise=0.5, held_out=10, seed=4)
    np.testing.assert_array_equal(again["targets"], task["targets"])
    noiseless, _ = lindyn.teacher(W.tolist(), 5, seed=1, whiten=False)
    np.testing.assert_array_equal(noiseless["targets"], noiseless["inputs"] @ W.T)
    assert not noiseless["whiten"]


@pytest.fixture(scope="module", params=["npz", "json"])
def run(request, service) -> lindyn.Trajectory:
    with lindyn.Client(service.url, answers=request.param) as client:
        return client.trajectory(
            network=NETWORK,
            task=TASK,
            times=np.linspace(0, 30, 31),
            quantities=["loss", "output"],
            evaluate=[HELD_OUT, W],
        )


def test_an_evaluation(run):
    assert set(run.quantities) == {"loss", "output"}
    assert run.evaluation.loss.shape == (2, 31)
    np.testing.assert_array_equal(run["evaluation.loss"], run.evaluation.loss)
    x, y = TASK["inputs"], TASK["targets"]
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    seen = HELD_OUT["inputs"] @ (vectors / np.sqrt(values)) @ vectors.T
    expected = [np.sum((seen @ w.T - HELD_OUT["targets"]) ** 2) / 600 for w in run.output]
    np.testing.assert_allclose(run.evaluation.loss[0], expected, rtol=1e-12)
    assert len(y) == 8
    best = run.evaluation.best[0]
    assert best.loss <= np.min(expected)
    assert f"overfits from t = {best.time:.6g} on: its loss rises from {best.loss:.6g} to" in run.evaluation.words()
    assert "<Evaluation of 2 tasks at 31 times" in repr(run)


def test_words_of_a_task_that_is_never_overfitted(client):
    run = client.trajectory(network=NETWORK, task=TASK, times=[0.0, 1.0], evaluate=[{**TASK, "whiten": False}])
    assert run.evaluation.words().startswith("does not overfit by t = 1: its loss falls to")


@pytest.mark.parametrize("suffix", ["npz", "nc"])
def test_an_evaluation_in_a_file(run, tmp_path, suffix):
    loaded = lindyn.load(run.save(tmp_path / f"run.{suffix}"))
    for copy in (loaded, pickle.loads(pickle.dumps(run))):
        np.testing.assert_array_equal(copy.evaluation.loss, run.evaluation.loss)
        assert list(copy.evaluation.best) == list(run.evaluation.best)
        assert list(copy.evaluation.seeds) == [None, None]
        assert copy.evaluation.words() == run.evaluation.words()
        np.testing.assert_array_equal(copy.output, run.output)


def test_labels_of_an_evaluation(run):
    found = run.to_xarray()["evaluation.loss"]
    assert found.dims == ("evaluated_task", "time")
    assert "evaluation.loss" not in run.to_dataframe()


def test_no_evaluation(client):
    assert client.trajectory(network=NETWORK, task=TASK, times=[0.0, 1.0]).evaluation is None


BASE = {
    "network": {"kind": "balanced", "dims": [3, 3, 3], "scale": 0.1, "seed": 4},
    "task": np.diag([3.0, 2.0, 1.0]),
    "times": [4],
}
VARY = {"path": "network.lambda", "bounds": (0.0, 20.0)}


def test_a_design_with_both_clients(client, service):
    target = {"scalar": "kernel_distance", "value": 0.1}
    found = client.design(base=BASE, vary=VARY, target=target)
    assert [each["reached"] for each in found.solutions] == [pytest.approx(0.1, rel=1e-9)] * len(found.solutions)
    run = client.trajectory(
        **{**BASE, "network": {**BASE["network"], "lambda": found.solutions[0]["value"]}}, quantities="ntk_distance"
    )
    assert run.ntk_distance[-1] == pytest.approx(0.1, rel=1e-9)

    async def ask():
        async with lindyn.AsyncClient(service.url) as other:
            return await other.design(base=BASE, vary=VARY, target=target)

    assert anyio.run(ask).solutions == found.solutions
    assert found.values.tolist() == [each["value"] for each in found.solutions]
    assert "target: kernel_distance = 0.1 for network.lambda from 0 to 20" in repr(found)


def test_a_picture_and_a_table_of_a_design(client):
    """The curve ends at the bounds, passes the target at the markers, and each of its points is a trajectory."""
    found = client.design(base=BASE, vary=VARY, target={"scalar": "kernel_distance", "value": 0.1})
    axes = found.plot()
    curve, target, met = axes.get_lines()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("balance λ", "NTK distance from time 0")
    assert curve.get_xdata()[[0, -1]].tolist() == [0.0, 20.0]
    assert set(target.get_ydata()) == {0.1}
    np.testing.assert_array_equal(met.get_xdata(), found.values)
    table = found.to_dataframe()
    assert list(table) == ["network.lambda", "kernel_distance", "solution"]
    assert table[table["solution"]]["network.lambda"].tolist() == found.values.tolist()
    lam, distance = table.iloc[40][["network.lambda", "kernel_distance"]]
    run = client.trajectory(**{**BASE, "network": {**BASE["network"], "lambda": lam}}, quantities="ntk_distance")
    assert distance == pytest.approx(run.ntk_distance[-1], rel=1e-9)
    labelled = found.to_xarray()["kernel_distance"]
    np.testing.assert_array_equal(labelled["network.lambda"], table["network.lambda"])
    assert found.curve[1][40] == labelled[40]


def test_a_target_that_is_not_reached(client):
    with pytest.raises(lindyn.UnreachableTargetError, match=r"target.value: got 5, and kernel_distance is from"):
        client.design(base=BASE, vary=VARY, target={"scalar": "kernel_distance", "value": 5})


@pytest.fixture(scope="module")
def comparison(client) -> lindyn.Comparison:
    return client.compare(network=NETWORK, task=TASK, learning_rate=0.05, steps=100, seeds=[3, 1, 8], num=20)


def test_a_comparison_is_of_runs_of_the_service(client, comparison):
    assert list(comparison.losses) == ["theory", "linear", "corrected", "relu", "tanh"]
    assert comparison.method == "exact"
    np.testing.assert_allclose(comparison.times, 0.05 * np.linspace(0, 100, 21), rtol=1e-15)
    for name, method in (
        ("theory", "exact"),
        ("relu", {"kind": "descent", "learning_rate": 0.05, "activation": "relu"}),
    ):
        own = client.trajectory(network={**NETWORK, "seed": 1}, task=TASK, times=comparison.times, method=method)
        np.testing.assert_array_equal(own.loss, comparison.losses[name][1])


def test_how_far_training_is_from_theory(comparison):
    theory, relu = comparison.losses["theory"], comparison.losses["relu"]
    each = np.max(np.abs(relu - theory), axis=1) / theory[:, 0]
    mean, error = comparison.deviation("relu")
    assert mean == pytest.approx(np.mean(each))
    assert error == pytest.approx(np.std(each, ddof=1) / 3**0.5)
    said = comparison.words()
    assert said.startswith(f"ReLU training with learning rate 0.05 is at most {100 * mean:.3g} % ± {100 * error:.2g} %")
    assert said.endswith("(mean of 3 seeds)")
    assert comparison.deviation("linear")[0] < mean
    trained, corrected = comparison.losses["linear"], comparison.losses["corrected"]
    assert np.max(np.abs(trained - corrected)) < 0.2 * np.max(np.abs(trained - theory))
    assert said in repr(comparison)
    assert comparison.words("corrected").startswith("theory corrected for learning rate 0.05 is at most")
    assert comparison.warnings == []  # of nonlinear networks, that quantities other than losses are theirs only in part
    with pytest.raises(lindyn.UnknownNameError, match="'sigmoid' is not part of this comparison"):
        comparison.deviation("sigmoid")


def test_a_picture_of_a_comparison(comparison):
    axes = comparison.plot()
    assert len(axes.lines) == 5
    assert len(axes.collections) == 5
    assert comparison.plot.loss(axes) is comparison.plot(ax=axes) is axes
    assert [line.get_label() for line in comparison.plot("relu").lines] == ["theory", "ReLU training"]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "ReLU training" in names


def test_given_weights_are_one_network(client):
    rng = np.random.default_rng(1)
    network = lindyn.weights(0.3 * rng.standard_normal((5, 4)), 0.3 * rng.standard_normal((2, 5)))
    found = client.compare(network=network, task=TASK, learning_rate=0.05, steps=3, activations=["relu"])
    assert found.seeds == [None]
    assert found.losses["relu"].shape == (1, 4)
    assert "%" in found.words()
    assert "±" not in found.words()
    assert found.words().endswith("(1 network)")


def test_a_comparison_with_the_other_client_and_a_drawn_task(service):
    async def ask():
        async with lindyn.AsyncClient(service.url) as other:
            return await other.compare(
                network=lindyn.balanced([3, 3, 3], lam=0.0), task=lindyn.spectrum([1.0]), learning_rate=0.1, steps=10,
                seeds=2, activations=[],
            )  # fmt: skip

    found = anyio.run(ask)
    assert list(found.losses) == ["theory", "linear", "corrected"]
    assert found.deviation("linear")[0] < 0.2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "steps: got 0"),
        ({"num": 0}, "num: got 0"),
        ({"seeds": []}, "seeds: got 0"),
        ({"seeds": 0}, "seeds: got 0"),
        ({"learning_rate": 0.0}, "learning_rate: got 0.0, expected a positive number"),
        ({"learning_rate": -0.1}, "learning_rate: got -0.1, expected a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate: got nan, expected a positive number"),
    ],
)
def test_comparisons_that_are_refused(client, changes, words):
    asked = {"network": NETWORK, "task": TASK, "learning_rate": 0.1, "steps": 10, "seeds": 1} | changes
    with pytest.raises((lindyn.ArgumentError, lindyn.RequestError), match=words):
        client.compare(**asked)


def test_activations_need_samples(client):
    with pytest.raises(lindyn.NotApplicableError, match="needs samples"):
        client.compare(network=NETWORK, task=W, learning_rate=0.1, steps=10, seeds=1)


def test_a_learning_rate_that_is_too_large(client):
    with pytest.raises(lindyn.DivergedError, match="is too large"):
        client.compare(network=NETWORK, task=TASK, learning_rate=50.0, steps=300, seeds=1)
