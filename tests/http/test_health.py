"""Readiness of the real application with a real worker, before and after it stops."""

from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from support.resources import attach

from lindyn_service.configuration.settings import Settings
from lindyn_service.server.app import create_service

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.usefixtures("light_main")]


@asynccontextmanager
async def started(app):
    """A client of the application, which runs for the length of the block."""
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(attach(app, state["resources"]))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client


async def test_the_service_is_ready_until_it_stops():
    service = create_service(Settings(workers=1, embedded_cache=False))
    async with started(service.app) as client:
        response = await client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"ready": True, "workers": "ok", "cache": "memory-only"}
        service.stopping.set()
        await anyio.wait_all_tasks_blocked()
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.json() == {"ready": False, "workers": "failed", "cache": "memory-only"}
        assert (await client.get("/healthz")).status_code == 200


async def test_without_redis_the_service_is_ready_but_degraded():
    async with started(create_service(Settings(workers=1, redis_url="unix:///nowhere/redis")).app) as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "workers": "ok", "cache": "degraded"}
