"""Jobs through a real service: results, progress, cancellation, bad input."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from support.holding import held_midway, job_workers, jobs_held
from support.jobs import alone, finished, result, slow_sweep, state, submit, sweep, until
from support.processes import RedisServer, Service, eventually


@pytest.fixture(scope="module")
def service(redis_server: RedisServer) -> Iterator[Service]:
    with Service(redis_url=redis_server.url, job_workers=1) as service:
        yield service


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


def test_points_are_the_answers_to_single_requests(client):
    body = sweep(collect=("final_loss", "loss"))
    job = submit(client, body)
    done = finished(client, job)
    assert (done["state"], done["completed"], done["total"], done["problem"]) == ("done", 12, 12, None)
    assert done["created"] <= done["started"] <= done["finished"]
    table = result(client, job)
    assert table["data"]["final_loss"]["dims"] == ["network.lambda", "network.seed"]
    assert table["data"]["loss"]["dims"] == ["network.lambda", "network.seed", "time"]
    assert table["coordinates"] == {
        "network.lambda": [-1.0, 0.0, 2.0],
        "network.seed": [0.0, 1.0, 2.0, 3.0],
        "time": np.linspace(0, 3, 5).tolist(),
    }
    losses, last = (np.array(table["data"][name]["values"]) for name in ("loss", "final_loss"))
    for i, lam in enumerate((-1.0, 0.0, 2.0)):
        for seed in range(4):
            expected = alone(client, body, lam, seed)
            assert np.allclose(losses[i, seed], expected, rtol=1e-13, atol=0)
            assert np.isclose(last[i, seed], expected[-1], rtol=1e-13, atol=0)


def test_json_and_npz_have_the_same_result(client):
    job = submit(client, sweep(collect=("loss",)))
    finished(client, job)
    response = client.get(f"/v1/jobs/{job}/result", headers={"Accept": "application/x-npz"})
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        metadata = json.loads(str(archive["metadata"]))
        assert np.array_equal(archive["data.loss"], np.array(result(client, job)["data"]["loss"]["values"]))
        assert archive["coordinates.network.lambda"].tolist() == [-1.0, 0.0, 2.0]
    assert metadata["dims"]["loss"] == ["network.lambda", "network.seed", "time"]
    assert metadata["request"]["collect"] == ["loss"]


def test_infeasible_points_are_reported_and_others_computed(client):
    body = sweep(lams=(-2.0, 1.0))
    body["base"]["network"]["dims"] = [2, 3, 3]  # lambda < 0 needs hidden <= in
    job = submit(client, body)
    assert finished(client, job)["state"] == "done"
    table = result(client, job)
    assert [problem["index"] for problem in table["problems"]] == [[0, 0], [0, 1], [0, 2], [0, 3]]
    assert {problem["code"] for problem in table["problems"]} == {"infeasible-balance"}
    assert table["data"]["final_loss"]["values"][0] == [None] * 4
    assert None not in table["data"]["final_loss"]["values"][1]


def test_omitted_seeds_are_drawn_and_returned(client):
    body = sweep(seeds=2)
    del body["base"]["task"]["seed"]
    job = submit(client, body)
    finished(client, job)
    table = result(client, job)
    again = submit(client, {**body, "base": table["request"]["base"]})
    finished(client, again)
    assert result(client, again)["data"] == table["data"]
    assert isinstance(table["request"]["base"]["task"]["seed"], int)


def events_of(client, job, heard: list[dict], **headers) -> list[dict]:
    """Read events to the end; `heard` has them as they arrive."""
    fields = {}
    with client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif not line and fields:
                heard.append({"event": fields["event"], "id": int(fields["id"]), "job": json.loads(fields["data"])})
                fields = {}
    return heard


def test_events_report_progress_and_can_be_resumed(client, service, redis_server):
    """One reports no points, one some of them, and the last one all."""
    known, heard = len(redis_server.keys("record:")), []
    with ThreadPoolExecutor(1) as thread:
        with jobs_held(service, client):
            job = submit(client, slow_sweep(seeds=30))
            listening = thread.submit(events_of, client, job, heard)
            eventually(lambda: [event["id"] for event in heard] == [0])
        with held_midway(lambda: job_workers(service), redis_server, client, job, known + 13):
            eventually(lambda: 0 < heard[-1]["id"] < 60)
        events = listening.result()
    assert [event["event"] for event in events[:-1]] == ["progress"] * (len(events) - 1)
    assert events[-1]["event"] == events[-1]["job"]["state"] == "done"
    ids = [event["id"] for event in events]
    assert ids == sorted(ids)
    assert ids[-1] == 60
    later = events_of(client, job, [], **{"Last-Event-ID": str(ids[1])})
    assert [event["event"] for event in later] == ["done"]


@pytest.mark.parametrize("last", ["9" * 5_000, "9" * 15, "-1", "1e3", "\xb2", "x", ""])
def test_any_last_event_id_is_accepted(client, last):
    job = submit(client, sweep(seeds=1))
    finished(client, job)
    assert [e["event"] for e in events_of(client, job, [], **{"Last-Event-ID": last.encode("latin-1")})] == ["done"]


def test_cancelling_does_not_wait_for_the_work(client, service):
    """It would not end before the block does."""
    with jobs_held(service, client):
        job = submit(client, slow_sweep())
        until(client, job, lambda found: found["state"] == "running")
        busy = job_workers(service)
        assert busy
        assert client.delete(f"/v1/jobs/{job}").status_code == 200
        assert finished(client, job)["state"] == "cancelled"
        eventually(lambda: not set(busy) & set(service.workers()))
    assert client.delete(f"/v1/jobs/{job}").json()["state"] == "cancelled"
    refused = client.get(f"/v1/jobs/{job}/result")
    assert (refused.status_code, refused.json()["code"]) == (409, "not-done")


def test_a_short_job_does_not_wait_for_a_long_one(client):
    long = submit(client, slow_sweep())
    until(client, long, lambda found: found["completed"] > 0)
    short = submit(client, sweep(lams=(0.25,)))
    assert finished(client, short)["state"] == "done"
    assert state(client, long)["state"] == "running"
    listed = [job["id"] for job in client.get("/v1/jobs").json()["jobs"]]
    assert listed[:2] == [short, long]
    client.delete(f"/v1/jobs/{long}")
    assert finished(client, long)["state"] == "cancelled"


def test_experiments_are_listed_run_and_drawn(client):
    listed = {each["name"]: each for each in client.get("/v1/experiments").json()["experiments"]}
    expected = ["figure-3.1", "figure-3.2", "figure-3.3", "figure-3.4", "figure-3.5", "figure-3.6"]
    expected += [f"figure-4.{i}" for i in range(1, 9)]
    assert set(expected) <= set(listed)
    job = submit(client, {}, "/v1/experiments/figure-4.1")
    assert finished(client, job)["state"] == "done"
    table = result(client, job)
    strengths = [value for data in table["data"].values() for value in np.ravel(data["values"]).tolist()]
    assert any(np.isclose(value, 2 * np.sqrt(2)) for value in strengths)
    assert client.get(f"/v1/jobs/{job}/figure.png").content.startswith(b"\x89PNG")
    picture = client.get(f"/v1/jobs/{job}/figure.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in picture.content
    assert client.post("/v1/experiments/figure-4.1").status_code == 202  # without any body


@pytest.mark.parametrize(
    ("change", "status", "path", "text"),
    [
        ({"axes": [{"path": "network.depth", "values": [1]}]}, 422, "axes.0.path", "not a field"),
        ({"axes": [{"path": "network.lambda.x", "values": [1]}]}, 422, "axes.0.path", "no parts"),
        ({"axes": [{"path": "nowhere.at.all", "values": [1]}]}, 422, "axes.0.path", "does not exist"),
        ({"axes": [{"path": "network.dims.7", "values": [1]}]}, 422, "axes.0.path", "list of 3"),
        ({"axes": [{"path": "time_constant.x.y", "values": [1]}]}, 422, "axes.0.path", "time_constant"),
        ({"axes": [{"path": "network.lambda", "values": [1, "x"]}]}, 422, "axes.0.values.1", "number"),
        ({"axes": [{"path": "network.lambda", "values": []}]}, 422, "axes.0.values", "at least 1"),
        ({"axes": []}, 422, "axes", "at least 1"),
        (
            {"axes": [{"path": "network", "values": [{}]}, {"path": "network.seed", "values": [1]}]},
            422,
            "axes",
            "overlaps",
        ),
        ({"collect": ["accuracy"]}, 422, "collect.0", "accuracy"),
        ({"collect": []}, 422, "collect", "at least 1"),
        ({"base": {}}, 422, "axes.0.path", "does not exist"),
        ({"more": 1}, 422, "more", "unknown"),
    ],
    ids=str,
)
def test_invalid_sweeps_have_paths(client, change, status, path, text):
    body = {**sweep(lams=(1.0,), seeds=1), **change}
    if "axes" in change and change["axes"] and change["axes"][0]["path"] != "network.lambda":
        body["base"]["network"]["lambda"] = 1.0
    response = client.post("/v1/sweeps", json=body)
    problem = response.json()
    assert response.status_code == status, problem
    assert problem["errors"][0]["path"] == path, problem
    assert text in problem["errors"][0]["detail"], problem


@pytest.mark.parametrize(
    ("lams", "seeds", "changes", "text"),
    [
        (range(400), 400, {}, "160000 points, the limit is 100000"),
        ((1.0,), 1, {"num": 20_000, "n": 8, "collect": ("output",)}, "numbers, the limit is"),
        (range(50), 2000, {"num": 2000, "collect": ("loss",)}, "bytes, the limit is"),
        ((1.0,), 1, {"num": 1_000, "n": 2000, "collect": ("loss",)}, "floating-point operations"),
    ],
)
def test_sweeps_that_are_too_large_name_the_limit(client, lams, seeds, changes, text):
    response = client.post("/v1/sweeps", json=sweep(lams=[float(lam) for lam in lams], seeds=seeds, **changes))
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "too-large"), problem
    assert text in problem["detail"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"nothing": 1}, "unknown"),
        ({"seed": "x"}, "expected an integer"),
        ({"seed": [1]}, "expected a number"),
        ({"seed": 0.5}, "integer"),
        ({"seed": -1}, "expected 0 to"),
        ({"seed": True}, "expected an integer"),
    ],
)
def test_errors_of_parameters_name_the_allowed_values(client, parameters, text):
    response = client.post("/v1/experiments/figure-3.2", json={"parameters": parameters})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid-request")
    assert problem["errors"][0]["path"] == f"parameters.{next(iter(parameters))}"
    assert text in problem["errors"][0]["detail"]


def test_unknown_jobs_and_experiments(client):
    for method, path in (
        ("POST", "/v1/experiments/figure-9.9"),
        ("GET", "/v1/jobs/0123456789abcdef"),
        ("GET", "/v1/jobs/x*y"),
        ("DELETE", "/v1/jobs/0123456789abcdef"),
        ("GET", "/v1/jobs/0123456789abcdef/events"),
    ):
        response = client.request(method, path)
        assert (response.status_code, response.json()["code"]) == (404, "not-found"), path
    job = submit(client, sweep(lams=(0.0,), seeds=1))
    finished(client, job)
    assert client.get(f"/v1/jobs/{job}/figure.png").status_code == 404


def test_mistyped_names_of_jobs(client):
    """An experiment, its parameter, an axis, and a collected value: the nearest name of each, reported once."""
    experiment = client.post("/v1/experiments/figure-31", json={})
    assert experiment.status_code == 404
    detail = experiment.json()["detail"]
    assert detail.startswith("no experiment is called 'figure-31', did you mean 'figure-3.1'? There are 'figure-3.1', ")
    for path, body, where, name, near in (
        ("experiments/figure-3.2", {"parameters": {"trial": 3}}, "parameters.trial", "trial", "trials"),
        ("sweeps", sweep(lams=(0.0,), seeds=1, collect=("finl_loss",)), "collect.0", "finl_loss", "final_loss"),
        (
            "sweeps",
            sweep(lams=(0.0,), seeds=1) | {"axes": [{"path": "network.lamda", "values": [1.0]}]},
            "axes.0.path",
            "network.lamda",
            "lambda",
        ),
    ):
        response = client.post(f"/v1/{path}", json=body)
        assert response.status_code == 422
        errors = {error["path"]: error["detail"] for error in response.json()["errors"]}
        assert f"did you mean '{near}'? Allowed are " in errors[where], name
        assert response.text.count(f"did you mean '{near}'") == 1


def test_without_redis_there_are_no_jobs():
    with Service() as service, service.client() as client:
        response = client.post("/v1/sweeps", json=sweep())
        assert (response.status_code, response.json()["code"]) == (503, "jobs-unavailable")
        assert int(response.headers["retry-after"]) > 0


def test_jobs_over_the_limit_are_refused(redis_server):
    with (
        Service(redis_url=f"{redis_server.url}?db=1", max_jobs=1, job_workers=1) as service,
        service.client() as client,
    ):
        job = submit(client, slow_sweep())
        refused = client.post("/v1/sweeps", json=sweep())
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        client.delete(f"/v1/jobs/{job}")
        finished(client, job)
        assert finished(client, submit(client, sweep()))["state"] == "done"
