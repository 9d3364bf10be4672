"""Metrics and log lines against the requests that a real service has answered."""

import json
import signal
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.holding import held
from support.jobs import finished, submit, sweep
from support.keys import KeysFile, bearer
from support.processes import RedisServer, Service, eventually, trajectory
from support.service import problem


def scrape(client, **headers) -> dict[tuple, float]:
    """Samples by name and labels."""
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def count(client, *names: str) -> float:
    return scrape(client).get((names[0], *sorted(names[1:])), 0.0)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service(embedded_cache=True, log_format="json", job_workers=1) as service:
        yield service


def lines(service: Service, path: str) -> list[dict]:
    """Log lines about a path; every line is JSON."""
    found = [json.loads(line) for line in service.log().splitlines()]
    return [line for line in found if line.get("path") == path]


def test_a_request_is_counted_and_logged(service):
    document = trajectory(seed=11)
    with service.client() as client:
        for i in range(3):
            client.post("/v1/trajectories", json=document, headers={"X-Request-ID": f"mine-{i}"})
        problem(client.post("/v1/trajectories", json={}), 422, "invalid-request")
        problem(client.get("/nothing/at/all"), 404, "not-found")
        found = scrape(client)
    requests = "lindyn_request_seconds_count"
    assert found[(requests, *sorted(("/v1/trajectories", "POST", "200")))] == 3
    assert found[(requests, *sorted(("/v1/trajectories", "POST", "422")))] == 1
    assert found[(requests, *sorted(("none", "GET", "404")))] == 1
    assert found[("lindyn_answers_total", *sorted(("trajectories", "miss", "exact")))] == 1
    assert found[("lindyn_answers_total", *sorted(("trajectories", "hit", "exact")))] == 2
    assert found[("lindyn_stage_seconds_count", "read")] == 3
    assert found[("lindyn_stage_seconds_count", "compute")] == 1
    assert found[("lindyn_stage_seconds_count", "queue")] == 1
    assert found[("lindyn_stage_seconds_count", "lookup")] == 1
    assert found[("process_open_fds",)] > 0
    eventually(lambda: len(lines(service, "/v1/trajectories")) >= 4)
    miss, hit, _, invalid = lines(service, "/v1/trajectories")[:4]
    assert (miss["id"], miss["cache"], miss["solver"], miss["status"]) == ("mine-0", "miss", "exact", 200)
    assert (hit["id"], hit["cache"], hit["solver"]) == ("mine-1", "hit", "exact")
    assert miss["flops"] == hit["flops"] > 0
    assert 0 < miss["answer_ms"] <= miss["ms"]
    assert miss["route"] == "/v1/trajectories"
    assert miss["level"] == "INFO"
    assert (invalid["status"], "cache" in invalid) == (422, False)


def test_a_worker_that_dies_is_counted(service):
    with service.client() as client:
        before = scrape(client)
        (worker,) = service.workers()
        with held(service, trajectory(seed=12)) as answer:
            eventually(lambda: count(client, "lindyn_computations", "running") == 1)
            worker.kill()
        assert answer.result().status_code == 200
        for name in ("lindyn_worker_crashes_total", "lindyn_workers_ended_total"):
            eventually(lambda name=name: count(client, name) == before[(name,)] + 1)
        eventually(lambda: count(client, "lindyn_workers") == 1)


def test_jobs_and_the_cache(service):
    with service.client() as client:
        done = count(client, "lindyn_jobs_ended", "done")
        finished(client, submit(client, sweep(seeds=1)))
        eventually(lambda: count(client, "lindyn_jobs_ended", "done") == done + 1)
        assert count(client, "lindyn_shared_cache_up") == 1
        service.valkey().send_signal(signal.SIGKILL)
        service.post(trajectory(seed=13))
        eventually(lambda: count(client, "lindyn_shared_cache_up") == 0)


def test_each_request_has_one_log_line_for_any_path(service):
    with service.client() as client:
        answer = client.get("/a%0Ab%22,%22level%22:%22x", headers={"X-Request-ID": "x status=200 caller=ada"})
    (line,) = eventually(lambda: lines(service, "/a%0Ab%22%2C%22level%22%3A%22x"))
    assert line["status"] == 404
    assert line["id"] == answer.headers["x-request-id"]
    assert line["id"].isalnum()


def test_metrics_of_several_processes_are_summed_also_after_one_dies():
    with (
        RedisServer() as redis,
        Service(tcp=True, redis_url=redis.url, processes=2, stop_with_stdin=True) as service,
    ):

        def ask() -> None:
            with service.client() as client:  # a connection of its own, so any of the two
                assert client.get("/v1/about").status_code == 200

        def asked() -> float:
            with service.client() as client:
                return count(client, "lindyn_request_seconds_count", "/v1/about", "GET", "200")

        eventually(lambda: _answers(service))
        for _ in range(20):
            ask()
        assert asked() == 20
        victim = next(child for child in service.process.children() if "lindyn_service" in " ".join(child.cmdline()))
        victim.kill()
        eventually(lambda: "restarting it" in service.log())
        eventually(lambda: service.log().count("Application startup complete") == 3)
        for _ in range(20):
            ask()
        assert asked() == 40


def _answers(service: Service) -> bool:
    return service.log().count("Application startup complete") == 2


def test_metrics_need_their_scope(tmp_path):
    keys = KeysFile(tmp_path / "keys")
    solver, prometheus = keys.add("ada"), keys.add("prometheus", "metrics")
    with Service(api_keys_file=keys.path) as service, service.client() as client:
        problem(client.get("/metrics"), 401, "unauthorized")
        problem(client.get("/metrics", headers=bearer(solver)), 403, "forbidden")
        assert scrape(client, **bearer(prometheus))
        problem(client.post("/v1/trajectories", headers=bearer(prometheus)), 403, "forbidden")
