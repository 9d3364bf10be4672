"""Security headers of answers, refusals, internal errors and pictures."""

import httpx
import pytest
from support.resources import idle_application

from lindyn_service.configuration.settings import Settings
from lindyn_service.http.security_headers import DEFAULTS, SVG_HEADERS, SecurityHeaders

pytestmark = pytest.mark.anyio

EXPECTED = {
    "cache-control": "private, no-cache",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/about", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nothing", 404),
        ("DELETE", "/healthz", 405),
        ("GET", "/broken", 500),
    ],
)
async def test_every_answer_has_security_headers(method, path, status):
    app = idle_application(Settings())

    async def broken():
        raise RuntimeError

    app.add_api_route("/broken", broken)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.request(method, path)
    assert response.status_code == status
    assert {name: response.headers[name] for name in EXPECTED} == EXPECTED
    assert set(EXPECTED) == {name.lower() for name in DEFAULTS}


async def test_a_route_may_set_its_own_policy():
    sent = []

    async def inner(scope, receive, send):
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-security-policy", b"default-src a")]}
        )

    async def send(message):
        sent.append(message)

    await SecurityHeaders(inner)({"type": "http"}, None, send)
    policies = [value for name, value in sent[0]["headers"] if name == b"content-security-policy"]
    assert policies == [b"default-src a"]
    assert "script-src" not in SVG_HEADERS["Content-Security-Policy"]
    assert SVG_HEADERS["Content-Security-Policy"].startswith("default-src 'none'; ")
