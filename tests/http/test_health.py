"""Readiness of the real application with a real worker, before and after it stops its work."""

import anyio
import httpx
import pytest

from lindyn_service.configuration.settings import Settings
from lindyn_service.server.app import create_app

pytestmark = [pytest.mark.anyio, pytest.mark.live, pytest.mark.usefixtures("light_main")]


def client_of(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


async def test_ready_until_it_stops(app):
    async with app.router.lifespan_context(app), client_of(app) as client:
        response = await client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {"ready": True, "workers": "ok", "cache": "memory-only"}
        app.state.stopping.set()
        await anyio.wait_all_tasks_blocked()
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.json() == {"ready": False, "workers": "failed", "cache": "memory-only"}
        assert (await client.get("/healthz")).status_code == 200


async def test_without_its_redis_it_is_ready_but_degraded():
    app = create_app(Settings(workers=1, redis_url="unix:///nowhere/redis"))
    async with app.router.lifespan_context(app), client_of(app) as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "workers": "ok", "cache": "degraded"}
