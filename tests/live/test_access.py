"""A real service with keys: authentication, scopes, and visibility of jobs."""

from collections.abc import Iterator

import httpx
import pytest
from support.jobs import finished, slow_sweep, submit, sweep
from support.keys import KeysFile, bearer
from support.processes import Service, eventually, trajectory
from support.service import problem


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> KeysFile:
    file = KeysFile(tmp_path_factory.mktemp("keys") / "keys")
    file.add("first")
    return file


@pytest.fixture(scope="module")
def http(keys: KeysFile) -> Iterator[httpx.Client]:
    with Service(tcp=True, embedded_cache=True, api_keys_file=keys.path, job_workers=1) as service:
        with service.client() as client:
            yield client
        log = service.log()
        assert "Traceback" not in log
        assert not [key for key in keys.lines if key in log]


def known(http: httpx.Client, key: str) -> str:
    """Wait until the service has read a new key."""
    eventually(lambda: http.get("/v1/trajectories/0", headers=bearer(key)).status_code != 401)
    return key


def names(http: httpx.Client, key: str) -> list[str]:
    return [job["id"] for job in http.get("/v1/jobs", headers=bearer(key)).json()["jobs"]]


ROUTES = [
    ("POST", "/v1/trajectories"),
    ("GET", f"/v1/trajectories/{'0' * 64}"),
    ("POST", "/v1/initializations"),
    ("POST", "/v1/balance"),
    ("POST", "/v1/balance/statistics"),
    ("POST", "/v1/limits"),
    ("POST", "/v1/continual"),
    ("POST", "/v1/ensembles"),
    ("POST", "/v1/designs"),
    ("POST", "/v1/fits"),
    ("POST", "/v1/sweeps"),
    ("GET", "/v1/experiments"),
    ("POST", "/v1/experiments/figure-4.1"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/0"),
    ("DELETE", "/v1/jobs/0"),
    ("GET", "/v1/jobs/0/result"),
    ("GET", "/v1/jobs/0/events"),
    ("GET", "/v1/jobs/0/figure.svg"),
    ("GET", "/v1/jobs/0/figure.png"),
    ("GET", "/v1/jobs/0/figure.pdf"),
    ("GET", "/v1/jobs/0/figure.json"),
    ("GET", "/v1/nothing"),
    ("TRACE", "/v1/trajectories"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_requests_without_a_key_are_refused(http, method, path):
    response = http.request(method, path)
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == 'Bearer realm="lindyn"'


def test_all_documented_routes_are_tried(http):
    described = http.get("/openapi.json").json()
    needing = {
        (method.upper(), path)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if "security" in operation
    }
    tried = {(method, path.replace("/0/", "/{job_id}/")) for method, path in ROUTES}
    tried = {
        (method, path.replace("figure-4.1", "{name}").replace("jobs/0", "jobs/{job_id}").replace("0" * 64, "{key}"))
        for method, path in tried
    }
    assert needing <= tried
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/about", "/openapi.json"])
def test_public_routes_need_no_key(http, path):
    assert http.get(path).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer lindyn_" + "a" * 43,
        "Bearer password",
        "Basic bGluZHluOmxpbmR5bg==",
        "lindyn_" + "a" * 43,
        "Bearer \xff\xfe",
    ],
)
def test_wrong_keys_are_refused(http, value):
    response = http.get("/v1/jobs", headers=[(b"Authorization", value.encode("latin-1"))])
    problem(response, 401, "unauthorized")
    assert value.partition(" ")[2].strip() == "" or value.partition(" ")[2] not in response.text


def test_scopes_limit_the_routes_of_a_key(http, keys):
    solver, sweeper = keys.add("solver", "solve"), keys.add("sweeper", "jobs")
    known(http, sweeper)
    assert http.post("/v1/trajectories", json=trajectory(), headers=bearer(solver)).status_code == 200
    assert http.get("/v1/jobs", headers=bearer(sweeper)).status_code == 200
    for method, path, key, needed in (
        ("GET", "/v1/jobs", solver, "jobs"),
        ("POST", "/v1/sweeps", solver, "jobs"),
        ("POST", "/v1/trajectories", sweeper, "solve"),
    ):
        response = http.request(method, path, headers=bearer(key))
        assert needed in problem(response, 403, "forbidden")["detail"]
        challenge = response.headers["www-authenticate"]
        assert challenge == f'Bearer realm="lindyn", error="insufficient_scope", scope="{needed}"'


def test_keys_are_replaced_while_the_service_runs(http, keys):
    old = known(http, keys.add("ada"))
    job = submit_as(http, old, sweep(seeds=1))
    new = known(http, keys.add("ada"))
    assert job in names(http, old)
    keys.remove(old)
    eventually(lambda: http.get("/v1/jobs", headers=bearer(old)).status_code == 401)
    assert job in names(http, new)


def submit_as(http: httpx.Client, key: str, body: dict) -> str:
    response = http.post("/v1/sweeps", json=body, headers=bearer(key))
    assert response.status_code == 202, response.text
    return response.json()["id"]


def test_jobs_are_visible_to_their_owner_only(http, keys):
    ada, bob = keys.add("ada-of-jobs"), keys.add("bob-of-jobs")
    known(http, bob)
    job = submit_as(http, ada, sweep(seeds=1))
    assert http.get(f"/v1/jobs/{job}", headers=bearer(ada)).json()["owner"] == "ada-of-jobs"
    eventually(lambda: http.get(f"/v1/jobs/{job}", headers=bearer(ada)).json()["state"] == "done")
    for path in ("", "/result", "/events", "/figure.svg", "/figure.png", "/figure.pdf", "/figure.json"):
        missing = problem(http.get(f"/v1/jobs/{job}{path}", headers=bearer(bob)), 404, "not-found")
        other = problem(http.get(f"/v1/jobs/{'0' * 32}{path}", headers=bearer(bob)), 404, "not-found")
        assert missing["detail"].replace(job, "") == other["detail"].replace("0" * 32, "")
    long = submit_as(http, ada, slow_sweep())
    problem(http.delete(f"/v1/jobs/{long}", headers=bearer(bob)), 404, "not-found")
    assert http.get(f"/v1/jobs/{long}", headers=bearer(ada)).json()["state"] in ("queued", "running")
    assert names(http, ada) == [long, job]
    assert names(http, bob) == []
    assert http.get(f"/v1/jobs/{job}/result", headers=bearer(ada)).status_code == 200
    assert http.delete(f"/v1/jobs/{long}", headers=bearer(ada)).status_code == 200


def test_an_open_service_refuses_foreign_host_names():
    with Service(tcp=True) as service, service.client() as client:
        assert client.get("/v1/experiments").status_code == 200
        assert client.get("/v1/experiments", headers={"Host": "localhost"}).status_code == 200
        problem(client.get("/v1/experiments", headers={"Host": "evil.example"}), 403, "forbidden")
        foreign = {"Sec-Fetch-Site": "cross-site"}
        problem(client.post("/v1/experiments/figure-4.1", headers=foreign), 403, "forbidden")


def test_an_open_service_keeps_jobs_without_an_owner():
    with Service(embedded_cache=True, job_workers=1) as service, service.client() as client:
        job = submit(client, sweep(seeds=1))
        assert finished(client, job)["owner"] is None
        assert [each["id"] for each in client.get("/v1/jobs").json()["jobs"]] == [job]
        # ids are random; names of other things that are kept are none
        problem(client.get("/v1/jobs/active"), 404, "not-found")
