"""Analyses and jobs through the client, against a real service."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.holding import jobs_held
from support.processes import Service

import lindyn

pytestmark = pytest.mark.live

NETWORK = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 1.0, "scale": 0.5, "seed": 1}
SIGMA_YX = np.array([[2.0, 0.3, -0.4], [0.1, -1.5, 0.2], [0.5, 0.0, 1.0]])
BASE = {"network": NETWORK, "task": SIGMA_YX, "times": [0.0, 1.0, 2.0]}
SLOW = {
    "network": {"kind": "balanced", "dims": [60, 60, 60], "lambda": 0.5},
    "task": {"kind": "regression", "samples": 120, "seed": 1},
    "times": {"stop": 3.0, "num": 200},
}


@pytest.fixture(scope="module")
def service(job_service: Service) -> Service:
    return job_service


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(service.url) as client:
        yield client


@pytest.fixture
def held(service: Service) -> Iterator[None]:
    """Suspend all jobs during the test."""
    with service.client() as http, jobs_held(service, http):
        yield


def test_names_that_lead_to_other_routes_are_refused(client):
    """Such as the id of a job that a program composes."""
    for call in (client.job, client.stored, client.experiment):
        for name in ("../about", "..", ".", "", "a/b", "a?b", "a#b", "a%2fb", " ", None, 3):
            with pytest.raises(lindyn.ArgumentError, match="expected"):
                call(name)


def test_axes_and_bases_of_other_types_are_refused(client):
    for axes in ([{"path": "network.seed", "values": [1]}], None, "network.seed"):
        with pytest.raises(lindyn.ArgumentError, match="expected a mapping of paths to values"):
            client.sweep(base=BASE, axes=axes)
    for base in (None, [BASE], 3):
        with pytest.raises(lindyn.RequestError, match=r"base: got .*, expected an object"):
            client.sweep(base=base, axes={"network.seed": [1]})
        with pytest.raises(lindyn.RequestError, match=r"base: got .*, expected an object"):
            client.ensemble(base=base, replicates=2)


def test_initialization_and_balance(client):
    found = client.initialization(NETWORK, SIGMA_YX)
    w1, w2 = found.weights
    b = w2.T @ w2 - w1 @ w1.T
    assert np.allclose(b, np.eye(3), atol=1e-14)
    assert (found.lam, found["lambda"]) == (pytest.approx(1.0), pytest.approx(1.0))
    measured = client.balance([w1, 2 * w2])
    assert measured.lam == pytest.approx([np.trace(4 * w2.T @ w2 - w1 @ w1.T) / 3])
    assert measured.balanced == [False]
    with pytest.raises(AttributeError, match="is not part of this answer, which has: key"):
        _ = measured.nothing


def test_statistics_limits_and_continual_learning(client):
    statistics = client.balance_statistics([3, 4, 5], "he", gain=2.0, samples=100, seed=1)
    assert np.allclose(statistics.predicted.mean, (5 * 2 - 3 * 8 / 3) * np.eye(4))
    assert statistics.sampled.variance.shape == (4, 4)
    limits = client.limits(network=NETWORK, task=SIGMA_YX, tolerance=1e-6)
    assert np.allclose(limits.converged.output, SIGMA_YX)
    there = client.trajectory(**{**BASE, "times": [limits.convergence_time]}, quantities=["excess_loss"])
    assert there.excess_loss[0] == pytest.approx(1e-6, rel=1e-9)
    course = client.continual(network=NETWORK, tasks=[{"task": SIGMA_YX}, {"task": -SIGMA_YX, "duration": 2.0}], num=5)
    assert course.loss.shape == course.rate.shape == course.forgetting.shape == (2, 10)
    assert np.isnan(course.forgetting[1, 0])
    assert course.loss[0, 4] == pytest.approx(0, abs=1e-20)
    with pytest.raises(lindyn.NotBalancedError):
        client.limits(network={"kind": "random", "dims": [3, 3, 3], "scheme": "he", "seed": 1}, task=SIGMA_YX)


def test_results_of_sweeps_are_labelled(client):
    axes = {"network.lambda": np.array([0.5, 1.0]), "network.seed": range(3)}
    job = client.sweep(base=BASE, axes=axes, collect=["final_loss", "loss"])
    table = job.result()
    assert table.dims["loss"] == ("network.lambda", "network.seed", "time")
    assert table["final_loss"].shape == (2, 3)
    assert np.array_equal(table["final_loss"], table["loss"][..., -1])
    assert table["loss"][1, 1] == pytest.approx(client.trajectory(**BASE).loss, rel=1e-13)
    assert table.coordinates["network.lambda"].tolist() == [0.5, 1.0]
    assert table.metadata["kind"] == "sweep"
    assert repr(table).startswith("<SweepResult of sweep\n  final_loss: network.lambda x network.seed (2, 3)")
    assert client.job(job.id).status().state == "done"


def test_an_axis_of_names_and_objects(client):
    axes = {"method": ["exact", {"kind": "flow"}, {"kind": "descent", "learning_rate": np.float32(0.0001220703125)}]}
    table = client.sweep(base=BASE, axes=axes, collect=["loss"]).result()
    assert table.coordinates["method"][:2] == ["exact", {"kind": "flow"}]
    exact, flow, descent = table["loss"]
    np.testing.assert_allclose(flow, exact, rtol=1e-8)
    np.testing.assert_allclose(descent, exact, rtol=1e-2)
    assert not np.array_equal(descent, exact)


def test_an_axis_of_matrices_and_objects(client):
    tasks = [SIGMA_YX, {"kind": "correlation", "sigma_yx": 2 * SIGMA_YX}, lindyn.spectrum([3.0, 1.0])]
    base = {**BASE, "task": None}
    table = client.sweep(base=base, axes={"task": tasks}, collect=["loss"]).result()
    for i, task in enumerate((*tasks[:2], table.coordinates["task"][2])):
        expected = client.trajectory(**{**BASE, "task": task}).loss
        np.testing.assert_allclose(table["loss"][i], expected, rtol=1e-13)


def test_an_axis_of_weights(client):
    layers = [[np.eye(3), 2 * np.eye(3)], [np.ones((2, 3)), np.ones((3, 2)).tolist()], [np.eye(3)] * 3]
    base = {**BASE, "network": {"kind": "weights"}}
    table = client.sweep(base=base, axes={"network.weights": layers}, collect=["loss"]).result()
    for i, weights in enumerate(layers):
        expected = client.trajectory(**{**BASE, "network": lindyn.weights(*weights)}).loss
        np.testing.assert_allclose(table["loss"][i], expected, rtol=1e-13)


def test_seeds_of_an_axis_are_drawn(client):
    """Seeds of networks and tasks that an axis gives without one are drawn as in the base request."""
    networks = [lindyn.balanced([3, 3, 3], lam=1.0), lindyn.random([3, 3, 3]), lindyn.weights(np.eye(3), np.eye(3))]
    table = client.sweep(base={**BASE, "network": None}, axes={"network": networks}, collect=["loss"]).result()
    assert not table.problems
    for i, network in enumerate(table.coordinates["network"]):
        assert ("seed" in network) == (i < 2)
        again = client.trajectory(**{**BASE, "network": network}).loss
        np.testing.assert_allclose(table["loss"][i], again, rtol=1e-12)
    table = client.sweep(base=BASE, axes={"network.seed": [None, 1]}, collect=["loss"]).result()
    drawn, given = table.coordinates["network.seed"]
    assert (given, drawn == int(drawn)) == (1, True)
    again = client.trajectory(**{**BASE, "network": {**NETWORK, "seed": int(drawn)}}).loss
    np.testing.assert_allclose(table["loss"][0], again, rtol=1e-12)


@pytest.mark.parametrize(
    "laid_out",
    [
        np.asfortranarray,
        lambda a: a.astype(">f8"),
        lambda a: a.astype(np.longdouble),
        lambda a: np.repeat(a, 2, 0)[::2],
    ],
    ids=["column-major", "big-endian", "longdouble", "strided"],
)
def test_sweeps_with_arrays_of_every_layout(client, laid_out):
    expected = client.trajectory(**BASE).loss[-1]
    in_base = client.sweep(base={**BASE, "task": laid_out(SIGMA_YX)}, axes={"network.seed": [1]}).result()
    on_axis = client.sweep(base=BASE, axes={"task": [laid_out(SIGMA_YX), laid_out(2 * SIGMA_YX)]}).result()
    assert in_base.final_loss[0] == pytest.approx(expected, rel=1e-13)
    assert on_axis.final_loss[0] == pytest.approx(expected, rel=1e-13)
    assert on_axis.coordinates["task"][1] == (2 * SIGMA_YX).tolist()


def test_failed_points_are_nan_and_have_a_problem(client):
    table = client.sweep(base=BASE, axes={"network.dims": [[3, 3, 3], [3, 4, 3]]}).result()
    assert np.isnan(table["final_loss"]).tolist() == [False, True]
    assert table.problems[0]["code"] == "infeasible-balance"
    assert "1 points failed" in repr(table)


def test_cancelled_and_unfinished_jobs(client, held, capsys):
    job = client.sweep(base=SLOW, axes={"network.seed": range(1000)}, collect=["loss"])
    with pytest.raises(TimeoutError, match=r"after 0\.5 s and continues"):
        job.wait(progress=True, timeout_seconds=0.5)
    assert "point" in capsys.readouterr().err
    job.cancel()
    with pytest.raises(lindyn.JobCancelledError, match="was cancelled"):
        job.result()


def test_an_unfinished_experiment_has_no_picture_yet(client, held):
    job = client.experiment("figure-4.8")
    with pytest.raises(lindyn.NotDoneError, match="of 51 points"):
        job.figure()
    job.cancel()
    assert job.wait().state == "cancelled"


def test_failed_jobs_raise_their_problem(client):
    job = client.experiment("figure-3.2", learning_rate=0.1, scale=10.0)
    with pytest.raises(lindyn.JobFailedError, match="training diverged") as caught:
        job.result()
    assert isinstance(caught.value.__cause__, lindyn.DivergedError)


def test_experiments(client):
    listed = client.experiments()
    assert listed["figure-4.1"].title
    job = client.experiment("figure-4.1")
    job.result(progress=True)
    assert b"<svg" in job.figure()
    assert job.figure("png").startswith(b"\x89PNG")
    for form in ("jpg", "json", "../result", None):
        with pytest.raises(lindyn.ArgumentError, match="expected 'svg', 'png', 'pdf'"):
            job.figure(form)
    with pytest.raises(lindyn.NotFoundError, match=r"there are 'figure-3\.1', 'figure-3\.2'"):
        client.experiment("figure-9")
    with pytest.raises(lindyn.RequestError, match=r"parameters\.trials"):
        client.experiment("figure-3.4", trials="many")
    with pytest.raises(lindyn.NotFoundError, match="it may have expired"):
        client.job("0" * 32)


def test_openapi_document(client):
    assert "/v1/sweeps" in client.openapi()["paths"]
