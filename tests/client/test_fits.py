"""Fits in the client: short forms of requests, results as attributes, tables, pictures and files."""

import asyncio
import json
from collections.abc import Iterator

import numpy as np
import pytest
from support.processes import Service

import lindyn
from lindyn import _endpoints

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

TIMES = np.linspace(0.25, 30, 60)
NETWORK = lindyn.balanced([3, 3, 3], lam=0.6, scale=0.2, seed=11)
BASE = {"network": NETWORK, "task": lindyn.spectrum([2.0, 1.0, 0.5], seed=2)}
PLAIN = {"network": NETWORK, "task": lindyn.regression(9, seed=1)}
FREE = {"network.lambda": (0.01, 10), "time_constant": np.array([0.5, 50.0])}


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


def observed(client: lindyn.Client) -> dict[str, object]:
    t = client.trajectory(**BASE, times=TIMES, time_constant=4.0, quantities="loss")
    noise = 0.02 * np.random.default_rng(1).standard_normal(60)
    return {"quantity": "loss", "times": TIMES, "values": t.loss + noise, "sigma": 0.02}


@pytest.fixture(scope="module")
def found(client) -> lindyn.Fit:
    models = ["rich", "lazy", "shallow", {"name": "slow", "set": {"time_constant": 40.0}}]
    return client.fit(base=BASE, observations=observed(client), free=FREE, models=models, starts=3).result()


def test_estimates_are_attributes(found):
    for path, truth in (("network.lambda", 0.6), ("time_constant", 4.0)):
        assert abs(found.estimates[path] - truth) < 4 * found.standard_errors[path]
        low, high = found.intervals[path]
        assert low < found.estimates[path] < high
    assert list(found.models) == ["full", "rich", "lazy", "shallow", "slow"]
    assert found.full is found["full"]
    assert found.best.name == found.ranking[0].model == "full"
    assert found["slow"].aic > found.full.aic
    assert found.full.covariance.shape == (2, 2)
    assert np.allclose(found.observations[0]["values"] - found.full.fitted[0], found.full.residuals[0])
    assert any("the sign of network.lambda" in warning.detail for warning in found.warnings)
    with pytest.raises(lindyn.UnknownNameError, match="did you mean 'shallow'"):
        _ = found["shalow"]


def test_tables(found):
    text = found.table()
    assert text.splitlines()[0].startswith("full: AIC ")
    assert "network.lambda" in text
    assert "ranking by AIC: full (+0.00), " in text
    assert repr(found).startswith("<Fit of 5 models\nfull: AIC")
    assert "warning unidentifiable" in repr(found)
    card = found._repr_html_()
    assert "lindyn.Fit" in card
    assert "time_constant" in card


def test_pictures(found, tmp_path):
    figure = found.plot()
    panels = [axes for part in figure.subfigs for axes in part.axes]
    assert len(panels) == 2 + 2
    curves = panels[0].lines
    assert curves[0].get_ydata().tolist() == found.observations[0]["values"].tolist()
    assert curves[1].get_ydata().tolist() == found.full.fitted[0].tolist()
    assert found.plot("shallow").subfigs[0].axes[0].get_title() == "shallow"
    figure.savefig(tmp_path / "fit.png")
    assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


def test_files(found, tmp_path):
    again = lindyn.load(found.save(tmp_path / "fit.npz"))
    assert isinstance(again, lindyn.Fit)
    assert again.table() == found.table()
    assert np.array_equal(again.full.profiles[1].values, found.full.profiles[1].values)
    with pytest.raises(ValueError, match=r"expected \.npz"):
        found.save(tmp_path / "fit.nc")


def test_the_same_from_json_and_by_id(client, job_service, found):
    job = client.jobs()[0]
    with lindyn.Client(job_service.url, answers="json") as other:
        again = other.job(job.id).result()
    assert isinstance(again, lindyn.Fit)
    assert again.table() == client.job(job.id).result().table()
    assert again.full.covariance.shape == (2, 2)


def test_the_asynchronous_client(job_service, client):
    curve = observed(client)

    async def fit() -> lindyn.Fit:
        async with lindyn.AsyncClient(job_service.url) as c:
            job = await c.fit(base=BASE, observations=[curve], free=FREE, starts=2)
            return await job

    assert asyncio.run(fit()).estimates["time_constant"] == pytest.approx(4.0, rel=0.2)


def sent(**fields) -> dict[str, object]:
    """Fields of the request, whose task has no arrays, so that it is sent as JSON."""
    defaults = {"base": PLAIN, "observations": [{"quantity": "loss"}], "free": FREE, "models": (), "starts": 8}
    return json.loads(_endpoints.fit(**{**defaults, **fields}).content)


def test_bounds_are_searched_by_logarithm_where_they_can_be():
    assert sent()["free"] == [
        {"path": "network.lambda", "bounds": [0.01, 10], "scale": "log"},
        {"path": "time_constant", "bounds": [0.5, 50.0], "scale": "log"},
    ]
    free = {"network.lambda": (-1, 1), "time_constant": {"bounds": (1, 2), "per_subject": True}}
    assert sent(free=free)["free"] == [
        {"path": "network.lambda", "bounds": [-1, 1], "scale": "linear"},
        {"path": "time_constant", "bounds": [1, 2], "per_subject": True},
    ]
    written = [{"path": "network.lambda", "bounds": [0, 1]}]
    assert sent(free=written)["free"] == written


def test_ready_made_models():
    rich, lazy, shallow = sent(models=["rich", "lazy", "shallow"])["models"]
    assert rich["set"] == {"network.lambda": 0.0}
    assert lazy["set"] == {"network.lambda": 50.0}
    assert shallow["set"]["network"] == {"kind": "weights", "weights": [[[0.0] * 3] * 3]}
    narrow = {**PLAIN, "network": lindyn.balanced([4, 3, 2], lam=0.0)}
    assert sent(base=narrow, models=["lazy"])["models"][0]["set"] == {"network.lambda": -50.0}
    with pytest.raises(lindyn.ArgumentError, match="did you mean 'lazy'"):
        sent(models=["lasy"])
    with pytest.raises(lindyn.ArgumentError, match="made from a balanced network"):
        sent(base={"network": lindyn.random([2, 2, 2]), "task": np.eye(2)}, models=["rich"])


def test_a_refused_fit_names_the_field(client):
    with pytest.raises(lindyn.RequestError, match=r"observations\.0\.values: got nan at \[1\]"):
        client.fit(base=BASE, observations={"quantity": "loss", "times": [1, 2], "values": [1, np.nan]}, free=FREE)


def test_a_fit_that_fails(client):
    base = {**BASE, "task": np.diag([2.0, 1.0, 0.0])}
    curve = {"quantity": "alignment.input.2", "times": [1.0, 2.0, 3.0], "values": [1.0, 1.0, 1.0]}
    job = client.fit(base=base, observations=curve, free={"time_constant": (1, 2)}, starts=2)
    with pytest.raises(lindyn.JobFailedError, match="no curve exists at any of 2 starts"):
        job.result()
