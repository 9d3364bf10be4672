"""Jobs over their limits, and owners over their share, in a real service."""

import io

import numpy as np
from support.holding import Posted, jobs_held, suspended
from support.jobs import finished, result, slow_sweep, state, submit, sweep, until
from support.keys import KeysFile, bearer
from support.processes import RedisServer, Service, eventually, trajectory

RAGGED = {
    "base": {
        "network": {"kind": "random", "dims": [2, 2, 2], "scheme": "he", "seed": 1},
        "task": {"kind": "regression", "samples": 4, "seed": 1},
        "times": {"stop": 1.0, "num": 1},
    },
    "axes": [
        {"path": "network.dims", "values": [[2, 2, 300], [300, 2, 2]]},
        {"path": "times.num", "values": [1, 100]},
    ],
    "collect": ["output"],
}


def test_a_result_larger_than_its_points_fails_only_its_job():
    """No point has more than 6e4 numbers; the rectangle around all of them has 3.6e7."""
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        ended = finished(client, submit(client, RAGGED))
        assert (ended["state"], ended["problem"]["code"]) == ("failed", "too-large")
        assert "LINDYN_MAX_RESULT_BYTES" in ended["problem"]["detail"]
        assert not server.keys(f"{ended['id']}:")
        assert finished(client, submit(client, sweep()))["state"] == "done"


def test_large_results_are_files_and_the_same_numbers():
    body = sweep(lams=(0.5, 1.0), seeds=40, num=400, collect=("loss",))
    with RedisServer() as server:
        with Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
            job = submit(client, body)
            assert finished(client, job)["state"] == "done"
            expected = result(client, job)
            assert len(server.keys(f"{job}:result")) == 1
        with (
            Service(redis_url=server.url, job_workers=1, cache_value_bytes=2**14) as service,
            service.client() as client,
        ):
            job = submit(client, body)
            assert finished(client, job)["state"] == "done"
            assert not server.keys(f"{job}:")
            for _ in range(2):
                assert result(client, job)["data"] == expected["data"]
            archive = client.get(f"/v1/jobs/{job}/result", headers={"Accept": "application/x-npz"})
            with np.load(io.BytesIO(archive.content), allow_pickle=False) as arrays:
                assert arrays["data.loss"].tolist() == expected["data"]["loss"]["values"]
            assert int(archive.headers["content-length"]) == len(archive.content)


def test_a_full_redis_fails_jobs_and_accepts_cancellation():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        with jobs_held(service, client):
            jobs = [submit(client, sweep(lams=(0.5,), seeds=2)) for _ in range(2)]
            until(client, jobs[0], lambda found: found["state"] == "running")
            server.client.config_set("maxmemory", 1)
            refused = client.post("/v1/sweeps", json=sweep())
            assert (refused.status_code, refused.json()["code"]) == (507, "no-room")
            assert client.delete(f"/v1/jobs/{jobs[1]}").status_code == 200
            assert finished(client, jobs[1])["state"] == "cancelled"
        ended = finished(client, jobs[0])
        assert (ended["state"], ended["problem"]["code"]) == ("failed", "no-room")


def test_work_of_a_job_is_bounded_by_default():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        dear = sweep(lams=(0.5,), seeds=100_000, n=500, num=1000)
        refused = client.post("/v1/sweeps", json=dear)
        assert (refused.status_code, refused.json()["code"]) == (422, "too-large")
        assert "LINDYN_MAX_JOB_FLOPS" in refused.json()["detail"]


def test_four_large_sweeps_of_one_key_do_not_delay_another_key(tmp_path):
    keys = KeysFile(tmp_path / "keys")
    ada, bob = keys.add("ada"), keys.add("bob")
    with (
        Service(api_keys_file=keys.path, embedded_cache=True, job_workers=1) as service,
        service.client(headers=bearer(ada)) as hers,
        service.client(headers=bearer(bob)) as his,
    ):
        large = [submit(hers, slow_sweep(seeds=2000 + i)) for i in range(5)]
        for job in large[:4]:
            until(hers, job, lambda found: found["state"] == "running")
        assert finished(his, submit(his, sweep(lams=(0.25,))))["state"] == "done"
        assert [state(hers, job)["state"] for job in large] == ["running"] * 4 + ["queued"]
        for job in large:
            hers.delete(f"/v1/jobs/{job}")


def test_invalid_entries_in_redis_are_removed_and_jobs_continue():
    with RedisServer() as server, Service(redis_url=server.url, job_workers=1) as service, service.client() as client:
        server.client.sadd("lindyn:jobs:active", b"\xff")
        server.client.set("lindyn:jobs:ended", "x")
        server.client.zadd("lindyn:jobs", {b"\xff": -1.0})
        eventually(lambda: "removing members of lindyn:jobs:active" in service.log())
        eventually(lambda: "deleting lindyn:jobs:ended" in service.log())
        assert finished(client, submit(client, sweep()))["state"] == "done"
        assert service.post(trajectory()).status_code == 200
        assert (service.get("/healthz").status_code, service.get("/readyz").status_code) == (200, 200)
        assert service.process.is_running()


def test_a_client_that_disconnects_cancels_the_parsing_of_a_sweep() -> None:
    """The service does not wait for the worker that parses it, which is suspended here."""
    with Service(workers=1, embedded_cache=True) as service:
        eventually(lambda: service.readiness()["ready"])
        with suspended(service.workers()):
            leaving = Posted(service, sweep(), path="/v1/sweeps")
            eventually(leaving.is_read)
            service.get("/healthz")  # the request that was read before has had its turn
            leaving.leave()
            eventually(lambda: "path=/v1/sweeps route=/v1/sweeps status=499" in service.log())
        eventually(lambda: service.readiness()["ready"])
        assert service.get("/v1/jobs").json()["jobs"] == []
