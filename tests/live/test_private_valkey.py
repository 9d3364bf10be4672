"""A private Valkey that dies is restarted, and its jobs continue."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from support.holding import job_workers, suspended
from support.jobs import alone, finished, result, slow_sweep, state, submit, sweep
from support.processes import Service, eventually, has_ended, trajectory

from lindyn_service.cache import private_valkey


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(embedded_cache=True, job_workers=1) as service:
        yield service


def another(service: Service, before: psutil.Process) -> psutil.Process:
    """The Valkey that replaced one that ended."""

    def found() -> psutil.Process | None:
        with suppress(StopIteration):
            valkey = service.valkey()
            return None if valkey == before or has_ended(valkey) else valkey
        return None

    return eventually(found)


def kill(service: Service) -> psutil.Process:
    before = service.valkey()
    before.kill()
    return another(service, before)


def test_it_is_restarted_each_time(service):
    for times in (1, 2, 3):
        kill(service)
        eventually(lambda n=times: service.log().count("the private Valkey is running again") == n)
        eventually(lambda: service.readiness()["cache"] == "ok")
    assert "the private Valkey ended with code -9, and its contents are lost; restarting it" in service.log()
    assert service.post(trajectory()).status_code == 200


def test_running_and_waiting_jobs_continue(service):
    with service.client() as client:
        finished(client, submit(client, sweep(seeds=1)))
        with suspended(eventually(lambda: job_workers(service))):
            jobs = [submit(client, slow_sweep(seeds=3)), *(submit(client, sweep(seeds=2 + i)) for i in range(7))]
            eventually(lambda: [state(client, job)["state"] for job in jobs].count("running") == 4)
            kill(service)
            eventually(lambda: all(client.get(f"/v1/jobs/{job}").status_code == 200 for job in jobs))
        assert [finished(client, job)["state"] for job in jobs] == ["done"] * 8
        table = result(client, jobs[0])["data"]["loss"]["values"]
        assert table[1][2] == pytest.approx(alone(client, slow_sweep(seeds=3), slow_sweep()["axes"][0]["values"][1], 2))


def test_it_may_be_killed_under_load(service):
    """It is killed repeatedly: no request is refused, and no unfinished job is lost."""
    with service.client() as client:
        finished(client, submit(client, sweep(seeds=1)))
        with suspended(eventually(lambda: job_workers(service))):
            jobs = [submit(client, sweep(seeds=3 + i)) for i in range(6)]
            for i in range(60):
                if i % 20 == 10:
                    kill(service)
                assert service.post(trajectory(seed=i)).status_code == 200
            eventually(lambda: all(client.get(f"/v1/jobs/{job}").status_code == 200 for job in jobs))
        assert [finished(client, job)["state"] for job in jobs] == ["done"] * 6


def test_a_failed_start_is_retried(service):
    (folder,) = Path(service.folder).glob(f"{private_valkey.PREFIX}*")
    lost = folder.with_name("elsewhere")
    folder.rename(lost)
    service.valkey().kill()
    eventually(lambda: "The embedded Valkey server cannot be started" in service.log())
    lost.rename(folder)
    eventually(lambda: service.readiness()["cache"] == "ok")
