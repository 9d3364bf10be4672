"""Jobs while what they need is killed: nothing is lost, nothing that was finished is computed again."""

import time

import numpy as np
import psutil
import pytest
from support.dask import DaskCluster
from support.jobs import alone, finished, result, slow_sweep, state, submit, sweep, until
from support.processes import RedisServer, Service, eventually

pytestmark = pytest.mark.live

KEPT_MILLISECONDS = 7 * 86_400_000


def assert_right(client, body, job):
    table = result(client, job)
    losses = np.array(table["data"]["loss"]["values"])
    assert not table["problems"]
    for i, j in ((0, 0), (1, losses.shape[1] // 2), (1, losses.shape[1] - 1)):
        lam, seed = body["axes"][0]["values"][i], body["axes"][1]["values"][j]
        assert np.allclose(losses[i, j], alone(client, body, lam, seed), rtol=1e-13, atol=0)


def stored_points(server: RedisServer) -> dict[bytes, float]:
    """When each stored point was written, by the time that it is still kept."""
    return {
        key: time.monotonic() - (KEPT_MILLISECONDS - server.client.pttl(key)) / 1000 for key in server.keys("point:")
    }


def test_a_killed_service_goes_on_where_it_was():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service:
        body = slow_sweep(seeds=60)
        with service.client() as client:
            job = submit(client, body)
            until(client, job, lambda found: found["completed"] >= 20)
        service.kill()
        before = stored_points(server)
        assert len(before) >= 20
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            assert finished(client, job)["state"] == "done"
            assert_right(client, body, job)
        after = stored_points(server)
        assert len(after) == 120
        assert all(abs(after[key] - written) < 1.0 for key, written in before.items())


def test_the_same_points_are_not_computed_for_another_job():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        body = slow_sweep(seeds=10)
        finished(client, submit(client, body))
        before = stored_points(server)
        longer = slow_sweep(seeds=12)
        job = submit(client, longer)
        assert finished(client, job)["state"] == "done"
        after = stored_points(server)
        assert (len(before), len(after)) == (20, 24)
        assert all(abs(after[key] - written) < 0.5 for key, written in before.items())
        assert_right(client, longer, job)


def test_a_killed_worker_costs_its_points_a_retry():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        body = slow_sweep(seeds=40)
        job = submit(client, body)
        until(client, job, lambda found: found["completed"] > 0)
        for _ in range(2):
            nice = eventually(lambda: [worker for worker in service.workers() if worker.nice() > 0])
            nice[0].kill()
            time.sleep(0.5)
        assert finished(client, job)["state"] == "done"
        assert_right(client, body, job)


def test_a_redis_that_forgets_everything_is_told_again():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        body = slow_sweep(seeds=60)
        job = submit(client, body)
        until(client, job, lambda found: found["completed"] >= 10)
        server.kill()
        assert client.get(f"/v1/jobs/{job}").status_code == 503
        time.sleep(1.0)
        server.start()
        eventually(lambda: client.get(f"/v1/jobs/{job}").status_code == 200)
        assert finished(client, job)["state"] == "done"
        assert_right(client, body, job)


def test_a_service_that_stops_leaves_its_job_to_another():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as other:
        with Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
            body = slow_sweep(seeds=60)
            job = submit(client, body)
            until(client, job, lambda found: found["completed"] >= 10)
        with other.client() as client:
            assert state(client, job)["state"] == "running"
            assert finished(client, job)["state"] == "done"
            assert_right(client, body, job)


def test_a_client_that_leaves_does_not_stop_a_job():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service:
        with service.client() as client:
            job = submit(client, slow_sweep(seeds=10))
            with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
                next(stream.iter_raw())
        with service.client() as client:
            assert finished(client, job)["state"] == "done"


def test_requests_are_answered_before_jobs():
    """Jobs have workers of their own, of lower priority."""
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        submit(client, slow_sweep())
        eventually(lambda: [worker for worker in service.workers() if worker.nice() > 0])
        assert sorted(worker.nice() for worker in service.workers()) == [0, 15]


def test_a_dask_worker_that_dies_costs_its_points_a_retry():
    with RedisServer() as server, Service(redis_url=server.url, dask_local=1) as service, service.client() as client:
        body = slow_sweep(seeds=60)
        job = submit(client, body)
        until(client, job, lambda found: found["completed"] > 0)
        dask = [p for p in service.process.children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
        busiest = max(dask, key=lambda process: process.cpu_times().user)
        busiest.kill()
        assert finished(client, job)["state"] == "done"
        assert_right(client, body, job)


def test_a_job_outlives_its_cluster_and_uses_workers_that_come_later():
    with (
        RedisServer() as server,
        DaskCluster() as cluster,
        Service(redis_url=server.url, dask_scheduler=cluster.address) as service,
        service.client() as client,
    ):
        body = slow_sweep(seeds=100)
        job = submit(client, body)
        until(client, job, lambda found: found["state"] == "running")
        cluster.start_worker()
        until(client, job, lambda found: found["completed"] > 0)
        cluster.kill()
        eventually(lambda: "starting it again" in service.log(), 60)
        seen = state(client, job)
        assert seen["state"] == "running"
        cluster.start_scheduler()
        cluster.start_worker()
        until(client, job, lambda found: found["completed"] > seen["completed"])
        cluster.start_worker()
        assert finished(client, job)["state"] == "done"
        assert cluster.used_workers() == 2
        assert_right(client, body, job)


def test_two_processes_answer_at_one_address_and_are_started_again():
    with RedisServer() as server, Service(tcp=True, redis_url=server.url, processes=2) as service:
        children = eventually(lambda: len(service.process.children()) == 2 and service.process.children())
        with service.client() as client:
            assert finished(client, submit(client, sweep()))["state"] == "done"
        children[0].kill()
        eventually(lambda: "starting another" in service.log())

        def whole_again() -> bool:
            services = [c for c in service.process.children() if c.status() != psutil.STATUS_ZOMBIE]
            return len(services) == 2

        eventually(whole_again)
        with service.client() as client:
            assert client.post("/v1/sweeps", json=sweep()).status_code == 202
        service.process.terminate()
        assert service.process.wait(30) == 0
