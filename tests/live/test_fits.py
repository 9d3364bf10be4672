"""Fits through a real service: results in both formats, cancellation, workers and services that are killed."""

import io
import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from support.documents import put
from support.fits import drawn, fitted, loss, request, three_parameters
from support.holding import held_midway, job_workers, jobs_held
from support.jobs import finished, result, submit, until
from support.processes import RedisServer, Service, eventually
from support.service import problem

FITS = "/v1/fits"
TIMES = np.linspace(0.25, 10.0, 30)
VALUES = 3.0 * np.exp(-0.5 * TIMES) + 0.05 * np.cos(40 * TIMES)
FREE = [{"path": "time_constant", "bounds": [0.1, 10.0], "scale": "log"}]
MODELS = [{"name": "lazy", "set": {"network.lambda": 50.0}}]


def small(**changes):
    """A fit that takes a fraction of a second."""
    body = request(TIMES, VALUES, FREE, 0.05, starts=2, models=MODELS, **changes)
    body["base"]["network"] |= {"lambda": 1.0, "scale": 0.3}
    return body


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[Service]:
    with Service(redis_url=redis_server.url, job_workers=1) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def test_a_fit_is_what_it_is_alone(client):
    job = submit(client, small(), FITS)
    done = finished(client, job)
    assert (done["state"], done["kind"], done["completed"], done["problem"]) == ("done", "fit", done["total"], None)
    found = result(client, job)
    assert {**found, "job": "job"} == fitted(small())
    assert [model["name"] for model in found["models"]] == ["full", "lazy"]
    assert (
        client.get(f"/v1/jobs/{job}/figure.svg")
        .json()["detail"]
        .endswith("is a fit, which has no figure; get its result")
    )


def test_archive_holds_the_same(client):
    job = submit(client, small(), FITS)
    finished(client, job)
    response = client.get(f"/v1/jobs/{job}/result", headers={"Accept": "application/x-npz"})
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        metadata = json.loads(str(archive["metadata"]))
        model = result(client, job)["models"][0]
        assert archive["models.0.fitted.0"].tolist() == model["fitted"][0]
        assert archive["models.0.profiles.0.values"].tolist() == model["profiles"][0]["values"]
    assert metadata["models"][0]["estimates"] == model["estimates"]


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("observations.0.values", [float("nan")] * 30, "observations.0.values", "leave out the times"),
        ("observations.0.sigma", 0, "observations.0.sigma", "more than 0"),
        ("observations.0.quantity", "output", "observations.0.quantity", "such as output.0.0"),
        ("free.0.bounds", [5.0, 1.0], "free.0.bounds", "less than the second"),
        ("free.0.start", 50.0, "free.0.start", "outside the bounds"),
        ("free.0.path", "network.nothing", "free.0.path", "is not a field"),
        ("free.0.path", "network.seed", "free.0.path", "no number that can vary"),
        ("free", [], "free", "at least 1"),
        ("more", 1, "more", "unknown"),
    ],
    ids=str,
)
def test_bad_fits_say_where(client, path, value, where, text):
    content = json.dumps(put(small(), path, value))
    response = client.post(FITS, content=content, headers={"Content-Type": "application/json"})
    body = problem(response, 422, "invalid-request")
    assert body["errors"][0]["path"] == where
    assert text in body["errors"][0]["detail"]


def test_a_fit_that_fails_tells_how_far_it_came(client):
    """The alignment of a mode that the task does not have is not defined."""
    body = small()
    body["base"]["task"] = np.diag([2.0, 1.0, 0.0]).tolist()
    body["observations"][0]["quantity"] = "alignment.input.2"
    failed = finished(client, submit(client, body, FITS))
    assert failed["state"] == "failed"
    assert failed["problem"]["code"] == "not-applicable"
    assert "no curve exists at any of 2 starts, the first of which is time_constant = 1" in failed["problem"]["detail"]


def test_cancelling_does_not_wait_for_the_work(client, service):
    with jobs_held(service, client):
        job = submit(client, request(TIMES, VALUES, three_parameters(), 0.05), FITS)
        until(client, job, lambda found: found["state"] == "running")
        busy = job_workers(service)
        assert client.delete(f"/v1/jobs/{job}").status_code == 200
        assert finished(client, job)["state"] == "cancelled"
        eventually(lambda: not set(busy) & set(service.workers()))


def test_a_killed_worker_or_service_loses_nothing_but_time():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service:
        body = request(TIMES, loss(drawn(), TIMES, 0.6, 0.2, 1.5), three_parameters(), 0.05, starts=4)
        with service.client() as client:
            job = submit(client, body, FITS)
            with held_midway(lambda: job_workers(service), server, client, job, points=1):
                (worker,) = job_workers(service)
                worker.kill()
            eventually(lambda: worker not in service.workers())
            with held_midway(lambda: job_workers(service), server, client, job, points=3):
                before = {key: server.client.pexpiretime(key) for key in server.keys("record:")}
                service.kill()
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            assert finished(client, job)["state"] == "done"
            found = result(client, job)
        after = {key: server.client.pexpiretime(key) for key in server.keys("record:")}
    assert before.items() <= after.items()
    assert len(before) >= 3
    (model,) = found["models"]
    for path, truth in (("network.lambda", 0.6), ("network.scale", 0.2), ("time_constant", 1.5)):
        assert model["estimates"][path] == pytest.approx(truth, rel=1e-6)
