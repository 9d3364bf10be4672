"""Internal failure of a part of the service: health reports it, and the process ends with an error."""

import subprocess
import sys
from concurrent.futures import Future

import anyio
import httpx
import pytest
from support.processes import clean_environment
from support.resources import attach

from lindyn_service.configuration.settings import Settings
from lindyn_service.server import lifespan
from lindyn_service.server.app import create_service

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.usefixtures("light_main")]


async def broken(*_: object) -> None:
    raise ValueError("a defect")


async def test_health_reports_a_part_that_has_ended(monkeypatch):
    monkeypatch.setattr(lifespan, "sample_gauges", broken)
    service = create_service(Settings(workers=1, embedded_cache=False))
    stopped = anyio.Event()
    service.fatal_error.stop = stopped.set
    async with service.app.router.lifespan_context(service.app) as state:
        app = attach(service.app, state["resources"])
        with anyio.fail_after(300):
            await stopped.wait()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (503, {"status": "failed"})


async def test_a_failed_scheduler_is_reported(monkeypatch):
    monkeypatch.setattr("lindyn_service.jobs.scheduler_thread._run", broken)
    service = create_service(Settings(workers=1, redis_url="unix:///nowhere/redis"))
    told: Future[None] = Future()
    service.fatal_error.stop = lambda: told.set_result(None)
    async with service.app.router.lifespan_context(service.app):
        await anyio.to_thread.run_sync(told.result, 300)
    assert service.fatal_error.has_occurred()


BROKEN = """
from lindyn_service.server import lifespan, serve
from lindyn_service.server.stop_signals import StopSignals

async def broken(*_):
    raise ValueError("a defect")

lifespan.sample_gauges = broken
if __name__ == "__main__":
    serve.main(StopSignals())
"""


def test_the_process_ends_with_a_failure_code(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    settings = clean_environment(LINDYN_SOCKET=str(tmp_path / "s"), LINDYN_WORKERS="1", LINDYN_EMBEDDED_CACHE="0")
    run = subprocess.run(
        [sys.executable, tmp_path / "broken.py"], env=settings, capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 1
    assert "a background task of the service failed" in run.stderr
