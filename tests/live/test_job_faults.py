"""Jobs while processes are killed: nothing is lost, and no finished point is computed again."""

import signal

import numpy as np
import psutil
from support.dask import DaskCluster
from support.holding import held_midway, job_workers
from support.jobs import alone, finished, result, slow_sweep, state, submit, sweep, until
from support.processes import PATIENCE_SECONDS, RedisServer, Service, eventually, has_ended


def assert_right(client, body, job):
    table = result(client, job)
    losses = np.array(table["data"]["loss"]["values"])
    assert not table["problems"]
    for i, j in ((0, 0), (1, losses.shape[1] // 2), (1, losses.shape[1] - 1)):
        lam, seed = body["axes"][0]["values"][i], body["axes"][1]["values"][j]
        assert np.allclose(losses[i, j], alone(client, body, lam, seed), rtol=1e-13, atol=0)


def stored_points(server: RedisServer) -> dict[bytes, int]:
    """Expiry of each stored point, which would change if the point was written again."""
    return {key: server.client.pexpiretime(key) for key in server.keys("record:")}


def test_a_killed_service_resumes_its_jobs():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service:
        body = slow_sweep(seeds=60)
        with service.client() as client:
            job = submit(client, body)
            with held_midway(lambda: job_workers(service), server, client, job, points=20):
                before = stored_points(server)
                service.kill()
        assert 20 <= len(before) < 120
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            assert finished(client, job)["state"] == "done"
            assert_right(client, body, job)
        after = stored_points(server)
        assert len(after) == 120
        assert before.items() <= after.items()


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
        assert before.items() <= after.items()
        assert_right(client, longer, job)


def test_points_of_a_killed_worker_are_retried():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        body = slow_sweep(seeds=60)
        job = submit(client, body)
        while service.log().count("died while it ran") < 2:
            points = len(server.keys("record:")) + 1
            with held_midway(lambda: job_workers(service), server, client, job, points):
                (worker,) = job_workers(service)
                worker.kill()
            eventually(lambda worker=worker: worker not in service.workers())
        assert finished(client, job)["state"] == "done"
        assert_right(client, body, job)


def test_jobs_survive_the_loss_of_all_data_in_redis():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        body = slow_sweep(seeds=60)
        job = submit(client, body)
        with held_midway(lambda: job_workers(service), server, client, job, points=10):
            server.kill()
        assert client.get(f"/v1/jobs/{job}").status_code == 503
        eventually(lambda: "the job store does not answer" in service.log())
        server.start()
        eventually(lambda: client.get(f"/v1/jobs/{job}").status_code == 200)
        assert finished(client, job)["state"] == "done"
        assert_right(client, body, job)


def test_another_service_takes_over_the_job_of_a_stopped_one():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as other:
        with Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
            body = slow_sweep(seeds=60)
            job = submit(client, body)
            with held_midway(lambda: job_workers(service) or job_workers(other), server, client, job, points=10):
                assert job_workers(service)
                service.stop()
        with other.client() as client:
            assert finished(client, job)["state"] == "done"
            assert_right(client, body, job)


def test_a_client_that_disconnects_does_not_stop_a_job():
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


def dask_workers(service: Service) -> list[psutil.Process]:
    return [p for p in service.process.children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]


def test_points_of_a_dead_dask_worker_are_retried():
    with RedisServer() as server, Service(redis_url=server.url, dask_local=1) as service, service.client() as client:
        body = slow_sweep(seeds=60)
        job = submit(client, body)
        with held_midway(lambda: dask_workers(service), server, client, job, points=10):
            for worker in dask_workers(service):
                worker.kill()
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
        with held_midway(lambda: cluster.workers, server, client, job, points=1):
            cluster.kill()
        eventually(lambda: "restarting it" in service.log())
        assert state(client, job)["state"] == "running"
        cluster.start_scheduler()
        with cluster.watched() as worked:
            cluster.start_worker()
            with held_midway(lambda: cluster.workers, server, client, job, len(server.keys("record:")) + 1):
                cluster.start_worker()
                eventually(lambda: len(worked()) == 2)
        assert finished(client, job)["state"] == "done"
        assert_right(client, body, job)


def test_two_processes_share_an_address_and_are_restarted():
    with RedisServer() as server, Service(tcp=True, redis_url=server.url, processes=2) as service:
        children = eventually(lambda: len(service.process.children()) == 2 and service.process.children())
        with service.client() as client:
            assert finished(client, submit(client, sweep()))["state"] == "done"
        children[0].kill()
        eventually(lambda: "restarting it" in service.log())

        def whole_again() -> bool:
            services = [c for c in service.process.children() if c.status() != psutil.STATUS_ZOMBIE]
            return len(services) == 2

        eventually(whole_again)
        with service.client() as client:
            assert client.post("/v1/sweeps", json=sweep()).status_code == 202
        service.process.terminate()
        assert service.process.wait(PATIENCE_SECONDS) == 0


def test_a_frozen_process_does_not_prevent_the_others_from_ending():
    with RedisServer() as server, Service(tcp=True, redis_url=server.url, processes=2, grace_seconds=0) as service:
        eventually(lambda: service.readiness()["ready"])
        both = eventually(lambda: [each for each in service.process.children() if each.children()])
        frozen = both[0]  # it has workers, so it would end at a signal if it were not frozen
        frozen.suspend()
        service.signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE_SECONDS) == 0
        assert has_ended(frozen)
        assert "did not end within 6 s; killing it" in service.log()
